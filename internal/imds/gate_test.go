package imds

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
)

// No method that reads gets past a gate that requires a token. Other methods are
// refused by the tree, whatever they show.
func TestMethodsWithoutToken(t *testing.T) {
	s := newService(instance.IMDSRequired)
	token := HeaderToken + ": " + s.gate.key.Issue(web1, noon+time.Minute)
	for _, tt := range []struct {
		method        string
		without, with int
	}{
		{http.MethodGet, 401, 200},
		{http.MethodHead, 401, 200},
		{http.MethodPost, 405, 405},
		{http.MethodPut, 405, 405},
		{http.MethodDelete, 405, 405},
		{http.MethodOptions, 405, 405},
	} {
		for _, path := range []string{"/latest/meta-data/instance-id", "/2009-04-04/user-data"} {
			if w := s.do("10.122.0.1", tt.method, path); w.Code != tt.without {
				t.Errorf("%s %s without a token: %d, want %d", tt.method, path, w.Code, tt.without)
			}
			if w := s.do("10.122.0.1", tt.method, path, token); w.Code != tt.with {
				t.Errorf("%s %s with a token: %d, want %d", tt.method, path, w.Code, tt.with)
			}
		}
	}
}

// A frontend is before the gate unless it is exempt, for all guests or for one.
func TestFace(t *testing.T) {
	guests := guests{
		"10.122.0.1": {Name: "web1", UUID: web1},
		"10.122.0.3": {Name: "strict", UUID: web2, Metadata: instance.Metadata{Values: map[string]string{"imds": "required"}}},
		"10.122.0.4": {Name: "off", Metadata: instance.Metadata{Values: map[string]string{"imds": "off"}}},
		"10.122.0.5": {Name: "own", Metadata: instance.Metadata{Values: map[string]string{"imds_exempt": "openstack"}}},
		"10.122.0.6": {Name: "none", Metadata: instance.Metadata{Values: map[string]string{"imds_exempt": ""}}},
	}
	log := slog.New(slog.DiscardHandler)
	gate := New(Settings{Mode: instance.IMDSRequired, Exempt: []string{"nocloud"}}, NewKey(), &Counts{}, log)
	gate.now = func() time.Duration { return noon }
	token := HeaderToken + ": " + gate.key.Issue(web1, noon+time.Minute)
	for _, tt := range []struct {
		frontend, from string
		headers        []string
		want           int
	}{
		{"nocloud", "10.122.0.1", nil, 200},
		{"nocloud", "10.122.0.1", []string{HeaderToken + ": x"}, 200},
		{"openstack", "10.122.0.1", nil, 401},
		{"openstack", "10.122.0.1", []string{token}, 200},
		{"openstack", "10.122.0.3", []string{token}, 401}, // another guest's
		{"nocloud", "10.122.0.3", nil, 200},
		{"openstack", "10.122.0.4", nil, 200},
		{"openstack", "10.122.0.4", []string{HeaderToken + ": x"}, 200}, // tokens are off
		{"openstack", "10.122.0.5", nil, 200},
		{"nocloud", "10.122.0.5", nil, 401},
		{"nocloud", "10.122.0.6", nil, 401},
		{"openstack", "10.122.0.6", nil, 401},
		{"openstack", "10.122.0.9", nil, 200}, // no guest: the frontend's to refuse
	} {
		inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { httpcommon.Text(w, "value") })
		handler := httpcommon.Identified(frontendtest.Identify(guests), httpcommon.LogTo(log), gate.Frontend(tt.frontend, inner))
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut} {
			w := frontendtest.AskWith(handler, tt.from, method, "/", tt.headers...)
			if w.Code != tt.want {
				t.Errorf("%s of %s by %s with %q: %d, want %d", method, tt.frontend, tt.from, tt.headers, w.Code, tt.want)
			}
			if reached := w.Body.String() == "value"; reached != (tt.want == 200) {
				t.Errorf("%s of %s by %s: answered %q", method, tt.frontend, tt.from, w.Body)
			}
		}
	}
}

