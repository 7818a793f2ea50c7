package daemon

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mdserver/internal/instance"
)

// A guest reports without a token, also where everything else needs one, and by the
// server's own addresses and names only.
func TestReportsNeedNoToken(t *testing.T) {
	handler, _ := newHandlerFor(t, t.TempDir(), "imds = required\n[dnsmasq]\nrun = off\n", bare.domain, domainAt("10.122.0.10"))
	for _, tt := range []struct {
		from, method, host, path string
		status                   int
	}{
		{"10.122.0.10", "POST", "169.254.169.254", "/mdserver/report", 204},
		{"10.122.0.10", "POST", "instance-data", "/mdserver/report", 204},
		{"10.122.0.10", "POST", "rebound.example.com", "/mdserver/report", 421},
		{"10.122.0.10", "GET", "169.254.169.254", "/mdserver/report", 405},
		{"10.122.0.10", "GET", "169.254.169.254", "/latest/user-data", 401},
		{"10.122.0.99", "POST", "169.254.169.254", "/mdserver/report", 400},
		{"127.0.0.1", "POST", "169.254.169.254", "/mdserver/report", 400},
	} {
		r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(`{"name": "init-network", "event_type": "start"}`))
		r.Host, r.RemoteAddr = tt.host, tt.from+":4711"
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("%s %s to %s from %s: %d %q, want %d", tt.method, tt.path, tt.host, tt.from, w.Code, w.Body, tt.status)
		}
	}
}

func domainAt(address string) instance.Domain {
	domain := bare.domain
	domain.Name, domain.UUID[15] = "web1", domain.UUID[15]+1
	domain.Interfaces = []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 0xc1}, Network: "mds"}}
	domain.Metadata = instance.Metadata{Values: map[string]string{"ipv4": address}}
	return domain
}

// Only cloud-init is asked to report, and only if the configuration says so.
func TestReportAsksCloudInitOnly(t *testing.T) {
	const endpoint = "endpoint: http://169.254.169.254/mdserver/report"
	for _, tt := range []struct {
		report, agent string
		asked         bool
	}{
		{"report = yes", "Cloud-Init/25.1.4", true},
		{"report = yes", "Ignition/2.15.0", false},
		{"report = no", "Cloud-Init/25.1.4", false},
		{"", "Cloud-Init/25.1.4", false},
	} {
		handler, _ := newHandlerFor(t, t.TempDir(), tt.report+"\n[dnsmasq]\nrun = off\n", domainAt("10.122.0.10"))
		for path, hasParts := range map[string]bool{
			"/latest/user-data": true, "/nocloud/vendor-data": true, "/openstack/latest/vendor_data.json": true,
			"/nocloud/user-data": false, "/openstack/latest/user_data": false,
		} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host, r.RemoteAddr = "169.254.169.254", "10.122.0.10:4711"
			r.Header.Set("User-Agent", tt.agent)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if asked := strings.Contains(w.Body.String(), endpoint); w.Code != http.StatusOK || asked != (tt.asked && hasParts) {
				t.Errorf("%q, %s, %s: %d, asked to report: %v", tt.report, tt.agent, path, w.Code, asked)
			}
		}
	}
}

// TestReleaseForgetsReports checks that a guest that comes again after its release may report
// at once, however much it reported before.
func TestReleaseForgetsReports(t *testing.T) {
	d, guests := newDaemonFor(t, t.TempDir(), "request_rate = 0\n[dnsmasq]\nrun = off\n", domainAt("10.122.0.10"))
	handler := guestHandler(d)
	report := func() int {
		r := httptest.NewRequest(http.MethodPost, "/mdserver/report", strings.NewReader(`{"name": "init-network", "event_type": "start"}`))
		r.Host, r.RemoteAddr = "169.254.169.254", "10.122.0.10:4711"
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}
	for n := 0; report() != http.StatusServiceUnavailable; n++ {
		if n == 5000 {
			t.Fatal("a guest may report without end")
		}
	}
	d.forgetReleased([]instance.Event{{Old: &guests[0]}})
	if code := report(); code != http.StatusNoContent {
		t.Errorf("the first report after the release: %d", code)
	}
}
