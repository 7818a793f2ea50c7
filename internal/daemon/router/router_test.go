package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/httpcommon"
	"mdserver/internal/identity"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/networks"
	"mdserver/internal/timeline"
	"mdserver/internal/userdata"
)

// server is a router with one guest, "web". It notes what is posted, reported and rendered.
type server struct {
	*Router
	t         *testing.T
	dir       string // of templates
	guest     instance.Instance
	tokens    imds.Counts
	timeline  *timeline.Log
	rendered  []string
	inventory *inventorytest.Lab
	handler   http.Handler // gets every request first
}

const fromWeb, fromHost, fromNobody = "10.122.0.10", "127.0.0.1", "10.122.200.200"

// newServer returns a server whose configuration is text after the keys of [mdserver] that
// name its files. templates go into DIR under their names.
func newServer(t *testing.T, text string, templates map[string]string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), timeline: timeline.New(nil, slog.New(slog.DiscardHandler))}
	for name, content := range templates {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := load(t, "[mdserver]\nuserdata_dir = "+s.dir+"\ndefault_template = "+s.dir+"/base.yaml\n"+strings.ReplaceAll(text, "DIR", s.dir))
	inv := inventorytest.New(t, func(o *inventory.Options) { o.Networks = networks.Configured(cfg) })
	s.inventory = inv
	s.guest = inv.MustRegister(inventorytest.Domain(1, "web", instance.KeyIPv4, fromWeb)).Instance
	s.Router = New(cfg, networks.Configured(cfg), Parts{
		Inventory: inv.Inventory, Identity: authority(), TokenKey: imds.NewKey(), Tokens: &s.tokens, Timeline: s.timeline,
		Reports:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "reported") }),
		Upload:   func(source string, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "uploaded by ", source) },
		Rendered: func(document string, _ time.Duration, _ error) { s.rendered = append(s.rendered, document) },
		Log:      slog.New(slog.DiscardHandler),
	})
	s.handler = httpcommon.Identified(frontendtest.Identify(inv.Snapshot()), httpcommon.LogTo(slog.New(slog.DiscardHandler)), httpcommon.Normalise(s.Router))
	return s
}

// authority returns an identity authority. It makes it once, since that takes a while.
var authority = sync.OnceValue(func() *identity.Authority {
	dir, err := os.MkdirTemp("", "identity-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	made, _, err := identity.Open(filepath.Join(dir, "identity.pem"), "kvm1")
	if err != nil {
		panic(err)
	}
	return made
})

func (s *server) ask(from, method, path string, headers ...string) *httptest.ResponseRecorder {
	return frontendtest.AskWith(s.handler, from, method, path, headers...)
}

// boot returns the record of the guest's boot.
func (s *server) boot() api.Boot {
	boot, _ := s.timeline.Whole(s.guest.UUID)
	return boot
}

// TestRoutes checks that each path has its handler, and that others are refused what only this
// host may do.
func TestRoutes(t *testing.T) {
	s := newServer(t, "upload = local\n[service]\nname = our cloud\nlocation = rack 4\n", map[string]string{"base.yaml": "#cloud-config\n"})
	for _, tt := range []struct {
		from, method, path string
		status             int
		text               string // text in the answer
	}{
		{fromWeb, "GET", "/latest/meta-data/instance-id", 200, s.guest.ID},
		{fromWeb, "HEAD", "/latest/meta-data/instance-id", 200, ""},
		{fromWeb, "GET", "/latest/user-data", 200, "#cloud-config"},
		{fromWeb, "GET", "/latest/dynamic/instance-identity/document", 200, "instanceId"},
		{fromWeb, "GET", "/latest/dynamic/instance-identity/pkcs7", 200, ""},
		{fromWeb, "GET", "/latest/meta-data/placement/availability-zone", 200, "rack-4a"},
		{fromWeb, "GET", "/", 200, "latest"},
		{fromWeb, "GET", "/openstack", 200, "latest"},
		{fromWeb, "GET", "/openstack/latest/meta_data.json", 200, s.guest.Hostname},
		{fromWeb, "GET", "/openstackx", 404, ""},
		{fromWeb, "GET", "/nocloud/meta-data", 200, "instance-id: " + s.guest.ID},
		{fromWeb, "GET", "/service/name", 200, "our cloud"},
		{fromWeb, "GET", "/service/configuration", 401, ""},
		{fromHost, "GET", "/service/configuration", 200, "our cloud"},
		{fromWeb, "POST", "/mdserver/report", 200, "reported"},

		{fromHost, "GET", "/mdserver-watchdog", 204, ""},
		{fromHost, "HEAD", "/mdserver-watchdog", 204, ""},
		{fromWeb, "GET", "/mdserver-watchdog", 401, ""},
		{fromNobody, "GET", "/mdserver-watchdog", 401, ""},

		{fromHost, "POST", "/instance-upload", 200, "uploaded by " + instance.ByLocal},
		{fromHost, "POST", "/instance-upload/", 200, "uploaded by " + instance.ByLocal},
		{fromHost, "POST", "/instance-upload/x", 404, ""},
		{fromHost, "GET", "/instance-upload", 404, ""},
		{fromHost, "PUT", "/instance-upload", 404, ""},
		{fromWeb, "POST", "/instance-upload", 401, ""},
	} {
		w := s.ask(tt.from, tt.method, tt.path)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.text) {
			t.Errorf("%s %s from %s: %d %q, want %d with %q", tt.method, tt.path, tt.from, w.Code, w.Body, tt.status, tt.text)
		}
	}
	if len(s.Networks) != 1 || s.Networks[0].Name != "mds" {
		t.Errorf("the answers are for %+v", s.Networks)
	}
	if rendered, err := s.Renderer.Render(t.Context(), &s.guest); err != nil || string(rendered.Body) != "#cloud-config\n" {
		t.Errorf("the renderer gives %q (%v)", rendered.Body, err)
	}
}

