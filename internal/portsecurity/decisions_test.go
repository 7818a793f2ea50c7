package portsecurity

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/plan"
	"mdserver/internal/portsecurity/porttest"
)

var (
	lan  = instance.Network{Name: "lan", Bridge: "br-lan", PortSecurity: true}
	open = instance.Network{Name: "open", Bridge: "br-open"}
)

// planned is a Reconciler that has brought a plan about, without the kernel.
func planned(log *slog.Logger) *Reconciler {
	k := New("", nil, log)
	k.networks = []instance.Network{porttest.Network, lan, open}
	port := func(name, network string, role plan.Role) plan.Port {
		return plan.Port{Name: name, Bridge: "br-" + network, Network: network, Role: role}
	}
	web1 := port("vnet1", "mds", plan.Guest)
	web1.Guest, web1.UUID, web1.MACs = "web1", uuid.UUID{1}, []instance.MAC{porttest.MAC(1)}
	web1.Addrs, web1.Allowed = []netip.Addr{netip.MustParseAddr("10.122.1.1")}, []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")}
	router := port("vnet2", "mds", plan.Other)
	router.Guest, router.UUID, router.Off = "router", uuid.UUID{2}, true
	further := port("vnet3", "lan", plan.Guest)
	further.Guest, further.UUID = "web1", uuid.UUID{1}
	k.plan = plan.Plan{Ports: []plan.Port{web1, router, further, port("tap0", "mds", plan.Stranger), port("eth0", "mds", plan.Other)}}
	return k
}

// A network's state counts its own ports, by what is enforced at them.
func TestStatus(t *testing.T) {
	k := planned(slog.New(slog.DiscardHandler))
	k.trouble.New(errors.New("no rights"))
	for name, want := range map[string]api.PortSecurity{
		"mds":  {On: true, Guests: 1, Off: 1, Strangers: 1, Dropped: api.Drops{}, Trouble: "no rights"},
		"lan":  {On: true, Guests: 1, Dropped: api.Drops{}, Trouble: "no rights"},
		"open": {},
		"none": {},
	} {
		if diff := cmp.Diff(want, k.Status(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := k.Trouble(name); got != want.Trouble {
			t.Errorf("%s: trouble %q, want %q", name, got, want.Trouble)
		}
	}
}

// Dropped frames are added up by their kind. Ports that dropped none are not listed.
func TestDroppedFramesAreAdded(t *testing.T) {
	s := api.PortSecurity{Dropped: api.Drops{}}
	spoofer := api.Port{Name: "vnet1", Role: string(plan.Guest), Dropped: api.Drops{"arp": 2, "dhcp": 1}}
	stranger := api.Port{Name: "tap0", Role: string(plan.Stranger), Dropped: api.Drops{"arp": 3}}
	for _, port := range []api.Port{spoofer, {Name: "vnet2", Role: string(plan.Guest)}, stranger} {
		add(&s, port)
	}
	want := api.PortSecurity{Guests: 2, Strangers: 1, Dropped: api.Drops{"arp": 5, "dhcp": 1}, Ports: []api.Port{spoofer, stranger}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The ports of a guest are told whole, on each of its networks.
func TestPortsOfAGuest(t *testing.T) {
	k := planned(slog.New(slog.DiscardHandler))
	want := []api.Port{
		{Name: "vnet1", Bridge: "br-mds", Network: "mds", Role: "guest", Guest: "web1", UUID: uuid.UUID{1}, MACs: []instance.MAC{porttest.MAC(1)},
			Addrs: []netip.Addr{netip.MustParseAddr("10.122.1.1")}, Allowed: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")}},
		{Name: "vnet3", Bridge: "br-lan", Network: "lan", Role: "guest", Guest: "web1", UUID: uuid.UUID{1}},
	}
	if diff := cmp.Diff(want, k.Of(uuid.UUID{1}), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Errorf("web1 (-want +got):\n%s", diff)
	}
	if got := k.Of(uuid.UUID{2}); len(got) != 1 || !got[0].Off || got[0].Role != "other" {
		t.Errorf("the router has %+v", got)
	}
	if got := k.Of(uuid.UUID{3}); len(got) > 0 {
		t.Errorf("an unknown guest has %+v", got)
	}
}

// The log says which guests' ports came and went, each once. A port that another guest
// has now is one that came.
func TestPortsAreTold(t *testing.T) {
	log := &strings.Builder{}
	k := planned(slog.New(slog.NewTextHandler(log, nil)))
	guest := func(port, name string, role plan.Role) plan.Port {
		return plan.Port{Name: port, Guest: name, Role: role}
	}
	for _, step := range []struct {
		name  string
		ports []plan.Port
		want  []string
	}{
		{"the same", k.plan.Ports, nil},
		{"one goes", k.plan.Ports[1:], []string{`enabled for an unknown port" guest=web1 port=vnet1`}},
		{"one comes", append([]plan.Port{guest("vnet9", "web9", plan.Guest)}, k.plan.Ports...), []string{`enabled for a guest" guest=web9 port=vnet9`}},
		{"one is turned off", []plan.Port{guest("vnet1", "web1", plan.Other), guest("vnet3", "web1", plan.Guest)}, []string{`enabled for an unknown port" guest=web1 port=vnet1`}},
		{"another guest has it", []plan.Port{guest("vnet1", "web8", plan.Guest), guest("vnet3", "web1", plan.Guest)}, []string{`enabled for a guest" guest=web8 port=vnet1`}},
	} {
		log.Reset()
		k.tell(plan.Plan{Ports: step.ports})
		lines := strings.Count(log.String(), "\n")
		for _, want := range step.want {
			if !strings.Contains(log.String(), want) || lines != len(step.want) {
				t.Errorf("%s: the log is\n%swant %q", step.name, log, step.want)
			}
		}
		if len(step.want) == 0 && lines > 0 {
			t.Errorf("%s: the log is\n%s", step.name, log)
		}
	}
}

// The bridges of networks with port security are closed, each once.
func TestBridgesToClose(t *testing.T) {
	k := planned(slog.New(slog.DiscardHandler))
	links := []plan.Link{{Name: "br-mds", Index: 3}, {Name: "br-lan", Index: 4}, {Name: "br-open", Index: 5}, {Name: "vnet1", Index: 6, Bridge: "br-mds"}}
	names := func() string {
		var list []string
		for _, link := range k.toClose(links) {
			list = append(list, link.Name)
		}
		return fmt.Sprint(list)
	}
	if got := names(); got != "[br-mds br-lan]" {
		t.Errorf("to close are %s", got)
	}
	k.closed[3] = true
	if got := names(); got != "[br-lan]" {
		t.Errorf("after br-mds, to close are %s", got)
	}
}
