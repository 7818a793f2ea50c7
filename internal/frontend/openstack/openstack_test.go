package openstack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/userdata"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	web, six, stranger = frontendtest.FromWeb, frontendtest.FromSix, frontendtest.FromStranger
	plain              = frontendtest.Userdata{User: []byte("#cloud-config\n"), Vendored: []byte("#cloud-config\na: <b>\n")}
)

// passwords remembers what was set, or fails as it is told.
type passwords struct {
	set map[uuid.UUID]string
	err error
}

func (p *passwords) SetPassword(_ context.Context, guest uuid.UUID, password string) error {
	if p.err == nil {
		p.set[guest] = password
	}
	return p.err
}

func newFace(ud Userdata) *Frontend {
	f := New(frontendtest.Site, ud, &passwords{set: map[uuid.UUID]string{}})
	f.random = bytes.NewReader(make([]byte, 1<<20))
	return f
}

// Golden files are what guests get, laid out for people.
func TestDocuments(t *testing.T) {
	tests := []struct {
		golden, path string
		six          bool
	}{
		{golden: "meta_data-2012-08-10.json", path: "/openstack/2012-08-10/meta_data.json"},
		{golden: "meta_data-2018-08-27.json", path: "/openstack/2018-08-27/meta_data.json"},
		{golden: "meta_data-2020-10-14.json", path: "/openstack/2020-10-14/meta_data.json/"},
		{golden: "meta_data-six.json", path: "/openstack/2018-08-27/meta_data.json", six: true},
		{golden: "network_data.json", path: "/openstack/2018-08-27/network_data.json"},
		{golden: "network_data-six.json", path: "/openstack/latest/network_data.json", six: true},
		{golden: "vendor_data.json", path: "/openstack/latest/vendor_data.json"},
		{golden: "vendor_data2.json", path: "/openstack/latest/vendor_data2.json"},
	}
	for _, tt := range tests {
		from := web
		if tt.six {
			from = six
		}
		w := frontendtest.Ask(frontendtest.Serve(newFace(plain)), from, http.MethodGet, tt.path, "")
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, w.Body.Bytes(), "", "  "); err != nil || w.Code != http.StatusOK {
			t.Errorf("%s: %d %v %s", tt.path, w.Code, err, w.Body)
			continue
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s is %s", tt.path, got)
		}
		golden(t, tt.golden, pretty.String())
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestTree(t *testing.T) {
	all := "2012-08-10\n2013-04-04\n2013-10-17\n2015-10-15\n2016-06-30\n2016-10-06\n2017-02-22\n2018-08-27\n2020-10-14\nlatest"
	everything := "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json"
	tests := []struct {
		path   string
		status int
		body   string
	}{
		{"/openstack", 200, all},
		{"/openstack/", 200, all},
		{"//openstack//", 200, all},
		{"/openstack/2012-08-10", 200, "meta_data.json\nuser_data"},
		{"/openstack/2013-04-04/", 200, "meta_data.json\nuser_data\npassword"},
		{"/openstack/2013-10-17/", 200, "meta_data.json\nuser_data\npassword\nvendor_data.json"},
		{"/openstack/2015-10-15/", 200, "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json"},
		{"/openstack/2016-10-06/", 200, everything},
		{"/openstack/latest", 200, everything},
		{"/openstack/latest/user_data", 200, "#cloud-config\n"},
		{"/openstack/latest/password", 200, ""},
		{"/openstack/2012-08-10/password", 404, ""},
		{"/openstack/2013-04-04/vendor_data.json", 404, ""},
		{"/openstack/2013-10-17/network_data.json", 404, ""},
		{"/openstack/2016-06-30/vendor_data2.json", 404, ""},
		{"/openstack/2020-10-15/meta_data.json", 404, ""},
		{"/openstack/2009-04-04/", 404, ""},
		{"/openstack/latest/user_data/", 200, "#cloud-config\n"},
		{"/openstack/2012-08-10/password/", 404, ""},
		{"/openstack/latest/meta_data.json/x", 404, ""},
		{"/openstack/latest/meta-data", 404, ""},
		{"/openstack/content/0000", 404, ""},
		{"/openstack/latest/../latest/user_data", 404, ""},
	}
	server := frontendtest.Serve(newFace(plain))
	for _, tt := range tests {
		w := frontendtest.Ask(server, web, http.MethodGet, tt.path, "")
		if w.Code != tt.status || tt.status == 200 && w.Body.String() != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.path, w.Code, w.Body, tt.status, tt.body)
		}
	}
}

