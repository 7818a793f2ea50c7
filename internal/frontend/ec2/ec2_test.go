package ec2

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/httpcommon"
	"mdserver/internal/identity"
	"mdserver/internal/instance"
	"mdserver/internal/metadata"
	"mdserver/internal/userdata"
)

var (
	webAddr   = netip.MustParseAddr("10.122.0.5")
	ipv6Addr  = netip.MustParseAddr("2001:db8::5")
	otherAddr = netip.MustParseAddr("10.122.0.9")
)

var web = &instance.Instance{
	Network: "mds",
	ID:      "i-0123456789abcdef0", Name: "web 1", Hostname: "web-1",
	MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 1}, IPv4: webAddr,
}

type guests map[netip.Addr]*instance.Instance

func (g guests) ByAddr(addr netip.Addr) (*instance.Instance, bool) {
	inst, ok := g[addr]
	return inst, ok
}

// fakeUserdata renders "hello NAME", or fails as it is told.
type fakeUserdata struct{ err error }

func (f fakeUserdata) Render(_ context.Context, guest *instance.Instance) (userdata.Rendered, error) {
	return userdata.Rendered{Body: []byte("hello " + guest.Name)}, f.err
}

// RenderReporting renders "report, NAME".
func (f fakeUserdata) RenderReporting(_ context.Context, guest *instance.Instance) (userdata.Rendered, error) {
	return userdata.Rendered{Body: []byte("report, " + guest.Name)}, f.err
}

// fakeIdentity signs with the length of the document.
type fakeIdentity struct{ err error }

func (f fakeIdentity) Sign(id uuid.UUID, document []byte) (identity.Signed, error) {
	sum := fmt.Sprint(id, " ", len(document))
	return identity.Signed{Signature: "signature of " + sum, PKCS7: "pkcs7 of " + sum}, f.err
}

var site = metadata.Site{Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.122.0.0/16")}}, PublicKeys: []metadata.PublicKey{
	{Name: "default", Key: "ssh-ed25519 AAAA alice@laptop"},
	{Name: "ops", Key: "ssh-ed25519 BBBB bob@desk"},
	{Name: "0", Key: "ssh-ed25519 CCCC named like an index"},
}, Region: "here", AvailabilityZone: "herea", AccountID: "000000000000"}

func newServer(site metadata.Site, ud Userdata) http.Handler {
	return newServerFor(guests{webAddr: web, ipv6Addr: {ID: "i-6", Hostname: "six", IPv6: ipv6Addr}}, []string{"2009-04-04", "latest"}, site, ud)
}

func newServerFor(known guests, versions []string, site metadata.Site, ud Userdata) http.Handler {
	ec2 := New(versions, site, ud, fakeIdentity{})
	return httpcommon.Identified(frontendtest.Identify(known), httpcommon.LogTo(slog.New(slog.DiscardHandler)), httpcommon.Normalise(ec2))
}

