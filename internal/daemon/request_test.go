package daemon

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
)

const othersSecret = "s3cret-of-the-other-guest"

// newHandler is the whole chain that a guest's request passes, with two guests:
// 10.122.0.10 and, with a secret for a name, 10.122.0.11.
func newHandler(tb testing.TB) http.Handler {
	tb.Helper()
	var domains []instance.Domain
	for i, name := range []string{"web1", othersSecret} {
		domains = append(domains, instance.Domain{
			Name: name, UUID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)),
			Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, 0, 0, byte(i)}, Network: "mds"}},
			Metadata:   instance.Metadata{Values: map[string]string{"ipv4": "10.122.0.1" + string(rune('0'+i))}},
		})
	}
	handler, _ := newHandlerFor(tb, tb.TempDir(), "[dnsmasq]\nrun = off\n", domains...)
	return handler
}

// newHandlerFor is that chain with a configuration and guests of its own: the
// text comes behind the keys of [mdserver] that say where in dir all things
// are. It returns the guests' records, too.
func newHandlerFor(tb testing.TB, dir, text string, domains ...instance.Domain) (http.Handler, []instance.Instance) {
	tb.Helper()
	d, records := newDaemonFor(tb, dir, text, domains...)
	return guestHandler(d), records
}

// guestHandler answers the guests of a server, which it knows by their addresses.
func guestHandler(d *Daemon) http.Handler {
	return d.metadataHandler(frontendtest.Identify(liveGuests{d.inventory}))
}

// newDaemonFor is the server of newHandlerFor.
func newDaemonFor(tb testing.TB, dir, text string, domains ...instance.Domain) (*Daemon, []instance.Instance) {
	tb.Helper()
	file := filepath.Join(dir, "mdserver.conf")
	text = "[mdserver]\ndb_file = " + dir + "/db_file.json\nuserdata_dir = " + dir + "\n" + text
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	cfg := loadFile(tb, file)
	d := newDaemon(tb, cfg)
	var records []instance.Instance
	for _, domain := range domains {
		result, err := d.inventory.Register(tb.Context(), domain)
		if err != nil {
			tb.Fatal(err)
		}
		records = append(records, result.Instance)
	}
	return d, records
}

// FuzzRequest sends whatever a guest may send through the whole chain: nothing
// panics, fails inside, redirects, or tells of another guest.
func FuzzRequest(f *testing.F) {
	for _, path := range []string{
		"/", "/latest", "/latest/meta-data/", "/2009-04-04/user-data", "/latest/api/token", "/latest//meta-data/../x",
		"/latest/meta-data/public-keys/0/openssh-key", "/latest/dynamic/instance-identity", "/latest/dynamic/instance-identity/pkcs7", "/service/configuration",
		"/openstack/latest/meta_data.json", "/openstack/2013-04-04/password", "/nocloud/meta-data", "/instance-upload", "/%2e%2e/%00",
	} {
		f.Add("GET", path, "", "")
		f.Add("PUT", path, "60", "")
	}
	f.Add("POST", "/openstack/2013-04-04/password", "", "token")
	handler := newHandler(f)
	f.Fuzz(func(t *testing.T, method, path, ttl, token string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || strings.Contains(path, othersSecret) {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(token))
		r.Method, r.URL, r.Host, r.RemoteAddr = method, u, "169.254.169.254", "10.122.0.10:4711"
		r.Header[imds.HeaderTTL], r.Header[imds.HeaderToken] = []string{ttl}, []string{token}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code >= 300 && w.Code < 400 {
			t.Errorf("%q %q: %d %s", method, path, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), othersSecret) {
			t.Errorf("%q %q tells of another guest: %s", method, path, w.Body)
		}
	})
}
