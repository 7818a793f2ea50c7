package report

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/api"
	"mdserver/internal/frontend/frontendtest"
)

// record remembers what was noted, in place of a timeline.
type record map[uuid.UUID][]api.BootEntry

func (r record) Note(guest uuid.UUID, e api.BootEntry) { r[guest] = append(r[guest], e) }

// keyring remembers host keys, and certifies the first of those that it is given.
type keyring struct {
	kept   map[uuid.UUID][]ssh.PublicKey
	signer ssh.Signer // nil: nothing is certified
}

func (k *keyring) Keep(guest uuid.UUID, keys []ssh.PublicKey) { k.kept[guest] = keys }

func (k *keyring) Certify(_ context.Context, _ uuid.UUID, keys []ssh.PublicKey) []*ssh.Certificate {
	if k.signer == nil {
		return nil
	}
	certificate := &ssh.Certificate{CertType: ssh.HostCert, Key: keys[0]}
	if err := certificate.SignCert(rand.Reader, k.signer); err != nil {
		return nil
	}
	return []*ssh.Certificate{certificate}
}

type fixture struct {
	*Reports
	record record
	keys   *keyring
}

func newFixture() *fixture {
	f := &fixture{record: record{}, keys: &keyring{kept: map[uuid.UUID][]ssh.PublicKey{}}}
	f.Reports = New(f.record, f.keys)
	f.now = func() time.Time { return time.Unix(1_700_000_000, 0) }
	return f
}

// post sends a report with headers, which are lines.
func (f *fixture) post(from netip.AddrPort, path, body string, headers ...string) *httptest.ResponseRecorder {
	return f.ask(http.MethodPost, from, path, body, headers...)
}

func (f *fixture) ask(method string, from netip.AddrPort, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = from.String()
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	frontendtest.Serve(f.Reports).ServeHTTP(w, r)
	return w
}

var (
	web      = netip.AddrPortFrom(frontendtest.FromWeb, 40000)
	webRoot  = netip.AddrPortFrom(frontendtest.FromWeb, 1023)
	stranger = netip.AddrPortFrom(frontendtest.FromStranger, 1023)
	host     = netip.MustParseAddrPort("127.0.0.1:1023")
)

const (
	stageStarts = `{"name": "modules-final", "event_type": "start"}`
	statusDone  = `{"v1": {"modules-final": {"errors": [], "finished": 1}}}`
)

// A report is noted for the guest that sent it, as of now.
func TestReports(t *testing.T) {
	for _, tt := range []struct {
		path, body string
		want       api.BootEntry
	}{
		{"/mdserver/report", stageStarts, api.BootEntry{Kind: api.EntryStage, Name: "modules-final"}},
		{"/mdserver/report/", stageStarts, api.BootEntry{Kind: api.EntryStage, Name: "modules-final"}},
		{"//mdserver//status", statusDone, api.BootEntry{Kind: api.EntryStatus, Result: "SUCCESS"}},
		{"/mdserver/phone-home", "hostname=web1", api.BootEntry{Kind: api.EntryPhoneHome, Detail: "hostname web1"}},
		{"/mdserver/host-keys", ed25519Line, api.BootEntry{Kind: api.EntryHostKeys, Detail: ed25519Shown}},
	} {
		f := newFixture()
		if w := f.post(webRoot, tt.path, tt.body); w.Code != http.StatusNoContent || w.Body.Len() > 0 {
			t.Errorf("%s: %d %q", tt.path, w.Code, w.Body)
		}
		tt.want.Source, tt.want.At = api.FromGuest, f.now()
		if got := f.record[frontendtest.Web.UUID]; len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.path, got, tt.want)
		}
	}
}