// Every name that a listing shows answers, in every version, whatever the
// guest has.
func TestEveryListedNameAnswers(t *testing.T) {
	for _, ud := range []frontendtest.Userdata{plain, {}, {UserErr: userdata.ErrNoTemplate}} {
		server := frontendtest.Serve(newFace(ud))
		for _, version := range versions {
			dir := "/openstack/" + version + "/"
			listing := frontendtest.Ask(server, six, http.MethodGet, dir, "").Body.String()
			for name := range strings.SplitSeq(listing, "\n") {
				if w := frontendtest.Ask(server, six, http.MethodGet, dir+name, ""); w.Code != http.StatusOK {
					t.Errorf("%s%s: %d", dir, name, w.Code)
				}
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	broken := errors.New("x.yaml:3: NameError")
	tests := []struct {
		name         string
		ud           frontendtest.Userdata
		fromStranger bool
		method, path string
		status       int
		body         string
	}{
		{"a stranger", plain, true, "GET", "/openstack/latest/meta_data.json", 400, "Unknown client: 10.122.200.200"},
		{"a stranger's listing", plain, true, "GET", "/openstack/latest/", 400, "Unknown client: 10.122.200.200"},
		{"a stranger's password", plain, true, "POST", "/openstack/latest/password", 400, "Unknown client: 10.122.200.200"},
		{"a POST", plain, false, "POST", "/openstack/latest/user_data", 405, "Method not allowed: POST"},
		{"a POST to a directory", plain, false, "POST", "/openstack/latest/", 405, "Method not allowed: POST"},
		{"a PUT of a password", plain, false, "PUT", "/openstack/latest/password", 405, "Method not allowed: PUT"},
		{"a DELETE", plain, false, "DELETE", "/openstack", 405, "Method not allowed: DELETE"},
		{"no user-data", frontendtest.Userdata{UserErr: userdata.ErrNoTemplate}, false, "GET", "/openstack/latest/user_data", 404, "Resource not found: no user-data for web-1"},
		{"broken user-data", frontendtest.Userdata{UserErr: broken}, false, "GET", "/openstack/latest/user_data", 500, "Userdata templating failure for web-1"},
		{"broken vendor-data", frontendtest.Userdata{VendoredErr: broken}, false, "GET", "/openstack/latest/vendor_data.json", 500, "Vendordata templating failure for web-1"},
		{"binary vendor-data", frontendtest.Userdata{Vendored: []byte("\xff\xfe")}, false, "GET", "/openstack/latest/vendor_data.json", 500, "Vendordata templating failure for web-1"},
	}
	for _, tt := range tests {
		from := web
		if tt.fromStranger {
			from = stranger
		}
		w := frontendtest.Ask(frontendtest.Serve(newFace(tt.ud)), from, tt.method, tt.path, "")
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.name, w.Code, w.Body, tt.status, tt.body)
		}
	}
}

func TestPassword(t *testing.T) {
	tests := []struct {
		name, body string
		err        error
		status     int
		answer     string
	}{
		{"text", "c2VjcmV0", nil, 200, ""},
		{"with a line feed at the end", "c2VjcmV0\n", nil, 200, ""},
		{"of two lines", "c2Vj\ncmV0\n", nil, 200, ""},
		{"with spaces around it", " pass word ", nil, 200, ""},
		{"as long as may be", strings.Repeat("x", 1020), nil, 200, ""},
		{"longer", strings.Repeat("x", 1021), nil, 400, "Request is too large"},
		{"nothing", "", nil, 400, "Password must be text"},
		{"a terminal's control sequence", "\x1b[2J", nil, 400, "Password must be text"},
		{"a tab", "pass\tword", nil, 400, "Password must be text"},
		{"a line break alone", "\r\n", nil, 400, "Password must be text"},
		{"no text", "\xff\xfe", nil, 400, "Password must be text"},
		{"a second one", "c2VjcmV0", denied.ErrPasswordSet, 409, "Password already set"},
		{"a full disk", "c2VjcmV0", fmt.Errorf("%w: no space", inventory.ErrStore), 503, "Password not kept"},
	}
	for _, tt := range tests {
		f := newFace(plain)
		kept := &passwords{set: map[uuid.UUID]string{}, err: tt.err}
		f.passwords = kept
		w := frontendtest.Ask(frontendtest.Serve(f), web, http.MethodPost, "/openstack/2013-04-04/password", tt.body)
		if w.Code != tt.status || w.Body.String() != tt.answer {
			t.Errorf("%s: %d %s, want %d %s", tt.name, w.Code, w.Body, tt.status, tt.answer)
		}
		want := ""
		if tt.status == 200 {
			want = strings.TrimSuffix(tt.body, "\n")
		}
		if got := kept.set[frontendtest.Web.UUID]; got != want {
			t.Errorf("%s: kept %q, want %q", tt.name, got, want)
		}
	}
	guest := frontendtest.Web
	guest.Password = "c2VjcmV0"
	if w := frontendtest.Ask(frontendtest.Serve(newFace(plain), &guest), web, http.MethodGet, "/openstack/latest/password", ""); w.Body.String() != "c2VjcmV0" {
		t.Errorf("read back: %d %q", w.Code, w.Body)
	}
}

// Half of a password is not kept.
func TestIncompletePassword(t *testing.T) {
	f := newFace(plain)
	kept := &passwords{set: map[uuid.UUID]string{}}
	f.passwords = kept
	r := httptest.NewRequest(http.MethodPost, "/openstack/latest/password", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.RemoteAddr = netip.AddrPortFrom(web, 4711).String()
	w := httptest.NewRecorder()
	frontendtest.Serve(f).ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || w.Body.String() != "Request is incomplete" || len(kept.set) > 0 {
		t.Errorf("%d %s, kept %q", w.Code, w.Body, kept.set)
	}
}

// Each answer has randomness of its own, or none if there is none to have.
func TestRandomSeed(t *testing.T) {
	seed := func(f *Frontend) string {
		var doc struct {
			Seed []byte `json:"random_seed"`
		}
		w := frontendtest.Ask(frontendtest.Serve(f), web, http.MethodGet, "/openstack/latest/meta_data.json", "")
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		return string(doc.Seed)
	}
	f := New(frontendtest.Site, plain, &passwords{})
	if one, other := seed(f), seed(f); len(one) != seedSize || one == other {
		t.Errorf("%d bytes; the same again: %v", len(one), one == other)
	}
	f.random = strings.NewReader("short")
	if got := seed(f); got != "" {
		t.Errorf("a seed of what is left: %q", got)
	}
}

// user_data is listed unless there is none. So a client that asks for it sees the error.
func TestListingOfFailingUserdata(t *testing.T) {
	for name, ud := range map[string]frontendtest.Userdata{"broken": {UserErr: errors.New("x.yaml:3: NameError")}, "none": {UserErr: userdata.ErrNoTemplate}} {
		body := frontendtest.Ask(frontendtest.Serve(newFace(ud)), web, http.MethodGet, "/openstack/latest/", "").Body.String()
		if strings.Contains(body, "user_data") != (name == "broken") {
			t.Errorf("%s: %q", name, body)
		}
	}
}

// Each version has what came with it.
func TestVersions(t *testing.T) {
	for member, since := range map[string]string{"random_seed": "2013-04-04", "project_id": "2015-10-15", "devices": "2016-06-30", "dedicated_cpus": "2020-10-14"} {
		for _, version := range versions {
			body := frontendtest.Ask(frontendtest.Serve(newFace(plain)), web, http.MethodGet, "/openstack/"+version+"/meta_data.json", "").Body.String()
			if has := strings.Contains(body, `"`+member+`"`); has != (version >= since) {
				t.Errorf("%s has %s: %v", version, member, has)
			}
		}
	}
}

// The metadata server is reached through the gateway, unless it is on the link.
func TestRoutes(t *testing.T) {
	none := netip.Addr{}
	for _, tt := range []struct {
		addr            string
		gateway, server netip.Addr
		want            string
	}{
		{"10.0.0.5/24", none, netip.MustParseAddr("169.254.169.254"), "[]"},
		{"10.0.0.5/24", netip.MustParseAddr("10.0.0.1"), none, "[{0.0.0.0 0.0.0.0 10.0.0.1}]"},
		{"10.0.0.5/24", netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("169.254.169.254"), "[{0.0.0.0 0.0.0.0 10.0.0.1} {169.254.169.254 255.255.255.255 10.0.0.1}]"},
		{"10.0.0.5/24", netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.1"), "[{0.0.0.0 0.0.0.0 10.0.0.1}]"},
		{"10.0.0.5/24", netip.MustParseAddr("10.0.0.1"), netip.IPv4Unspecified(), "[{0.0.0.0 0.0.0.0 10.0.0.1}]"},
		{"fd00::5/64", netip.MustParseAddr("fe80::1"), netip.MustParseAddr("169.254.169.254"), "[{:: :: fe80::1}]"},
	} {
		if got := fmt.Sprint(routes(netip.MustParsePrefix(tt.addr), tt.gateway, tt.server)); got != tt.want {
			t.Errorf("%s by %v to %v: %s, want %s", tt.addr, tt.gateway, tt.server, got, tt.want)
		}
	}
}

// A guest is told of no key that mdserver itself understands.
func TestFreeMetadata(t *testing.T) {
	text, err := os.ReadFile("../../../docs/reference/metadata-keys.md")
	if err != nil {
		t.Fatal(err)
	}
	guest := frontendtest.Web
	guest.Metadata.Values = map[string]string{"rack": "4"}
	for line := range strings.Lines(string(text)) {
		row := strings.Split(line, "|")
		if len(row) < 3 || !strings.HasPrefix(row[1], " `") {
			continue
		}
		for i, key := range strings.Split(row[1], "`") {
			if i%2 == 1 {
				guest.Metadata.Values[key] = "x"
			}
		}
		if strings.Contains(row[1], "port_security") { // the last row of the keys
			break
		}
	}
	if len(guest.Metadata.Values) < 10 {
		t.Fatalf("the reference has the keys %v", guest.Metadata.Values)
	}
	w := frontendtest.Ask(frontendtest.Serve(newFace(plain), &guest), web, http.MethodGet, "/openstack/latest/meta_data.json", "")
	var doc struct{ Meta map[string]string }
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || fmt.Sprint(doc.Meta) != "map[env:prod rack:4]" {
		t.Errorf("%v, %v", doc.Meta, err)
	}
}

// A guest knows itself by its UUID, until it is to set itself up anew.
func TestIdentity(t *testing.T) {
	given, known := frontendtest.Web, map[uuid.UUID]string{}
	for id, same := range map[string]bool{
		given.ID: true, "i-10.122.0.5": true, "i-0123456789abcdef0": false, "i-0123456789abcdef1": false,
	} {
		guest := given
		guest.ID = id
		w := frontendtest.Ask(frontendtest.Serve(newFace(plain), &guest), web, http.MethodGet, "/openstack/latest/meta_data.json", "")
		var doc struct{ UUID uuid.UUID }
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || (doc.UUID == guest.UUID) != same {
			t.Errorf("%s: %s, %v", id, doc.UUID, err)
		}
		if other, ok := known[doc.UUID]; ok && !same {
			t.Errorf("%s is the same machine as %s", id, other)
		}
		known[doc.UUID] = id
	}
}

func TestNoAddressesNoLinks(t *testing.T) {
	guest := instance.Instance{Hostname: "new", Network: "elsewhere", MAC: frontendtest.Web.MAC, Interfaces: frontendtest.Web.Interfaces}
	guest.IPv4 = web // by which it is found; its network gives no IPv4
	f := newFace(plain)
	f.site.Networks = []instance.Network{{Name: "elsewhere"}}
	guest.MAC = instance.MAC{2}
	w := frontendtest.Ask(frontendtest.Serve(f, &guest), web, http.MethodGet, "/openstack/latest/network_data.json", "")
	if got := strings.TrimSpace(w.Body.String()); got != `{"links":[],"networks":[],"services":[]}` {
		t.Error(got)
	}
}

// Only cloud-init is asked to report its boot, and only by vendor-data.
func TestDataOfCloudInit(t *testing.T) {
	server := frontendtest.Serve(newFace(plain))
	for path, want := range map[string]string{
		"/openstack/latest/vendor_data.json": `{"cloud-init":"#cloud-config\na: <b>\n` + strings.TrimSpace(frontendtest.Reporting) + `\n"}` + "\n",
		"/openstack/latest/user_data":        "#cloud-config\n",
	} {
		w := frontendtest.AskWith(server, web.String(), http.MethodGet, path, "User-Agent: Cloud-Init/22.4.2")
		if got := w.Body.String(); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/openstack", "/openstack/latest/meta_data.json", "/openstack/2013-04-04/password", "/openstack//x/../y"} {
		f.Add("GET", seed, "")
		f.Add("POST", seed, "body")
	}
	server := frontendtest.Serve(newFace(plain))
	f.Fuzz(func(t *testing.T, method, path, body string) {
		if _, err := http.NewRequest(method, "/", nil); err != nil {
			return
		}
		w := frontendtest.Ask(server, web, method, "/openstack"+path, body)
		switch w.Code {
		case 200, 400, 404, 405:
		default:
			t.Errorf("%s %q: %d", method, path, w.Code)
		}
	})
}