// TestUploadRefused checks that the refusal of an upload says how to upload, and that nothing
// is taken.
func TestUploadRefused(t *testing.T) {
	for from, want := range map[string]string{
		"socket": "mdserver.upload is socket; send it as root, use `mdserver instance add FILE`",
		"root":   "mdserver.upload is root, and the request's connection is not known; ",
	} {
		s := newServer(t, "upload = "+from+"\n", nil)
		if w := s.ask(fromHost, "POST", "/instance-upload"); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), "uploaded") {
			t.Errorf("upload %s: %d %q", from, w.Code, w.Body)
		}
	}
}

// TestTokens checks which paths need a token if tokens are required: reports do not, nor does
// what the configuration exempts.
func TestTokens(t *testing.T) {
	const token = "X-aws-ec2-metadata-token: "
	for exempt, refused := range map[string]uint64{"openstack": 3, "nocloud": 3, "openstack, nocloud": 2} {
		t.Run(exempt, func(t *testing.T) {
			s := newServer(t, "imds = required\nimds_exempt = "+exempt+"\n", map[string]string{"base.yaml": "#cloud-config\n"})
			given := s.ask(fromWeb, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60").Body.String()
			without := func(name string) int {
				if strings.Contains(exempt, name) {
					return 200
				}
				return 401
			}
			for _, tt := range []struct {
				path            string
				without, having int
			}{
				{"/latest/meta-data/instance-id", 401, 200},
				{"/instance-upload", 401, 404},
				{"/nocloud/meta-data", without("nocloud"), 200},
				{"/openstack/latest/meta_data.json", without("openstack"), 200},
				{"/mdserver/report", 200, 200},
				{"/service/name", 200, 200},
			} {
				if w := s.ask(fromWeb, "GET", tt.path); w.Code != tt.without {
					t.Errorf("%s without a token: %d", tt.path, w.Code)
				}
				if w := s.ask(fromWeb, "GET", tt.path, token+given); w.Code != tt.having {
					t.Errorf("%s with a token: %d", tt.path, w.Code)
				}
			}
			if issued, got := s.tokens.Tokens.Load(), s.tokens.Refused.Load(); issued != 1 || got != refused {
				t.Errorf("%d tokens issued, %d requests refused, want %d", issued, got, refused)
			}
		})
	}
}

// TestPostedPassword checks that a password that a guest posts is kept in its record.
func TestPostedPassword(t *testing.T) {
	const password = "c2VjcmV0"
	s := newServer(t, "", nil)
	r := httptest.NewRequest(http.MethodPost, "/openstack/latest/password", strings.NewReader(password))
	r.Host, r.RemoteAddr = "169.254.169.254", fromWeb+":4711"
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if guest, ok := s.inventory.Snapshot().ByUUID(s.guest.UUID); !ok || w.Code != http.StatusOK || guest.Password != password {
		t.Errorf("%d %q, and the password is %q", w.Code, w.Body, guest.Password)
	}
}

// TestRendererReports checks that what the server renders for commands asks for reports as
// what guests get does.
func TestRendererReports(t *testing.T) {
	s := newServer(t, "report = yes\n", map[string]string{"base.yaml": "#cloud-config\n"})
	rendered, err := s.Renderer.RenderReporting(t.Context(), &s.guest)
	if served := s.ask(fromWeb, "GET", "/latest/user-data", "User-Agent: Cloud-Init/25.1.4").Body.String(); err != nil ||
		string(rendered.Body) != served || !strings.Contains(served, "mdserver/report") {
		t.Errorf("rendered is %q (%v), and served %q", rendered.Body, err, served)
	}
}

func TestIMDSSettings(t *testing.T) {
	cfg := load(t, "[mdserver]\nimds = required\nimds_hop_limit = 3\nimds_exempt = nocloud\n[service]\nec2_versions = 2009-04-04\n")
	got := imdsSettings(cfg)
	if got.Mode != instance.IMDSMode("required") || got.HopLimit != 3 || !slices.Equal(got.Exempt, []string{"nocloud"}) || !slices.Contains(got.Versions, "2009-04-04") || len(got.Versions) != len(cfg.Service.EC2Versions) {
		t.Errorf("settings %+v", got)
	}
}

// TestServedHosts checks that requests for other servers are refused: a page in a guest's
// browser may have sent them.
func TestServedHosts(t *testing.T) {
	s := newServer(t, "listen_address = 10.122.0.1\nlisten_address6 = fd00:122::1\naccept_hosts = metadata.example.org\n[service]\nhostname = kvm1.example.net\n", nil)
	for host, served := range map[string]bool{
		"169.254.169.254": true, "[fd00:ec2::254]": true, "10.122.0.1": true, "[fd00:122::1]": true,
		"instance-data": true, "instance-data.ec2.internal": true, "instance-data:8775": true,
		"kvm1.example.net": true, "kvm1": true, "metadata.example.org": true, "": true,
		"10.122.0.2": false, "example.net": false, "rebound.example.com": false, "metadata": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/latest/meta-data/instance-id", nil)
		r.Host, r.RemoteAddr = host, fromWeb+":4711"
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if (w.Code == http.StatusOK) != served || !served && w.Code != http.StatusMisdirectedRequest {
			t.Errorf("%q: %d %q", host, w.Code, w.Body)
		}
	}
}

func TestServiceInfo(t *testing.T) {
	s := newServer(t, "[service]\nname = our cloud\ntype = cloud\nversion = 7.8\nrelease_date = 2026-01-02\nlocation = rack 4\nec2_versions = 2009-04-04\n", nil)
	for name, want := range map[string]string{
		"name": "our cloud", "type": "cloud", "version": "7.8 (2026-01-02)", "location": "rack 4", "ec2_versions": "2009-04-04",
	} {
		if w := s.ask(fromWeb, "GET", "/service/"+name); w.Code != 200 || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%s: %d %q, want %q", name, w.Code, w.Body, want)
		}
	}
	if w := s.ask(fromWeb, "GET", "/2009-04-04/meta-data/instance-id"); w.Code != 200 {
		t.Errorf("a version that is served: %d", w.Code)
	}
}

