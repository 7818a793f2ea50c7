package imds

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
)

type guests map[string]*instance.Instance

func (g guests) ByAddr(addr netip.Addr) (*instance.Instance, bool) {
	inst, ok := g[addr.String()]
	return inst, ok
}

var known = guests{
	"10.122.0.1": {Name: "web1", UUID: web1},
	"10.122.0.2": {Name: "web2", UUID: web2},
	"10.122.0.3": {Name: "strict", Metadata: instance.Metadata{Values: map[string]string{"imds": "required"}}},
	"10.122.0.4": {Name: "old", Metadata: instance.Metadata{Values: map[string]string{"imds": "off"}}},
}

// service is a gate before a tree in which every path exists.
type service struct {
	http.Handler
	gate   *Gate
	counts *Counts
}

func newService(mode instance.IMDSMode) service {
	log := slog.New(slog.DiscardHandler)
	tree := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if httpcommon.OnlyReads(w, r) {
			httpcommon.Text(w, "value")
		}
	})
	settings := Settings{Mode: mode, HopLimit: 1, Versions: []string{"2009-04-04", "latest"}}
	s := service{counts: &Counts{}}
	s.gate = New(settings, NewKey(), s.counts, log)
	s.gate.now = func() time.Duration { return noon }
	s.Handler = httpcommon.Identified(frontendtest.Identify(known), httpcommon.LogTo(log), httpcommon.Normalise(s.gate.EC2(tree)))
	return s
}

func (s service) do(from, method, path string, headers ...string) *httptest.ResponseRecorder {
	return frontendtest.AskWith(s, from, method, path, headers...)
}

const ttlHeader = "X-aws-ec2-metadata-token-ttl-seconds: "

func TestIssue(t *testing.T) {
	s := newService(instance.IMDSOptional)
	for _, path := range []string{"/latest/api/token", "//latest//api/token", "/latest/api/token/"} {
		w := s.do("10.122.0.1", "PUT", path, ttlHeader+"21600")
		if w.Code != 200 || w.Header().Get(HeaderTTL) != "21600" || w.Header().Get("Content-Type") != "text/plain" {
			t.Fatalf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
		if err := s.gate.key.Verify(w.Body.String(), web1, noon+MaxTTL-time.Second); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if n := s.counts.Tokens.Load(); n != 3 {
		t.Errorf("%d tokens counted, want 3", n)
	}
}

func TestRefusedTokens(t *testing.T) {
	const path = "/latest/api/token"
	tests := []struct {
		name, from, method, path string
		headers                  []string
		status                   int
	}{
		{"no lifetime", "10.122.0.1", "PUT", path, nil, 400},
		{"an empty lifetime", "10.122.0.1", "PUT", path, []string{ttlHeader}, 400},
		{"a lifetime of nothing", "10.122.0.1", "PUT", path, []string{ttlHeader + "0"}, 400},
		{"the shortest lifetime", "10.122.0.1", "PUT", path, []string{ttlHeader + "1"}, 200},
		{"the longest lifetime", "10.122.0.1", "PUT", path, []string{ttlHeader + "21600"}, 200},
		{"too long a lifetime", "10.122.0.1", "PUT", path, []string{ttlHeader + "21601"}, 400},
		{"a lifetime beyond all numbers", "10.122.0.1", "PUT", path, []string{ttlHeader + strings.Repeat("9", 40)}, 400},
		{"a lifetime that overflows", "10.122.0.1", "PUT", path, []string{ttlHeader + "18446744073709"}, 400},
		{"a negative lifetime", "10.122.0.1", "PUT", path, []string{ttlHeader + "-1"}, 400},
		{"a lifetime with a sign", "10.122.0.1", "PUT", path, []string{ttlHeader + "+60"}, 400},
		{"a fraction", "10.122.0.1", "PUT", path, []string{ttlHeader + "60.5"}, 400},
		{"a word", "10.122.0.1", "PUT", path, []string{ttlHeader + "long"}, 400},
		{"two lifetimes", "10.122.0.1", "PUT", path, []string{ttlHeader + "60", ttlHeader + "70"}, 400},
		{"through a proxy", "10.122.0.1", "PUT", path, []string{ttlHeader + "60", "X-Forwarded-For: 10.0.0.1"}, 403},
		{"through a proxy that says nothing", "10.122.0.1", "PUT", path, []string{ttlHeader + "60", "X-Forwarded-For: "}, 403},
		{"a dated version", "10.122.0.1", "PUT", "/2009-04-04/api/token", []string{ttlHeader + "60"}, 403},
		{"a version that is none", "10.122.0.1", "PUT", "/1999-01-01/api/token", []string{ttlHeader + "60"}, 405},
		{"GET", "10.122.0.1", "GET", path, []string{ttlHeader + "60"}, 405},
		{"HEAD", "10.122.0.1", "HEAD", path, []string{ttlHeader + "60"}, 405},
		{"POST", "10.122.0.1", "POST", path, []string{ttlHeader + "60"}, 405},
		{"DELETE", "10.122.0.1", "DELETE", path, []string{ttlHeader + "60"}, 405},
		{"a stranger", "10.122.0.9", "PUT", path, []string{ttlHeader + "60"}, 400},
		{"this host", "127.0.0.1", "PUT", path, []string{ttlHeader + "60"}, 400},
		{"a guest without tokens", "10.122.0.4", "PUT", path, []string{ttlHeader + "60"}, 405}, // as the tree answers a PUT
		{"a longer path", "10.122.0.1", "PUT", path + "/x", []string{ttlHeader + "60"}, 405},
	}
	s := newService(instance.IMDSOptional)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := s.do(tt.from, tt.method, tt.path, tt.headers...)
			if w.Code != tt.status {
				t.Errorf("%d %s, want %d", w.Code, w.Body, tt.status)
			}
			if w.Code != 200 && s.gate.key.Verify(w.Body.String(), web1, noon) == nil {
				t.Error("a refusal holds a token")
			}
		})
	}
}