func TestAccepted(t *testing.T) {
	for _, tt := range []struct {
		path   string
		status int
		want   bool
	}{
		{"/mdserver/report", 204, true},
		{"//mdserver/host-keys", 200, true},
		{"/mdserver/report", 299, true},
		{"/mdserver/report", 300, false},
		{"/mdserver/report", 400, false},
		{"/mdserver2/report", 200, false},
		{"/latest/user-data", 200, false},
	} {
		if got := Accepted(tt.path, tt.status); got != tt.want {
			t.Errorf("%s, %d: %v", tt.path, tt.status, got)
		}
	}
}

func TestRefusedReports(t *testing.T) {
	long := `{"name": "` + strings.Repeat("x", MaxBody) + `", "event_type": "start"}`
	tests := []struct {
		name, method string
		from         netip.AddrPort
		path, body   string
		header       string
		status       int
		text         string
	}{
		{"a stranger", "POST", stranger, "/mdserver/report", stageStarts, "", 400, "Unknown client: 10.122.200.200"},
		{"this host", "POST", host, "/mdserver/host-keys", ed25519Line, "", 400, "Unknown client: 127.0.0.1"},
		{"GET", "GET", web, "/mdserver/report", "", "", 405, "Method not allowed: GET"},
		{"PUT", "PUT", web, "/mdserver/status", statusDone, "", 405, "Method not allowed: PUT"},
		{"no path", "POST", web, "/mdserver", "", "", 404, "Resource not found: Not found: '/mdserver'"},
		{"another path", "POST", web, "/mdserver/report/web2", stageStarts, "", 404, "Resource not found: Not found: '/mdserver/report/web2'"},
		{"a browser", "POST", web, "/mdserver/report", stageStarts, "Origin: http://example.net", 403, "Forbidden: sent by a page in a browser"},
		{"a page", "POST", web, "/mdserver/report", stageStarts, "Sec-Fetch-Site: cross-site", 403, "Forbidden: sent by a page in a browser"},
		{"a proxy", "POST", web, "/mdserver/status", statusDone, "X-Forwarded-For: 10.0.0.1", 403, "Forbidden: sent on by a proxy"},
		{"another proxy", "POST", webRoot, "/mdserver/host-keys", ed25519Line, "Via: 1.1 proxy", 403, "Forbidden: sent on by a proxy"},
		{"too long", "POST", web, "/mdserver/report", long, "", 413, "Report is too large, accepted: at most 65536 bytes"},
		{"no report", "POST", web, "/mdserver/report", "{}", "", 400, "Bad request: name is missing, accepted: the name of a stage or module"},
		{"keys as a report", "POST", web, "/mdserver/report", ed25519Line, "", 400, "Bad request: a report is a JSON object"},
		{"host keys of a user", "POST", web, "/mdserver/host-keys", ed25519Line, "", 403, "Forbidden: host keys are accepted from source ports below 1024 only"},
		{"port 1024", "POST", netip.AddrPortFrom(frontendtest.FromWeb, 1024), "/mdserver/host-keys", ed25519Line, "", 403, "Forbidden: host keys"},
		{"broken host keys", "POST", webRoot, "/mdserver/host-keys", "x", "", 400, `Bad request: line 1: "x" is not a public key`},
	}
	for _, tt := range tests {
		f := newFixture()
		var headers []string
		if tt.header != "" {
			headers = []string{tt.header}
		}
		w := f.ask(tt.method, tt.from, tt.path, tt.body, headers...)
		if allow := w.Header().Get("Allow"); (allow == "POST") != (w.Code == http.StatusMethodNotAllowed) {
			t.Errorf("%s: Allow is %q", tt.name, allow)
		}
		if w.Code != tt.status || !strings.HasPrefix(w.Body.String(), tt.text) {
			t.Errorf("%s: %d %q, want %d %q", tt.name, w.Code, w.Body, tt.status, tt.text)
		}
		if len(f.record) > 0 || len(f.keys.kept) > 0 {
			t.Errorf("%s: %v and %v are kept", tt.name, f.record, f.keys.kept)
		}
	}
}