// TestRecord checks that the user-data and vendor-data that a guest gets are recorded as such.
func TestRecord(t *testing.T) {
	const user, vendor = "#cloud-config\nusers: []\n", "#cloud-config\nntp: {}\n"
	templates := map[string]string{"base.yaml": user, "vendor.yaml": vendor}
	for _, tt := range []struct {
		path, agent  string
		user, vendor bool
	}{
		{"/latest/user-data", "curl/8", true, false},
		{"/latest/user-data", "Cloud-Init/25.1.4", true, false},
		{"/nocloud/user-data", "curl/8", true, false},
		{"/nocloud/vendor-data", "curl/8", false, true},
		{"/nocloud/vendor-data", "Cloud-Init/25.1.4", false, true},
		{"/openstack/latest/user_data", "curl/8", true, false},
		{"/openstack/latest/vendor_data.json", "curl/8", false, true},
		{"/openstack/latest/vendor_data.json", "Cloud-Init/25.1.4", false, true},
		{"/latest/meta-data/instance-id", "curl/8", false, false},
	} {
		s := newServer(t, "report = yes\nvendordata_template = DIR/vendor.yaml\n", templates)
		w := s.ask(fromWeb, "GET", tt.path, "User-Agent: "+tt.agent)
		if strings.HasSuffix(tt.path, ".json") && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s by %s: no JSON: %s", tt.path, tt.agent, w.Body)
		}
		boot := s.boot()
		if (boot.Userdata != "") != tt.user || (boot.Vendordata != "") != tt.vendor || (boot.Template != "") != tt.user {
			t.Errorf("%s by %s: %+v", tt.path, tt.agent, boot)
		}
		hash := boot.Userdata + boot.Vendordata
		if content, err := s.timeline.Content(hash); hash != "" && (err != nil || string(content) != w.Body.String()) {
			t.Errorf("%s by %s: recorded %q, but served %q (%v)", tt.path, tt.agent, content, w.Body, err)
		}
		if reporting := strings.Contains(w.Body.String(), "mdserver/report"); reporting != (strings.HasPrefix(tt.agent, "Cloud") && !strings.HasSuffix(tt.path, "/user_data") && tt.path != "/nocloud/user-data") {
			t.Errorf("%s by %s asks for reports: %v", tt.path, tt.agent, reporting)
		}
		if len(s.rendered) == 0 != (!tt.user && !tt.vendor) {
			t.Errorf("%s: rendered %q", tt.path, s.rendered)
		}
	}
}