func ask(h http.Handler, from netip.Addr, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr = netip.AddrPortFrom(from, 4711).String()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTree(t *testing.T) {
	const notFound = "Resource not found: Not found: "
	listing := "ami-id\nami-launch-index\nami-manifest-path\nevents/\nhostname\ninstance-action\ninstance-id\ninstance-life-cycle\n" +
		"instance-type\nlocal-hostname\nlocal-ipv4\nmac\nnetwork/\nplacement/\nprofile\npublic-keys/\nreservation-id\n" +
		"security-groups\nservices/\nsystem"
	tests := []struct {
		path   string
		status int
		body   string
	}{
		{"/", 200, "2009-04-04\nlatest"},
		{"/latest", 200, "dynamic\nmeta-data\nuser-data"},
		{"/latest/", 200, "dynamic\nmeta-data\nuser-data"},
		{"/2009-04-04/meta-data", 200, listing},
		{"/2009-04-04/meta-data/", 200, listing},
		{"/latest//meta-data/instance-id", 200, "i-0123456789abcdef0"},
		{"/latest/meta-data/hostname", 200, "web-1"},
		{"/latest/meta-data/local-hostname", 200, "web-1"},
		{"/latest/meta-data/local-ipv4", 200, "10.122.0.5"},
		{"/latest/meta-data/mac", 200, "52:54:00:09:00:01"},
		{"/latest/meta-data/network/interfaces/macs/", 200, "52:54:00:09:00:01/"},
		{"/latest/meta-data/network/interfaces/macs/52:54:00:09:00:01/local-ipv4s", 200, "10.122.0.5"},
		{"/latest/meta-data/network/interfaces/macs/52:54:00:09:00:01/subnet-ipv4-cidr-block", 200, "10.122.0.0/16"},
		{"/latest/meta-data/network/interfaces/macs/52:54:00:09:00:02/mac", 404, notFound + "'/latest/meta-data/network/interfaces/macs/52:54:00:09:00:02/mac'"},
		{"/latest/meta-data/public-keys", 200, "0=default\n1=ops\n2=0"},
		{"/latest/meta-data/public-keys/", 200, "0=default\n1=ops\n2=0"},
		{"/latest/meta-data/public-keys/0", 200, "openssh-key"},
		{"/latest/meta-data/public-keys/1/", 200, "openssh-key"},
		{"/latest/meta-data/public-keys/0/openssh-key", 200, "ssh-ed25519 AAAA alice@laptop"},
		{"/latest/meta-data/public-keys/2/openssh-key", 200, "ssh-ed25519 CCCC named like an index"},
		{"/latest/meta-data/public-keys/ops/openssh-key", 200, "ssh-ed25519 BBBB bob@desk"},
		{"/latest/meta-data/public-keys/7/", 404, "Resource not found: Not found"},
		{"/latest/meta-data/public-keys/7/openssh-key", 404, "Resource not found: Not found"},
		{"/latest/meta-data/public-keys/0/openssh-key/", 200, "ssh-ed25519 AAAA alice@laptop"},
		{"/latest/meta-data/instance-id/", 200, "i-0123456789abcdef0"},
		{"/latest/meta-data/instance-id/more", 404, notFound + "'/latest/meta-data/instance-id/more'"},
		{"/latest/meta-data/placement/availability-zone/", 200, "herea"},
		{"/latest/meta-data/ipv6", 404, notFound + "'/latest/meta-data/ipv6'"},
		{"/latest/meta-data/iam/security-credentials/", 404, notFound + "'/latest/meta-data/iam/security-credentials'"},
		{"/latest/user-data", 200, "hello web 1"},
		{"/latest/user-data/", 200, "hello web 1"},
		{"/latest/user-data/more", 404, notFound + "'/latest/user-data/more'"},
		{"/1.0/meta-data/", 404, notFound + "'/1.0/meta-data'"},
		{"/nowhere", 404, notFound + "'/nowhere'"},
		{"/latest/api/token", 404, notFound + "'/latest/api/token'"},
	}
	server := newServer(site, fakeUserdata{})
	for _, tt := range tests {
		w := ask(server, webAddr, http.MethodGet, tt.path)
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.path, w.Code, w.Body, tt.status, tt.body)
		}
	}
}

// Only cloud-init is asked to report its boot.
func TestUserdataOfCloudInit(t *testing.T) {
	server := newServer(site, fakeUserdata{})
	for agent, want := range map[string]string{
		"Cloud-Init/22.4.2":                "report, web 1",
		"Ignition/2.15.0":                  "hello web 1",
		"cloudbase-init/1.1.4":             "hello web 1",
		"curl/7.88.1":                      "hello web 1",
		"":                                 "hello web 1",
		"Mozilla/5.0 (like Cloud-Init/22)": "hello web 1",
	} {
		w := frontendtest.AskWith(server, webAddr.String(), http.MethodGet, "/latest/user-data", "User-Agent: "+agent)
		if got := w.Body.String(); got != want {
			t.Errorf("%s gets %q, want %q", agent, got, want)
		}
	}
}

// cloud-init 22.4.2 asks for user-data as Python's requests does, a moment after it
// has asked under its own name. Others of that name never do that.
func TestUserdataOfOlderCloudInit(t *testing.T) {
	const requests, cloudInit = "python-requests/2.28.1", "Cloud-Init/22.4.2"
	now := time.Unix(1_700_000_000, 0)
	tree := New([]string{"latest"}, site, fakeUserdata{}, fakeIdentity{})
	tree.booting.now = func() time.Time { return now }
	other := &instance.Instance{UUID: uuid.New(), IPv4: netip.MustParseAddr("10.122.0.77")}
	server := frontendtest.Serve(tree, other)
	get := func(from netip.Addr, path, agent string) string {
		return frontendtest.AskWith(server, from.String(), http.MethodGet, path, "User-Agent: "+agent).Body.String()
	}
	step := func(what string, from netip.Addr, agent, want string) {
		t.Helper()
		if got, _, _ := strings.Cut(get(from, "/latest/user-data", agent), " "); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	step("before cloud-init", frontendtest.FromWeb, requests, "hello")
	get(frontendtest.FromWeb, "/latest/meta-data/instance-id", cloudInit)
	step("after cloud-init", frontendtest.FromWeb, requests, "report,")
	step("another program", frontendtest.FromWeb, "curl/7.88.1", "hello")
	step("another guest", other.IPv4, requests, "hello")
	now = now.Add(crawlTime)
	step("later", frontendtest.FromWeb, requests, "hello")
}

// user-data is listed where there is some, as AWS does it, even if it cannot be
// rendered.
func TestListingOfAVersion(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		from netip.Addr
		want string
	}{
		{"with user-data", nil, webAddr, "dynamic\nmeta-data\nuser-data"},
		{"without", userdata.ErrNoTemplate, webAddr, "dynamic\nmeta-data"},
		{"with a template that fails", errors.New("x.yaml:3: NameError"), webAddr, "dynamic\nmeta-data\nuser-data"},
		{"to a stranger", userdata.ErrNoTemplate, otherAddr, "dynamic\nmeta-data\nuser-data"},
	} {
		w := ask(newServer(site, fakeUserdata{tt.err}), tt.from, http.MethodGet, "/latest/")
		if w.Code != http.StatusOK || w.Body.String() != tt.want {
			t.Errorf("%s: %d %q, want %q", tt.name, w.Code, w.Body, tt.want)
		}
	}
}