// What clients are told. AWS's own name the header and the status only.
func TestRefusalsSayWhy(t *testing.T) {
	s := newService(instance.IMDSRequired)
	good := HeaderToken + ": " + s.gate.key.Issue(web1, noon+time.Minute)
	for _, tt := range []struct {
		method, path string
		headers      []string
		want         string
	}{
		{"GET", "/latest/", nil, "Unauthorised: a token is required, see PUT /latest/api/token"},
		{"GET", "/latest/", []string{good, good}, "Unauthorised: more than one token"},
		{"GET", "/latest/", []string{HeaderToken + ": ", good}, "Unauthorised: more than one token"},
		{"GET", "/latest/", []string{HeaderToken + ": x"}, "Unauthorised: the token is malformed"},
		{"PUT", "/2009-04-04/api/token", nil, "Forbidden: tokens are issued at /latest/api/token"},
		{"PUT", "/latest/api/token", []string{ttlHeader + "60", "X-Forwarded-For: 10.0.0.1"}, "Forbidden: tokens are not issued through a proxy"},
		{"PUT", "/latest/api/token", nil, "Bad request: X-Aws-Ec2-Metadata-Token-Ttl-Seconds must be one whole number from 1 to 21600"},
		{"GET", "/latest/api/token", nil, "Method not allowed: GET"},
	} {
		if got := s.do("10.122.0.1", tt.method, tt.path, tt.headers...).Body.String(); strings.TrimSpace(got) != tt.want {
			t.Errorf("%s %s with %q: %q, want %q", tt.method, tt.path, tt.headers, got, tt.want)
		}
	}
}

func TestHeadersOfTokens(t *testing.T) {
	s := newService(instance.IMDSOptional)
	if got := s.do("10.122.0.1", "POST", "/latest/api/token").Header().Get("Allow"); got != "PUT" {
		t.Errorf("Allow: %q, want PUT", got)
	}
	header := s.do("10.122.0.1", "PUT", "/latest/api/token", ttlHeader+"60").Header()
	for name, want := range map[string]string{"Cache-Control": "no-store", "Content-Type": "text/plain", HeaderTTL: "60"} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestLifetime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1": time.Second, " 60 ": time.Minute, "21600": 6 * time.Hour,
		"": 0, " ": 0, "0": 0, "21601": 0, "-1": 0, "+1": 0, "1.0": 0, "1 2": 0, "0x10": 0, "99999999999999999999": 0, "9223372036854775807": 0,
	} {
		got, ok := lifetime([]string{text})
		if ok != (want > 0) || ok && got != want {
			t.Errorf("lifetime %q: %s, %v", text, got, ok)
		}
	}
}

func TestTokenPath(t *testing.T) {
	for path, want := range map[string]string{
		"/latest/api/token": "latest", "/2009-04-04/api/token": "2009-04-04",
		"/latest/api/token/": "", "/latest/api/tokens": "", "/api/token": "", "/latest/x/api/token": "", "/latest/meta-data/": "", "/": "",
	} {
		if version, ok := tokenPath(path); ok != (want != "") || ok && version != want {
			t.Errorf("%s: version %q, %v", path, version, ok)
		}
	}
}

func TestDamagedKey(t *testing.T) {
	for _, text := range []string{"", "00", strings.Repeat("x", 64), strings.Repeat("00", 32) + "x"} {
		_, err := ParseKey(text)
		if want := "the signing key of tokens is damaged: it is not 64 hexadecimal digits"; err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if got := fmt.Sprint(NewKey()); got != "signing key" {
		t.Errorf("printed as %q", got)
	}
}

// brokenConn is a connection whose socket cannot be had.
type brokenConn struct{ net.Conn }

func (brokenConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 122, 0, 1)} }

func (brokenConn) SyscallConn() (syscall.RawConn, error) { return nil, errors.New("closed") }

// A token that would live for too many hops is not issued.
func TestNoHopLimitNoToken(t *testing.T) {
	closed, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, conn := range map[string]net.Conn{"no socket": brokenConn{}, "a closed socket": closed} {
		t.Run(name, func(t *testing.T) {
			s := newService(instance.IMDSOptional)
			var log strings.Builder
			s.gate.log = slog.New(slog.NewTextHandler(&log, nil))
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.ServeHTTP(w, r.WithContext(WithConn(r.Context(), conn)))
			})
			w := frontendtest.AskWith(handler, "10.122.0.1", "PUT", "/latest/api/token", ttlHeader+"60")
			if w.Code != http.StatusInternalServerError || strings.TrimSpace(w.Body.String()) != "Internal server error" || s.counts.Tokens.Load() != 0 {
				t.Errorf("%d %q, %d tokens", w.Code, w.Body, s.counts.Tokens.Load())
			}
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "guest=web1 error=") {
				t.Errorf("logged: %s", &log)
			}
		})
	}
}

func TestFamilyOfPackets(t *testing.T) {
	for _, tt := range []struct {
		addr net.Addr
		want bool
	}{
		{&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, false},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:10.0.0.1")}, false},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1")}, true},
		{&net.TCPAddr{}, false},
		{&net.UnixAddr{Name: "/run/x"}, false},
	} {
		if got := isIPv6(tt.addr); got != tt.want {
			t.Errorf("%s: IPv6 %v, want %v", tt.addr, got, tt.want)
		}
	}
}