// TestRenderIsCancelled checks that a document is not rendered any longer for a guest that has
// gone away, and that nothing is recorded of it.
func TestRenderIsCancelled(t *testing.T) {
	for _, tt := range []struct{ path, agent string }{
		{"/latest/user-data", "curl/8"},
		{"/latest/user-data", "Cloud-Init/25.1.4"},
		{"/nocloud/user-data", "curl/8"},
		{"/nocloud/vendor-data", "Cloud-Init/25.1.4"},
		{"/openstack/latest/vendor_data.json", "Cloud-Init/25.1.4"},
	} {
		s := newServer(t, "report = yes\nvendordata_template = DIR/base.yaml\n", map[string]string{"base.yaml": "#cloud-config\n"})
		gone, leave := context.WithCancel(t.Context())
		leave()
		r := httptest.NewRequestWithContext(gone, http.MethodGet, tt.path, nil)
		r.Host, r.RemoteAddr = "169.254.169.254", fromWeb+":4711"
		r.Header.Set("User-Agent", tt.agent)
		s.handler.ServeHTTP(httptest.NewRecorder(), r)
		if boot := s.boot(); boot.Userdata+boot.Vendordata != "" || len(boot.Entries) > 0 {
			t.Errorf("%s by %s: the record is %+v", tt.path, tt.agent, boot)
		}
	}
}

// TestRecordOfFailures checks that the record names the template line that made a document
// fail.
func TestRecordOfFailures(t *testing.T) {
	s := newServer(t, "", map[string]string{"base.yaml": "#cloud-config\n{{missing}}\n"})
	if w := s.ask(fromWeb, "GET", "/latest/user-data"); w.Code < 500 {
		t.Errorf("the answer is %d %q", w.Code, w.Body)
	}
	entries := s.boot().Entries
	if len(entries) != 1 || entries[0].Kind != api.EntryRender || entries[0].Name != timeline.UserdataDocument || !strings.Contains(entries[0].Detail, "missing") ||
		entries[0].Template == nil || entries[0].Template.Line != 2 {
		t.Errorf("entries %+v", entries)
	}
}

// TestRecordOfNothing checks that a cancelled request, or one with nothing to serve, is not
// recorded as served or failed.
func TestRecordOfNothing(t *testing.T) {
	guest := instance.Instance{UUID: uuid.UUID{15: 1}}
	for name, tt := range map[string]struct {
		body    string
		err     error
		entries int
		served  bool
	}{
		"served":    {"#cloud-config\n", nil, 0, true},
		"nothing":   {"", nil, 0, false},
		"cancelled": {"", fmt.Errorf("render: %w", context.Canceled), 0, false},
		"failed":    {"", errors.New("a bad template"), 1, false},
		"too slow":  {"", context.DeadlineExceeded, 1, false},
	} {
		r := recorder{record: timeline.New(nil, slog.New(slog.DiscardHandler))}
		given, err := r.note(&guest, timeline.VendordataDocument, userdata.Rendered{Body: []byte(tt.body), Hash: "hash", Template: "base.yaml"}, tt.err)
		if string(given.Body) != tt.body || !errors.Is(err, tt.err) {
			t.Errorf("%s: note returned %q, %v", name, given.Body, err)
		}
		boot, _ := r.record.Whole(guest.UUID)
		failures := 0
		for _, e := range boot.Entries {
			if e.Kind == api.EntryRender && e.Name == timeline.VendordataDocument && e.Result == api.ResultFail {
				failures++
			}
		}
		if failures != tt.entries || (boot.Vendordata == "hash") != tt.served {
			t.Errorf("%s: the record is %+v", name, boot)
		}
	}
}
