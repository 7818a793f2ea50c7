package daemon

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A server that does not serve yet is alive, but not ready. A web page that has its
// own name resolve to this host reads nothing.
func TestMonitoringHandler(t *testing.T) {
	dir := t.TempDir()
	d := newDaemon(t, load(t, "[mdserver]\ndb_file = "+dir+"/db_file.json\nuserdata_dir = "+dir+
		"\n[dnsmasq]\nrun = off\n[service]\nhostname = kvm1.example.net\n"))
	for _, tt := range []struct {
		url    string
		status int
		body   string
	}{
		{"http://localhost:9810/healthz", 200, "ok"},
		{"http://kvm1.example.net:9810/healthz", 200, "ok"},
		{"http://kvm1:9810/readyz", 503, "guests are not served"},
		{"http://localhost:9810/metrics", 200, "mdserver_guests{state=\"running\"} 0\n"},
		{"http://localhost:9810/sd", 200, "[]"},
		{"http://attacker.example.com:9810/metrics", 421, "accept_hosts"},
	} {
		w := httptest.NewRecorder()
		d.monitoringHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, tt.url, nil))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
			t.Errorf("%s: %d %s", tt.url, w.Code, w.Body)
		}
	}
}