func TestReads(t *testing.T) {
	const path = "/latest/meta-data/instance-id"
	for _, tt := range []struct {
		mode                                  instance.IMDSMode
		none, good, bad, expired, foreign, of int // statuses
	}{
		{instance.IMDSOptional, 200, 200, 401, 401, 401, 200},
		{instance.IMDSRequired, 401, 200, 401, 401, 401, 200},
		{instance.IMDSOff, 200, 200, 200, 200, 200, 200},
	} {
		t.Run(string(tt.mode), func(t *testing.T) {
			s := newService(tt.mode)
			key := s.gate.key
			good := HeaderToken + ": " + key.Issue(web1, noon+time.Second)
			for _, c := range []struct {
				name, from string
				headers    []string
				status     int
			}{
				{"no token", "10.122.0.1", nil, tt.none},
				{"an empty token", "10.122.0.1", []string{HeaderToken + ": "}, tt.none},
				{"a good token", "10.122.0.1", []string{good}, tt.good},
				{"lower case", "10.122.0.1", []string{strings.ToLower(HeaderToken) + good[len(HeaderToken):]}, tt.good},
				{"a malformed token", "10.122.0.1", []string{HeaderToken + ": x"}, tt.bad},
				{"two tokens", "10.122.0.1", []string{good, good}, tt.bad},
				{"an expired token", "10.122.0.1", []string{HeaderToken + ": " + key.Issue(web1, noon)}, tt.expired},
				{"another guest's token", "10.122.0.2", []string{good}, tt.foreign},
				{"a guest that needs one always", "10.122.0.3", nil, 401},
				{"a guest that needs none ever", "10.122.0.4", nil, tt.of},
				{"a stranger", "10.122.0.9", nil, 200}, // the tree's to refuse
			} {
				w := s.do(c.from, "GET", path, c.headers...)
				if w.Code != c.status || (w.Body.String() == "value") != (c.status == 200) {
					t.Errorf("%s: %d %q, want %d", c.name, w.Code, w.Body, c.status)
				}
			}
			if w := s.do("10.122.0.1", "POST", path); w.Code != 405 {
				t.Errorf("POST: %d, want 405", w.Code)
			}
		})
	}
}

// What showed no token is counted where that is refused, and where it is not.
func TestCounts(t *testing.T) {
	for mode, want := range map[instance.IMDSMode][3]uint64{
		instance.IMDSRequired: {1, 1, 3}, instance.IMDSOptional: {1, 1, 2}, instance.IMDSOff: {0, 0, 0},
	} {
		s := newService(mode)
		good := HeaderToken + ": " + s.gate.key.Issue(web1, noon+time.Second)
		for _, headers := range [][]string{nil, {HeaderToken + ": x"}, {good}, {good, good}} {
			s.do("10.122.0.1", "GET", "/latest/", headers...)
		}
		s.do("10.122.0.9", "GET", "/latest/") // no guest
		s.do("10.122.0.1", "PUT", "/latest/api/token", ttlHeader+"60")
		s.do("10.122.0.1", "PUT", "/latest/api/token", ttlHeader+"0")
		got := [3]uint64{s.counts.Tokens.Load(), s.counts.WithoutToken.Load(), s.counts.Refused.Load()}
		if got != want {
			t.Errorf("%s: tokens, requests without one and refusals are %d, want %d", mode, got, want)
		}
	}
}
