package nocloud

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"mdserver/internal/frontend/frontendtest"
	"mdserver/internal/instance"
	"mdserver/internal/metadata"
	"mdserver/internal/userdata"
)

var update = flag.Bool("update", false, "write the golden files anew")

var plain = frontendtest.Userdata{User: []byte("#cloud-config\n"), Vendored: []byte("#cloud-config\na: b\n")}

func serve(ud Userdata, others ...*instance.Instance) http.Handler {
	return frontendtest.Serve(New(frontendtest.Site, ud), others...)
}

func TestDocuments(t *testing.T) {
	fresh := &instance.Instance{ID: "i-1", Hostname: "yes", Network: "mds", MAC: frontendtest.Web.MAC, IPv4: netip.MustParseAddr("192.0.2.1")}
	lost := New(frontendtest.Site, plain)
	lost.site.Networks = []instance.Network{{Name: "mds", IPv6: frontendtest.Site.Networks[0].IPv6, Gateway6: frontendtest.Site.Networks[0].Gateway6}} // its address is no longer on the network
	tests := []struct {
		golden, path string
		handler      http.Handler
		from         netip.Addr
	}{
		{"meta-data.yaml", "/nocloud/meta-data", serve(plain), frontendtest.FromWeb},
		{"meta-data-six.yaml", "/nocloud/meta-data", serve(plain), frontendtest.FromSix},
		{"meta-data-fresh.yaml", "/nocloud/meta-data", serve(plain, fresh), fresh.IPv4},
		{"network-config.yaml", "/nocloud/network-config", serve(plain), frontendtest.FromWeb},
		{"network-config-six.yaml", "/nocloud/network-config", serve(plain), frontendtest.FromSix},
		{"network-config-dhcp.yaml", "/nocloud/network-config", frontendtest.Serve(lost, fresh), fresh.IPv4},
	}
	for _, tt := range tests {
		w := frontendtest.Ask(tt.handler, tt.from, http.MethodGet, tt.path, "")
		var doc map[string]any
		if err := yaml.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != http.StatusOK {
			t.Errorf("%s: %d %v", tt.golden, w.Code, err)
		}
		file := filepath.Join("testdata", tt.golden)
		if *update {
			if err := os.WriteFile(file, w.Body.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), w.Body.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.golden, diff)
		}
	}
}

// cloud-init needs 200 for all four, whatever there is.
func TestAllFourAlwaysAnswer(t *testing.T) {
	for _, ud := range []frontendtest.Userdata{plain, {}, {UserErr: userdata.ErrNoTemplate}} {
		for _, from := range []netip.Addr{frontendtest.FromWeb, frontendtest.FromSix} {
			for _, name := range names {
				if w := frontendtest.Ask(serve(ud), from, http.MethodGet, "/nocloud/"+name, ""); w.Code != http.StatusOK {
					t.Errorf("%s: %d", name, w.Code)
				}
			}
		}
	}
}

func TestTree(t *testing.T) {
	listing := "meta-data\nuser-data\nvendor-data\nnetwork-config"
	broken := frontendtest.Userdata{UserErr: errors.New("x:1"), VendoredErr: errors.New("x:1")}
	tests := []struct {
		method, path string
		ud           frontendtest.Userdata
		from         netip.Addr
		status       int
		body         string
	}{
		{"GET", "/nocloud", plain, frontendtest.FromWeb, 200, listing},
		{"GET", "/nocloud/", plain, frontendtest.FromWeb, 200, listing},
		{"GET", "/nocloud//user-data", plain, frontendtest.FromWeb, 200, "#cloud-config\n"},
		{"HEAD", "/nocloud/user-data", plain, frontendtest.FromWeb, 200, "#cloud-config\n"}, // net/http drops the body
		{"GET", "/nocloud/vendor-data", plain, frontendtest.FromWeb, 200, "#cloud-config\na: b\n"},
		{"GET", "/nocloud/user-data", frontendtest.Userdata{UserErr: userdata.ErrNoTemplate}, frontendtest.FromWeb, 200, ""},
		{"GET", "/nocloud/user-data", broken, frontendtest.FromWeb, 500, "Userdata templating failure for web-1"},
		{"GET", "/nocloud/vendor-data", broken, frontendtest.FromWeb, 500, "Vendordata templating failure for web-1"},
		{"GET", "/nocloud/meta-data", plain, frontendtest.FromStranger, 400, "Unknown client: 10.122.200.200"},
		{"POST", "/nocloud/meta-data", plain, frontendtest.FromWeb, 405, "Method not allowed: POST"},
		{"PUT", "/nocloud/", plain, frontendtest.FromWeb, 405, "Method not allowed: PUT"},
		{"GET", "/nocloud/vendor-data/", plain, frontendtest.FromWeb, 200, "#cloud-config\na: b\n"},
		{"GET", "/nocloud/meta-data/instance-id", plain, frontendtest.FromWeb, 404, "Resource not found: Not found: '/nocloud/meta-data/instance-id'"},
		{"GET", "/nocloud/metadata", plain, frontendtest.FromWeb, 404, "Resource not found: Not found: '/nocloud/metadata'"},
	}
	for _, tt := range tests {
		w := frontendtest.Ask(serve(tt.ud), tt.from, tt.method, tt.path, "")
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.path, w.Code, w.Body, tt.status, tt.body)
		}
	}
}

