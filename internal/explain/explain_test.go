package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/pool"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/portsecurity/plan"
	"mdserver/internal/portsecurity/table"
	"mdserver/internal/timeline"
)

var network = instance.Network{
	Name: "mds", IPv4: netip.MustParsePrefix("10.122.0.0/29"),
	Excluded: []instance.AddrRange{{First: netip.MustParseAddr("10.122.0.1"), Last: netip.MustParseAddr("10.122.0.1")}},
}

// newInventory has these guests, registered in their order.
func newInventory(t *testing.T, names ...string) *inventory.Snapshot {
	t.Helper()
	inv, err := inventory.Open(context.Background(), storetest.NewMemory(), inventory.Options{Networks: []instance.Network{network}, Quarantine: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inv.Close() })
	for i, name := range names {
		_, err := inv.Register(t.Context(), instance.Domain{
			Name: name, UUID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)), Source: instance.ByHook,
			Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, 0, 0, byte(i)}, Network: "mds"}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return inv.Snapshot()
}

// Five guests share five addresses: each has the one its hash leads to, or was
// passed on by those who have the ones before.
func TestAddressesFollowFromTheHash(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e"}
	snapshot := newInventory(t, names...)
	direct := 0
	for _, name := range names {
		guest, _ := snapshot.ByName(name)
		doc := Guest(Subject{Guest: guest, Snapshot: snapshot, Networks: []instance.Network{network}})
		a := doc.Addresses[0]
		addr := pool.FirstCandidate(network.IPv4, guest.UUID)
		for _, p := range a.Passed {
			if p.Address != addr {
				t.Errorf("%s: passed %s, want %s", name, p.Address, addr)
			}
			if other, held := snapshot.ByAddr(addr); held && p.Reason != "belongs to guest "+other.Name {
				t.Errorf("%s: %s %s, want that of %s", name, addr, p.Reason, other.Name)
			}
			if addr = addr.Next(); !network.IPv4.Contains(addr) {
				addr = network.IPv4.Addr()
			}
		}
		if addr != guest.IPv4 {
			t.Errorf("%s: the way ends at %s, but it has %s: %+v", name, addr, guest.IPv4, a)
		}
		if len(a.Passed) == 0 {
			direct++
		}
	}
	if direct == 0 || direct == len(names) {
		t.Errorf("%d of %d guests have their first address: the test shows nothing", direct, len(names))
	}
}

func TestPortSecurity(t *testing.T) {
	snapshot := newInventory(t, "web1", "web2")
	web1, _ := snapshot.ByName("web1")
	web2, _ := snapshot.ByName("web2")
	secured := network
	secured.PortSecurity, secured.Gateway4 = true, netip.MustParseAddr("10.122.0.1")
	port := api.Port{
		Name: "vnet3", Network: "mds", Role: string(plan.Guest), UUID: web1.UUID, Addrs: []netip.Addr{web1.IPv4},
		Allowed: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")}, Dropped: api.Drops{string(table.KindARP): 2},
	}
	off := port
	off.Role, off.Off = string(plan.Other), true
	for name, test := range map[string]struct {
		network instance.Network
		ports   []api.Port
		want    string
	}{
		"not configured": {network, nil, "off : port_security of the network is no []"},
		"not running":    {secured, nil, "unknown : the guest does not run, or its port is not known []"},
		"on":             {secured, []api.Port{port}, fmt.Sprintf("on vnet3: libvirt runs the guest on this port [%s/32 172.17.0.0/16]", web1.IPv4)},
		"off":            {secured, []api.Port{off}, "off vnet3: port_security in the domain's <metadata> []"},
	} {
		doc := Guest(Subject{Guest: web1, Snapshot: snapshot, Networks: []instance.Network{test.network}, Ports: test.ports})
		if len(doc.PortSecurity) != 1 {
			t.Fatalf("%s: %+v", name, doc.PortSecurity)
		}
		p := doc.PortSecurity[0]
		if got := fmt.Sprintf("%s %s: %s %v", p.State, p.Port, p.Why, p.Sends); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}

	greedy := *web1
	greedy.Metadata.Values = map[string]string{instance.KeyAllowedAddresses: "10.122.0.1, 172.17.0.0/16, " + web1.IPv4.String() + ", " + web2.IPv4.String()}
	doc := Guest(Subject{Guest: &greedy, Snapshot: snapshot, Networks: []instance.Network{secured}})
	missing := strings.Join(doc.Missing, "\n")
	for _, want := range []string{"contain 10.122.0.1, the router of the network mds", "contain " + web2.IPv4.String() + ", which belongs to guest web2"} {
		if !strings.Contains(missing, want) {
			t.Errorf("it does not say %q:\n%s", want, missing)
		}
	}
	if n := strings.Count(missing, "allowed_addresses"); n != 2 {
		t.Errorf("it blames %d addresses:\n%s", n, missing)
	}
}