func TestAbsentThingsAreNotListed(t *testing.T) {
	server := newServer(metadata.Site{}, fakeUserdata{})
	if got := ask(server, ipv6Addr, http.MethodGet, "/latest/meta-data/").Body.String(); strings.Contains(got, "local-ipv4") || strings.Contains(got, "public-keys") {
		t.Errorf("listing %q", got)
	}
	for _, path := range []string{"local-ipv4", "public-keys/", "public-keys"} {
		if w := ask(server, ipv6Addr, http.MethodGet, "/latest/meta-data/"+path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
}

// Where the site has no domain, clients must not take AWS's for it.
func TestServicesDomain(t *testing.T) {
	for want, site := range map[string]metadata.Site{"mdserver.invalid": site, "example.net": dualSite} {
		if w := ask(newServer(site, fakeUserdata{}), webAddr, http.MethodGet, "/latest/meta-data/services/domain"); w.Body.String() != want {
			t.Errorf("%d %q, want %q", w.Code, w.Body, want)
		}
	}
}

func TestContentTypes(t *testing.T) {
	server := newServer(site, fakeUserdata{})
	for path, want := range map[string]string{
		"/latest/meta-data/":            httpcommon.TypeText,
		"/latest/meta-data/instance-id": httpcommon.TypeText,
		"/latest/user-data":             httpcommon.TypeBytes,
	} {
		if got := ask(server, webAddr, http.MethodGet, path).Header().Get("Content-Type"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	ok := fakeUserdata{}
	tests := []struct {
		name   string
		ud     fakeUserdata
		from   netip.Addr
		method string
		path   string
		status int
		body   string
	}{
		{"a stranger's metadata", ok, otherAddr, "GET", "/latest/meta-data/hostname", 400, "Unknown client: 10.122.0.9"},
		{"a stranger's user-data", ok, otherAddr, "GET", "/latest/user-data", 400, "Unknown client: 10.122.0.9"},
		{"a POST", ok, webAddr, "POST", "/latest/user-data", 405, "Method not allowed: POST"},
		{"a PUT of a token, which clients take for a server without tokens", ok, webAddr, "PUT", "/latest/api/token", 404, "Resource not found: Not found: '/latest/api/token'"},
		{"a template named by the domain that is not there", fakeUserdata{userdata.ErrNoTemplate}, webAddr, "GET", "/latest/user-data", 404, "Resource not found: Metadata prefix userdata not found for 10.122.0.5"},
		{"a template that fails", fakeUserdata{errors.New("x.yaml:3: NameError")}, webAddr, "GET", "/latest/user-data", 500, "Userdata templating failure for web-1"},
	}
	for _, tt := range tests {
		w := ask(newServer(site, tt.ud), tt.from, tt.method, tt.path)
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.name, w.Code, w.Body, tt.status, tt.body)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/", "/latest/meta-data/public-keys/0/openssh-key", "/latest//user-data", "/x/../y"} {
		f.Add(seed)
	}
	server := newServer(site, fakeUserdata{})
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = path
		r.RemoteAddr = "10.122.0.5:4711"
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusNotFound {
			t.Errorf("%q: %d", path, w.Code)
		}
	})
}

func BenchmarkInstanceID(b *testing.B) {
	server := newServer(site, fakeUserdata{})
	for b.Loop() {
		if w := ask(server, webAddr, http.MethodGet, "/latest/meta-data/instance-id"); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}

// What a request has found out of one guest is not there for the next one.
func TestSubjectOfAnotherGuest(t *testing.T) {
	tree := New([]string{"latest"}, site, fakeUserdata{}, fakeIdentity{})
	s := tree.subject(full)
	s.item, s.identity, s.signed.PKCS7, s.nic, s.key = "x", "x", "x", &metadata.Interface{}, &metadata.PublicKey{}
	tree.subjects.Put(s)
	other := &instance.Instance{UUID: uuid.New(), Hostname: "other"}
	next := tree.subject(other)
	if next.item != "" || next.identity != "" || next.signed.PKCS7 != "" || next.nic != nil || next.key != nil || next.Hostname != "other" {
		t.Errorf("%+v", next)
	}
}

func TestNamesOfTags(t *testing.T) {
	for name, want := range map[string]bool{
		strings.Repeat("x", maxTag): true, strings.Repeat("x", maxTag+1): false, "a=1": true, "1=a": false, "": false, "_index": false, "..": false, "a/b": false,
	} {
		if listable(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
