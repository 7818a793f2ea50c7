// Package frontendtest is a server with three guests for the tests of frontends.
package frontendtest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/caller"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/metadata"
	"mdserver/internal/userdata"
)

// Where requests come from.
var (
	FromWeb      = netip.MustParseAddr("10.122.0.5")     // the guest Web
	FromSix      = netip.MustParseAddr("fd00:122::6")    // the guest Six
	FromStranger = netip.MustParseAddr("10.122.200.200") // an address without a guest
)

// Web has all that a guest can have.
var Web = instance.Instance{
	Name: "web 1", Hostname: "web-1", Location: "kvm1",
	ID:   instance.DeriveID(webUUID),
	UUID: webUUID, Network: "mds",
	MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 1},
	Interfaces: []instance.Interface{
		{MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 0x99}, Network: "default"},
		{MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 1}, Network: "mds", MTU: 1400},
	},
	Disks:    []instance.Disk{{Target: "vda", Bus: "virtio", Device: "disk", Serial: "root-1"}, {Target: "vdb", Device: "disk"}},
	IPv4:     FromWeb,
	IPv6:     netip.MustParseAddr("fd00:122::5"),
	Hardware: instance.Hardware{VCPUs: 2, Memory: 2 << 30},
	Metadata: instance.Metadata{
		Values: map[string]string{"rack": "<four> & \"five\"", "hostname": "web-1", "env": "hidden by the tag"},
		Tags:   map[string]string{"env": "prod"},
	},
}

var webUUID = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")

// Six has IPv6 alone, and neither interfaces on record nor metadata.
var Six = instance.Instance{
	Name: "six", Hostname: "six", ID: instance.DeriveID(sixUUID), UUID: sixUUID,
	Network: "mds", MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 6}, IPv6: FromSix,
}

var sixUUID = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be706")

// Site has both families and offers DNS.
var Site = metadata.Site{
	Networks: []instance.Network{{
		Name: "mds", IPv4: netip.MustParsePrefix("10.122.0.0/16"), IPv6: netip.MustParsePrefix("fd00:122::/64"),
		Gateway4: netip.MustParseAddr("10.122.0.1"),
		Gateway6: netip.MustParseAddr("fd00:122::1"),
		DNS:      []netip.Addr{netip.MustParseAddr("10.122.0.1"), netip.MustParseAddr("fd00:122::1")},
		Domain:   "example.net",
	}, {
		Name: "lan", IPv4: netip.MustParsePrefix("10.50.0.0/24"),
		Gateway4: netip.MustParseAddr("10.50.0.1"),
		DNS:      []netip.Addr{netip.MustParseAddr("10.50.0.1")},
		Domain:   "lan.example.net",
	}},
	MetadataAddress: netip.MustParseAddr("169.254.169.254"),
	PublicKeys: []metadata.PublicKey{
		{Name: "alice", Key: "ssh-ed25519 AAAA alice@laptop"},
		{Name: "bob", Key: "ssh-ed25519 BBBB bob: #1"},
	},
}

// Userdata gives these as every guest's.
type Userdata struct {
	User, Vendored       []byte
	UserErr, VendoredErr error
}

// Reporting comes behind all that is for a cloud-init that is to report.
const Reporting = "#reporting\n"

// Render implements the interface Userdata of the frontends.
func (u Userdata) Render(context.Context, *instance.Instance) (userdata.Rendered, error) {
	return userdata.Rendered{Body: u.User}, u.UserErr
}

// RenderReporting implements the interface Userdata of the frontend ec2.
func (u Userdata) RenderReporting(context.Context, *instance.Instance) (userdata.Rendered, error) {
	return userdata.Rendered{Body: withReporting(u.User, true)}, u.UserErr
}

// VendorJSON implements the interface Userdata of the frontend openstack.
func (u Userdata) VendorJSON(_ context.Context, _ *instance.Instance, reporting bool) (userdata.Rendered, error) {
	if u.VendoredErr != nil {
		return userdata.Rendered{}, u.VendoredErr
	}
	body, err := userdata.VendorJSON(withReporting(u.Vendored, reporting), 1<<20)
	return userdata.Rendered{Body: body}, err
}

// Vendor implements the interface Userdata of the frontend nocloud.
func (u Userdata) Vendor(_ context.Context, _ *instance.Instance, reporting bool) (userdata.Rendered, error) {
	return userdata.Rendered{Body: withReporting(u.Vendored, reporting)}, u.VendoredErr
}

func withReporting(body []byte, reporting bool) []byte {
	if !reporting {
		return body
	}
	return append(slices.Clip(body), Reporting...)
}

// Guests finds guests by their addresses.
type Guests interface {
	ByAddr(netip.Addr) (*instance.Instance, bool)
}

type guests map[netip.Addr]*instance.Instance

func (g guests) ByAddr(addr netip.Addr) (*instance.Instance, bool) {
	inst, ok := g[addr]
	return inst, ok
}

// Identify tells who sent a request by its RemoteAddr, in place of the
// connection that a test's request does not come by. What has a loopback address
// is this host.
func Identify(known Guests) httpcommon.Identify {
	return func(r *http.Request) caller.Caller {
		remote, _ := netip.ParseAddrPort(r.RemoteAddr)
		c := caller.Caller{Addr: remote.Addr()}
		c.Guest, _ = known.ByAddr(c.Addr)
		c.Local = c.Addr.IsLoopback() && c.Guest == nil
		return c
	}
}

// Serve puts a frontend behind what every request goes through. The guests are
// Web and Six, unless others are given.
func Serve(served http.Handler, others ...*instance.Instance) http.Handler {
	known := guests{FromWeb: &Web, FromSix: &Six}
	for _, other := range others {
		known[other.IPv4] = other
	}
	return httpcommon.Identified(Identify(known), httpcommon.LogTo(slog.New(slog.DiscardHandler)), httpcommon.Normalise(served))
}

// AskWith makes one request with headers, which are lines.
func AskWith(h http.Handler, from, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host = Site.MetadataAddress.String()
	r.RemoteAddr = from + ":4711"
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Ask makes one request. The path is taken as it is.
func Ask(h http.Handler, from netip.Addr, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.URL.Path = path
	r.RemoteAddr = netip.AddrPortFrom(from, 4711).String()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