func TestDevicesWithoutDriver(t *testing.T) {
	snapshot := newInventory(t, "web1")
	registered, _ := snapshot.ByName("web1")
	ours, others := registered.MAC, instance.MAC{2, 9}
	asked := api.Requests{Kinds: []api.RequestKind{{Name: "ec2 metadata", Count: 1}}}
	for name, test := range map[string]struct {
		card     instance.Interface
		disk     instance.Disk
		requests api.Requests
		want     string
	}{
		"virtio":                         {card: instance.Interface{MAC: ours, Model: "virtio"}, disk: instance.Disk{Device: "disk", Bus: "virtio"}},
		"a card of another model":        {card: instance.Interface{MAC: ours, Model: "e1000"}, want: "the network card e1000"},
		"on a network of others":         {card: instance.Interface{MAC: others, Model: "e1000"}},
		"a SATA disk":                    {disk: instance.Disk{Device: "disk", Bus: "sata"}, want: "a SATA disk"},
		"a SATA drive for CDs":           {disk: instance.Disk{Device: "cdrom", Bus: "sata"}},
		"a guest that has asked already": {card: instance.Interface{MAC: ours, Model: "e1000"}, requests: asked},
	} {
		t.Run(name, func(t *testing.T) {
			guest := *registered
			guest.Interfaces, guest.Disks = []instance.Interface{test.card}, []instance.Disk{test.disk}
			found := Guest(Subject{Guest: &guest, Snapshot: snapshot, Networks: []instance.Network{network}, Requests: test.requests})
			i := slices.IndexFunc(found.Problems, func(m api.Missing) bool { return m.Code == "driver_missing" })
			if there := i >= 0; there != (test.want != "") || there && !strings.Contains(found.Missing[i], test.want) {
				t.Errorf("%v, want %q", found.Missing, test.want)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	snapshot := newInventory(t, "web1")
	guest, _ := snapshot.ByName("web1")
	var log timeline.RequestLog
	subject := func() Subject {
		return Subject{Guest: guest, Snapshot: snapshot, Networks: []instance.Network{network}, Requests: log.Of(guest.UUID)}
	}
	missing := func() string { return strings.Join(Guest(subject()).Missing, "\n") }
	want := func(words string, there bool) {
		t.Helper()
		if strings.Contains(missing(), words) != there {
			t.Errorf("%q: want %v in:\n%s", words, there, missing())
		}
	}
	want("no requests since", true)
	want("SSH key", true)
	want("hook", false)
	note := func(path string, status int) {
		log.Note(guest.UUID, api.Request{At: time.Now(), Client: guest.IPv4, Method: "GET", Path: path, Status: status})
	}
	note("/service/name", 200)
	want("none for metadata", true)
	note("/latest/meta-data/", 200)
	want("not its user-data", true)
	note("/latest/meta-data/spot", 404)
	want("GET /latest/meta-data/spot was answered with 404 Not Found", true)
	note("/latest/user-data", 200)
	want("never", false)

	var dhcp timeline.DHCPLog
	client := timeline.DHCPClient{Network: guest.Network, MAC: guest.MAC}
	elsewhere := timeline.DHCPClient{Network: "another", MAC: guest.MAC}
	at := time.Now()
	dhcp.Note(client, api.DHCP{Message: "DHCPDECLINE", At: at.Add(-time.Minute)})
	dhcp.Note(client, api.DHCP{Message: "DHCPACK", At: at})
	withDHCP := func() string {
		s := subject()
		s.DHCP = dhcp.Of(client)
		return strings.Join(Guest(s).Missing, "\n")
	}
	if text := withDHCP(); !strings.Contains(text, "a DHCPDECLINE with its MAC address arrived at "+at.Add(-time.Minute).Local().Format(time.DateTime)) {
		t.Errorf("no DHCPDECLINE in:\n%s", text)
	}
	dhcp.Note(client, api.DHCP{Message: "DHCPDECLINE", At: at.Add(-2 * declineMatters)})
	dhcp.Note(elsewhere, api.DHCP{Message: "DHCPDECLINE", At: at}) // another guest's
	if text := withDHCP(); strings.Contains(text, "a DHCPDECLINE with its MAC address") {
		t.Errorf("a DHCPDECLINE of long ago in:\n%s", text)
	}

	s := subject()
	s.Template = api.TemplateChoice{Error: "web1.yaml:3: no such name"}
	if text := fmt.Sprint(Guest(s).Missing); !strings.Contains(text, "web1.yaml:3") {
		t.Errorf("the template's error is not in %s", text)
	}
}

// With a range for each host, the address of another host's guest is in the range of
// that host, and one that is requested for another host is not given.
func TestAddressesOfRanges(t *testing.T) {
	ranged := network
	ranged.PerHost = true
	snapshot := newInventory(t, "a")
	guest, _ := snapshot.ByName("a")
	away, moved := *guest, *guest
	away.IPv4, away.Home = netip.MustParseAddr("10.123.0.2"), instance.Home{Host: "kvm2", HostID: "b"}
	moved.Metadata.Values = map[string]string{"ipv4": "10.123.0.9"}
	for _, tt := range []struct {
		name     string
		guest    instance.Instance
		network  instance.Network
		on, want string
	}{
		{"of another host", away, ranged, "mds", "in the range of the host kvm2, which has the guest"},
		{"of another network", away, network, "", "kept; it is on no configured network"},
		{"requested elsewhere", moved, ranged, "mds", "the domain's <metadata> requests 10.123.0.9, which is not in the range of this host; chosen by the hash of the UUID"},
		{"requested since", moved, network, "mds", "chosen by the hash of the UUID"},
		{"its own", *guest, ranged, "mds", "chosen by the hash of the UUID"},
	} {
		doc := Guest(Subject{Guest: &tt.guest, Snapshot: snapshot, Networks: []instance.Network{tt.network}})
		if a := doc.Addresses[0]; a.Why != tt.want || a.Network != tt.on {
			t.Errorf("%s: on %q, %s", tt.name, a.Network, a.Why)
		}
	}
}