// Only cloud-init is asked to report its boot, and only by vendor-data.
func TestDataOfCloudInit(t *testing.T) {
	for path, want := range map[string]string{
		"/nocloud/vendor-data": "#cloud-config\na: b\n" + frontendtest.Reporting,
		"/nocloud/user-data":   "#cloud-config\n",
	} {
		w := frontendtest.AskWith(serve(plain), frontendtest.FromWeb.String(), http.MethodGet, path, "User-Agent: Cloud-Init/25.1.4")
		if got := w.Body.String(); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"", "/meta-data", "//user-data", "/x/../y"} {
		f.Add(seed)
	}
	server := serve(plain)
	f.Fuzz(func(t *testing.T, path string) {
		if w := frontendtest.Ask(server, frontendtest.FromSix, http.MethodGet, "/nocloud"+path, ""); w.Code != 200 && w.Code != 404 {
			t.Errorf("%q: %d", path, w.Code)
		}
	})
}

// A second default route by router advertisements is kept away only where the
// guest has its own elsewhere.
func TestOneDefaultRoute6(t *testing.T) {
	nic := metadata.Interface{IPv6: netip.MustParsePrefix("fd00:50::7/64"), Gateway6: netip.MustParseAddr("fd00:50::1")}
	further := metadata.Interface{IPv6: nic.IPv6, NoRoute6: true}
	advertised := metadata.Interface{IPv6: nic.IPv6} // its router is known from router advertisements only
	for _, tt := range []struct {
		nic  metadata.Interface
		want string
	}{
		{nic, "dhcp6: false\naddresses:\n    - fd00:50::7/64\nroutes:\n    - to: ::/0\n      via: fd00:50::1\n"},
		{further, "dhcp6: false\naccept-ra: false\naddresses:\n    - fd00:50::7/64\n"},
		{advertised, "dhcp6: false\naddresses:\n    - fd00:50::7/64\n"},
	} {
		text, err := yaml.Marshal(describeInterface(tt.nic, frontendtest.Site.MetadataAddress))
		if err != nil {
			t.Fatal(err)
		}
		if _, got, _ := strings.Cut(string(text), "dhcp4: false\n"); got != tt.want {
			t.Errorf("%+v is\n%s, want\n%s", tt.nic, got, tt.want)
		}
	}
}

// The metadata server is reached through the gateway, unless it is on the link.
func TestRoutes(t *testing.T) {
	gateway := netip.MustParseAddr("10.0.0.1")
	for _, tt := range []struct {
		gateway, server netip.Addr
		want            string
	}{
		{netip.Addr{}, netip.MustParseAddr("169.254.169.254"), "[]"},
		{gateway, netip.Addr{}, "[{0.0.0.0/0 10.0.0.1}]"},
		{gateway, netip.MustParseAddr("169.254.169.254"), "[{0.0.0.0/0 10.0.0.1} {169.254.169.254/32 10.0.0.1}]"},
		{gateway, netip.MustParseAddr("10.0.0.9"), "[{0.0.0.0/0 10.0.0.1}]"},
		{gateway, netip.IPv4Unspecified(), "[{0.0.0.0/0 10.0.0.1}]"},
		{gateway, netip.MustParseAddr("fe80::1"), "[{0.0.0.0/0 10.0.0.1}]"},
	} {
		nic := metadata.Interface{IPv4: netip.MustParsePrefix("10.0.0.5/24"), Gateway4: tt.gateway}
		if got := fmt.Sprint(routes4(nic, tt.server)); got != tt.want {
			t.Errorf("by %v to %v: %s, want %s", tt.gateway, tt.server, got, tt.want)
		}
	}
}
