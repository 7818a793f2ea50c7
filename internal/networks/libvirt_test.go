package networks

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/libvirt/libvirttest"
)

var discard = slog.New(slog.DiscardHandler)

func newInventory(t *testing.T) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Open(t.Context(), storetest.NewMemory(), inventory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inv.Close() })
	return inv
}

// notes are kept as by an inventory.
type notes map[string]string

func (n notes) Note(_ context.Context, key string) (string, error) { return n[key], nil }

func (n notes) SetNote(_ context.Context, key, text string) error {
	n[key] = text
	return nil
}

// A network of libvirt is what its definition says, gets the entries of its guests, and
// loses them when it is served no longer.
func TestNetworkOfLibvirt(t *testing.T) {
	server := libvirttest.New(t)
	server.SetNetwork(libvirttest.Network{Name: "lan", Bridge: "virbr7", Active: true, Persistent: true,
		Leases: []libvirttest.Lease{{MAC: "52:54:00:51:00:55", IP: "198.51.100.55"}},
		XML: `<network><name>lan</name><bridge name='virbr7'/><mtu size='1400'/><domain name='lab.example'/><dns><!-- dns --></dns>
  <ip address='198.51.100.1' netmask='255.255.255.0'><dhcp><range start='198.51.100.2' end='198.51.100.99'/><!-- dhcp --></dhcp></ip></network>`})
	own := "[libvirt]\nuri = qemu+unix:///system?socket=" + server.Socket + "\n[dnsmasq]\nnet_name = mds\nrun = off\n"
	cfg := load(t, own+"[network lan]\nbackend = libvirt\n")
	inv := newInventory(t)
	s := New(cfg, inv, notes{}, nil, discard)
	before := s.Describe(cfg)[1]
	if !before.Pending || before.IPv4.IsValid() || before.DNS != nil {
		t.Errorf("before it is known, it is %+v", before)
	}
	must(t, s.Start(t.Context()))
	lan := s.Describe(cfg)[1]
	gateway := netip.MustParseAddr("198.51.100.1")
	if lan.Pending || lan.Bridge != "virbr7" || lan.Domain != "lab.example" || lan.IPv4.String() != "198.51.100.0/24" || lan.Gateway4 != gateway ||
		!slices.Equal(lan.DNS, []netip.Addr{gateway}) || lan.MTU != 1400 || len(lan.Leased) != 1 {
		t.Errorf("it is %+v", lan)
	}
	if st := s.Status()[1]; st.Libvirt == nil || st.Dnsmasq != nil || st.Backend != config.BackendLibvirt || st.Network.Bridge != "virbr7" {
		t.Errorf("its state is %+v", st)
	}
	select {
	case <-s.Changed():
	default:
		t.Error("nobody is told that it is known now")
	}

	inv.Reconfigure(inventory.Options{Networks: s.Describe(cfg)})
	_, err := inv.Register(t.Context(), instance.Domain{Name: "web1", UUID: uuid.UUID{15: 1}, Interfaces: []instance.Interface{{MAC: instance.MAC{2, 5: 1}, Network: "lan"}}})
	must(t, err)
	must(t, s.Sync(t.Context()))
	entries := func() string { return strings.Join(server.Network("lan").Live, "\n") }
	if got := entries(); !strings.Contains(got, `mac="02:00:00:00:00:01" name="web1"`) {
		t.Errorf("libvirt has %q", got)
	}
	must(t, s.Reconfigure(t.Context(), load(t, own+"[network lan]\nbackend = libvirt\nprefix = vm-\nentry_order = prefix\n")))
	if got := entries(); !strings.Contains(got, "vm-web1") {
		t.Errorf("with a prefix, libvirt has %q", got)
	}
	for n := 56; !s.Refresh(t.Context()); n++ { // it trusts for a moment what it has seen
		if n == 3000 {
			t.Fatal("a change of the network is not found")
		}
		time.Sleep(10 * time.Millisecond)
		changed := server.Network("lan") // as others change it
		changed.Leases = []libvirttest.Lease{{MAC: "52:54:00:51:00:55", IP: fmt.Sprint("198.51.100.", n%100)}}
		server.SetNetwork(changed)
	}
	server.Refuse(libvirttest.NetworkGetXML, golibvirt.ErrOperationFailed)
	for _, next := range []*config.Config{cfg, load(t, own)} {
		if err := s.Reconfigure(t.Context(), next); err == nil || !strings.HasPrefix(err.Error(), "network lan: ") {
			t.Errorf("while libvirt refuses, the error is %v", err)
		}
		if st := s.Status(); len(st) == 2 && st[1].Trouble == "" {
			t.Errorf("while libvirt refuses, the state is %+v", st[1])
		}
	}
	server.Refuse(libvirttest.NetworkGetXML, 0)
	must(t, s.Reconfigure(t.Context(), cfg))
	must(t, s.Reconfigure(t.Context(), load(t, own)))
	if got := entries(); got != "" {
		t.Errorf("of a network that is not served, libvirt has %q", got)
	}
	must(t, s.Close())
}

// Guests are told of libvirt's DNS server only where there is one.
func TestNetworkOfLibvirtWithoutDNS(t *testing.T) {
	for name, tt := range map[string]struct{ xml, want string }{
		"DNS":     {`<ip address='198.51.100.1' netmask='255.255.255.0'/>`, "[198.51.100.1]"},
		"no DNS":  {`<dns enable='no'/><ip address='198.51.100.1' netmask='255.255.255.0'/>`, "[]"},
		"no IPv4": {``, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			server := libvirttest.New(t)
			server.SetNetwork(libvirttest.Network{Name: "lan", Bridge: "virbr7", Active: true, XML: "<network><name>lan</name>" + tt.xml + "</network>"})
			cfg := load(t, "[libvirt]\nuri = qemu+unix:///system?socket="+server.Socket+"\n[dnsmasq]\nnet_name = mds\nrun = off\n[network lan]\nbackend = libvirt\n")
			s := New(cfg, newInventory(t), notes{}, nil, discard)
			_ = s.Start(t.Context()) // a network without IPv4 is not served
			if got := fmt.Sprint(s.Describe(cfg)[1].DNS); got != tt.want {
				t.Errorf("guests are told of %s, want %s", got, tt.want)
			}
			must(t, s.Close())
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