// Host keys are kept, and answered with the certificates that there are. Those that
// phone_home sends are not: a guest's users can send them.
func TestHostKeys(t *testing.T) {
	f := newFixture()
	home := "pub_key_ed25519=" + strings.ReplaceAll(ed25519Line, " ", "+")
	if w := f.post(webRoot, "/mdserver/phone-home", home); w.Code != http.StatusNoContent || len(f.keys.kept) > 0 {
		t.Errorf("phone_home: %d %q, kept %v", w.Code, w.Body, f.keys.kept)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if f.keys.signer, err = ssh.NewSignerFromKey(private); err != nil {
		t.Fatal(err)
	}
	w := f.post(webRoot, "/mdserver/host-keys", ed25519Line)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(w.Body.Bytes())
	if err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	kept := f.keys.kept[frontendtest.Web.UUID]
	if certificate, ok := key.(*ssh.Certificate); !ok || len(kept) != 1 || string(certificate.Key.Marshal()) != string(kept[0].Marshal()) {
		t.Errorf("kept %v, answered %q", kept, w.Body)
	}
	// a certificate is no host key
	if again := f.post(webRoot, "/mdserver/host-keys", w.Body.String()); again.Code != http.StatusBadRequest || !strings.Contains(again.Body.String(), "is a certificate") {
		t.Errorf("a certificate as a key: %d %q", again.Code, again.Body)
	}
}

// A guest that reports without end is stopped, alone, until it is gone.
func TestRates(t *testing.T) {
	f := newFixture()
	now := f.now()
	f.now = func() time.Time { return now }
	send := func(from netip.AddrPort) int { return f.post(from, "/mdserver/report", stageStarts).Code }
	for i := range burst {
		if code := send(web); code != http.StatusNoContent {
			t.Fatalf("report %d: %d", i, code)
		}
	}
	if w := f.post(web, "/mdserver/report", stageStarts); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || !strings.HasPrefix(w.Body.String(), "Too many reports") {
		t.Errorf("one too many: %d %v %q", w.Code, w.Header(), w.Body)
	}
	if code := send(netip.AddrPortFrom(frontendtest.FromSix, 5)); code != http.StatusNoContent {
		t.Errorf("another guest: %d", code)
	}
	now = now.Add(time.Second)
	for range perSecond {
		if code := send(web); code != http.StatusNoContent {
			t.Errorf("a second later: %d", code)
		}
	}
	if code := send(web); code != http.StatusServiceUnavailable {
		t.Errorf("one too many, a second later: %d", code)
	}
	f.Forget(frontendtest.Web.UUID)
	if code := send(web); code != http.StatusNoContent {
		t.Errorf("a guest that was forgotten: %d", code)
	}
}

// A body that ends early is not noted.
func TestIncompleteReport(t *testing.T) {
	f := newFixture()
	r := httptest.NewRequest(http.MethodPost, "/mdserver/report", errorReader{})
	r.RemoteAddr = web.String()
	w := httptest.NewRecorder()
	frontendtest.Serve(f.Reports).ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || !strings.HasPrefix(w.Body.String(), "Report is incomplete") || len(f.record) > 0 {
		t.Errorf("%d %q, noted %v", w.Code, w.Body, f.record)
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, http.ErrBodyReadAfterClose }

func TestPrivilegedPort(t *testing.T) {
	for addr, want := range map[string]bool{
		"10.122.1.1:1": true, "10.122.1.1:1023": true, "[fd00::1]:22": true,
		"10.122.1.1:0": false, "10.122.1.1:1024": false, "10.122.1.1:65536": false, "10.122.1.1:": false, "10.122.1.1:x": false,
		"10.122.1.1:0x10": false, "10.122.1.1": false, "": false,
	} {
		if got := fromPrivilegedPort(&http.Request{RemoteAddr: addr}); got != want {
			t.Errorf("%q: %v, want %v", addr, got, want)
		}
	}
}
