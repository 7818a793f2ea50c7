package daemon

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/timeline/verdict"
	"mdserver/test/clients"
)

// site is a server's configuration and one guest of it.
type site struct {
	text   string // sections of the configuration, behind further keys of [mdserver]
	domain instance.Domain
	keys   []clients.Key
	user   string // "" if the guest has no user-data
	vendor string
	kind   string // instance-type
}

// rich is a site where a guest can have everything, on two networks.
var rich = site{
	text: `
vendordata_template = @DIR@/vendor.yaml
[public-keys]
alice = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmBsuAE8PiXbqJEQgFxRLPC9SmMjRGw3Zs1m2cE6fWp alice@laptop
bob's key = ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDVQ== bob=desk
[dnsmasq]
run = off
use_dns = yes
domain = example.net
net_address6 = fd00:122::
[network lan]
interface = br-lan
net_address = 10.50.0.0
net_prefix = 24
gateway = 10.50.0.1
run = off
`,
	domain: instance.Domain{
		Name: "web 1", UUID: uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701"), Hardware: instance.Hardware{VCPUs: 2, Memory: 2 << 30, Arch: "x86_64"},
		Interfaces: []instance.Interface{
			{MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 0xa1}, Network: "mds", MTU: 1400},
			{MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 0xa2}, Network: "lan"},
			{MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 0xa3}, Network: "default"},
		},
		Disks:    []instance.Disk{{Target: "vda", Device: "disk", Serial: "root-1"}, {Target: "vdb", Device: "disk"}},
		Metadata: instance.Metadata{Tags: map[string]string{"env": "prod", "a=b": "c"}, Values: map[string]string{"rack": "<four>"}},
	},
	keys: []clients.Key{
		{Name: "alice", Text: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmBsuAE8PiXbqJEQgFxRLPC9SmMjRGw3Zs1m2cE6fWp alice@laptop"},
		{Name: "bob's key", Text: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDVQ== bob=desk"},
	},
	user:   "#cloud-config\nusers: [default]\n\n",
	vendor: "#cloud-config\nntp: {}\n",
	kind:   "kvm.2x2g",
}

// bare is a site where a guest has an address and nothing that can be left out.
var bare = site{
	text: "\n[dnsmasq]\nrun = off\n",
	domain: instance.Domain{
		Name: "bare", UUID: uuid.MustParse("7e5a544d-d555-4133-a443-8229415be702"),
		Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 0xb1}, Network: "mds"}}, Hardware: instance.Hardware{VCPUs: 1, Memory: 1 << 30},
		Metadata: instance.Metadata{Values: map[string]string{instance.KeyUserdataPrefix: "nothing"}},
	},
	kind: "kvm.1x1g",
}

// serve is the server of a site, and the guest as a client is to find it.
func (s site) serve(t *testing.T, mode instance.IMDSMode) (*Daemon, clients.Guest) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"base.yaml": s.user, "vendor.yaml": s.vendor} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := "default_template = @DIR@/base.yaml\nrequest_rate = 0\nimds = " + string(mode) + "\nimds_exempt = openstack, nocloud" + s.text + "[service]\nlocation = Rack 4\n"
	d, records := newDaemonFor(t, dir, strings.ReplaceAll(text, "@DIR@", dir), s.domain)
	record := &records[0]
	guest := clients.Guest{
		ID: record.ID, UUID: record.UUID.String(), Name: record.Hostname, Region: "rack-4", Zone: "rack-4a", Type: s.kind,
		Keys: s.keys, Userdata: s.user, Vendordata: s.vendor,
	}
	for _, place := range record.Attachments() {
		nic := clients.NIC{MAC: place.MAC.String(), IPv4: netip.PrefixFrom(place.IPv4, 16)}
		if place.Network == "lan" {
			nic.IPv4 = netip.PrefixFrom(place.IPv4, 24)
		}
		if place.IPv6.IsValid() {
			nic.IPv6 = netip.PrefixFrom(place.IPv6, 64)
		}
		guest.NICs = append(guest.NICs, nic)
	}
	guest.NICs[0].Gateway = netip.MustParseAddr("10.122.0.1")
	return d, guest
}

// Every client that the end-to-end tests do not run finds what it asks for, in
// its own order and with its own headers, whether tokens are optional, required
// or off and whether the guest has all that it can have or next to nothing.
func TestClients(t *testing.T) {
	for _, site := range []site{rich, bare} {
		for _, mode := range []instance.IMDSMode{instance.IMDSOptional, instance.IMDSRequired, instance.IMDSOff} {
			d, guest := site.serve(t, mode)
			handler := guestHandler(d)
			for _, client := range clients.All() {
				if !client.Replayed() {
					continue
				}
				t.Run(strings.Join([]string{client.Name, client.As, site.domain.Name, string(mode)}, "/"), func(t *testing.T) {
					for _, problem := range client.Replay(handler, guest, mode) {
						t.Error(problem)
					}
				})
			}
		}
	}
}

// A client that never reports, such as cloudbase-init, comes as far as its requests show.
// Its boot is neither stuck nor failed, however long it lasts.
func TestClientsThatNeverReport(t *testing.T) {
	for _, client := range clients.All() {
		if client.Name != "cloudbase-init" {
			continue
		}
		t.Run(client.As, func(t *testing.T) {
			d, guest := rich.serve(t, instance.IMDSOptional)
			d.timeline.Start(rich.domain.UUID, time.Now(), api.FromHook)
			client.Replay(guestHandler(d), guest, instance.IMDSOptional)
			b, _ := d.timeline.Present(rich.domain.UUID)
			const stuckAfter = time.Minute
			for after, want := range map[time.Duration]api.BootState{0: api.Booting, stuckAfter - time.Second: api.Booting, stuckAfter: api.BootUnknown, time.Hour: api.BootUnknown} {
				if v := verdict.Of(b, b.Last.Add(after), stuckAfter); v.State != want || v.Phase != "user-data" {
					t.Errorf("after %s it is %s, as far as %s", after, v.State, v.Phase)
				}
			}
			if b.Reached.Metadata == nil || b.Reached.Userdata == nil {
				t.Errorf("it reached %+v", b.Reached)
			}
		})
	}
}
