package network

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/libvirttest"
	"mdserver/internal/libvirt/network/entries"
)

// lan is a network that no host has (RFC 5737), with an entry of another.
const lan = `<network><name>lan</name><bridge name='virbr7'/><domain name='lab.example'/>
  <dns><host ip='198.51.100.77'><hostname>printer</hostname></host><!-- dns --></dns>
  <ip address='198.51.100.1' netmask='255.255.255.0'><dhcp><range start='198.51.100.2' end='198.51.100.9'/>
    <host mac='52:54:00:51:00:99' ip='198.51.100.99'/><!-- dhcp --></dhcp></ip></network>`

func lanIP(n byte) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, n}) }

func mac(n byte) instance.MAC { return instance.MAC{0x52, 0x54, 0, 0x51, 0, n} }
func ip(n byte) netip.Addr    { return netip.AddrFrom4([4]byte{192, 168, 122, n}) }

// guest is an entry of a guest.
func guest(n byte, names ...string) entries.Entry {
	return entries.Entry{MAC: mac(n), IP: ip(n), Name: names[0], Names: names}
}

// machine is a guest on lan.
func machine(n byte, hostname string) instance.Instance {
	return instance.Instance{UUID: uuid.UUID{n}, Name: hostname, Hostname: hostname, Network: "lan", MAC: mac(n), IPv4: lanIP(n)}
}

// entriesOf are the entries of a machine as libvirt gets them.
func entriesOf(n, hostname string) []string {
	return []string{
		`<host mac="52:54:00:51:00:0` + n + `" name="` + hostname + `" ip="198.51.100.` + n + `"></host>`,
		`<host ip="198.51.100.` + n + `"><hostname>` + hostname + `</hostname></host>`,
	}
}

type setup struct {
	*Service
	server  *libvirttest.Server
	notes   notes
	changed chan struct{}
	log     *strings.Builder
}

// serve starts a Service of the network lan. Its tests run in a bubble: nothing
// happens by itself until they sleep.
func serve(t *testing.T, server *libvirttest.Server, kept notes, guests ...instance.Instance) setup {
	t.Helper()
	s := prepare(t, server, kept)
	s.must(t, s.Start(t.Context(), guests))
	synctest.Wait()
	return s
}

// prepare makes a Service of the network lan. No address is this host's.
func prepare(t *testing.T, server *libvirttest.Server, kept notes) setup {
	s := setup{server: server, notes: kept, changed: make(chan struct{}, 1), log: &strings.Builder{}}
	settings := Settings{Name: "lan", Endpoint: connection.Endpoint{Socket: server.Socket, Dialer: server}, EntryOrder: []string{"base"}}
	s.Service = New(settings, kept, s.changed, slog.New(slog.NewTextHandler(s.log, nil)))
	s.dns.local = func(netip.Addr) bool { return false }
	s.release = func(_ context.Context, server netip.Addr, mac instance.MAC, addr netip.Addr) error {
		return errors.New("no lease is to be released")
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newServer(t *testing.T) *libvirttest.Server {
	server := libvirttest.InMemory(t)
	server.SetNetwork(libvirttest.Network{Name: "lan", Bridge: "virbr7", Active: true, Persistent: true, XML: lan,
		Leases: []libvirttest.Lease{{MAC: "52:54:00:51:00:55", IP: "198.51.100.55"}, {MAC: "no MAC", IP: "198.51.100.56"}, {MAC: "52:54:00:51:00:57", IP: "fd00::57"}, {IP: "198.51.100.58"}}})
	return server
}

// holds wants the same entries in the running network and in its configuration.
func (s setup) holds(t *testing.T, want ...[]string) {
	t.Helper()
	all := slices.Concat(want...)
	slices.Sort(all)
	n := s.server.Network("lan")
	for name, got := range map[string][]string{"live": n.Live, "config": n.Config} {
		if slices.Sort(got); !slices.Equal(got, all) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(all, "\n"))
		}
	}
}

func (s setup) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, newServer(t), notes{}, machine(2, "web"))
		s.holds(t, entriesOf("2", "web"))
		select {
		case <-s.changed:
		default:
			t.Error("the channel has no word of the network")
		}
		view := s.View()
		if !view.Active || view.Bridge != "virbr7" || view.Domain != "lab.example" || view.IPv4 != netip.MustParsePrefix("198.51.100.0/24") ||
			view.Gateway != lanIP(1) || !view.DNS || view.Leases != 8 {
			t.Errorf("%+v", view)
		}
		if len(view.Leased) != 2 || view.Leased[lanIP(55)] != mac(0x55) || view.Leased[lanIP(99)] != mac(0x99) {
			t.Errorf("leased: %v", view.Leased)
		}
		if st := s.Status(); !st.Connected || !st.Active || st.Entries != 1 || st.Leases != 8 || st.LastError != "" {
			t.Errorf("%+v", st)
		}

		web, db := machine(2, "web"), machine(3, "db")
		s.must(t, s.Apply(t.Context(), []instance.Event{{New: &db}}))
		s.holds(t, entriesOf("2", "web"), entriesOf("3", "db"))
		calls := s.server.Calls(libvirttest.NetworkUpdate)
		renamed := web
		renamed.Name = "another name of the domain"
		s.must(t, s.Apply(t.Context(), []instance.Event{{Old: &web, New: &renamed}}))
		if again := s.server.Calls(libvirttest.NetworkUpdate); again != calls {
			t.Errorf("%d updates for a change that libvirt does not need", again-calls)
		}
		moved := web
		moved.Hostname = "www"
		s.must(t, s.Apply(t.Context(), []instance.Event{{Old: &web, New: &moved}}))
		s.holds(t, entriesOf("2", "www"), entriesOf("3", "db"))
		s.must(t, s.Apply(t.Context(), []instance.Event{{Old: &moved}}))
		s.holds(t, entriesOf("3", "db"))
		s.must(t, s.Reconfigure(t.Context(), s.set(), []instance.Instance{machine(4, "mail")}))
		s.holds(t, entriesOf("4", "mail"))
		s.must(t, s.Retire(t.Context()))
		s.holds(t)
		if s.notes["libvirt_network/lan"] != "[]" && s.notes["libvirt_network/lan"] != "null" {
			t.Errorf("noted: %s", s.notes["libvirt_network/lan"])
		}
	})
}

// Entries of guests stay at a stop. The next start removes those that are no longer
// wanted, and none of another's.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, kept := newServer(t), notes{}
		s := serve(t, server, kept, machine(2, "web"), machine(3, "db"))
		s.must(t, s.Close())
		s.holds(t, entriesOf("2", "web"), entriesOf("3", "db"))
		if server.Network("lan").Live == nil || len(EntryNotes(kept)) != 1 || EntryNotes(kept)["lan"] == "" {
			t.Errorf("noted: %v", kept)
		}
		s = serve(t, server, kept, machine(3, "db"))
		s.holds(t, entriesOf("3", "db"))

		_ = s.Close()
		got := Withdraw(t.Context(), connection.Endpoint{Socket: server.Socket, Dialer: server}, "lan", kept["libvirt_network/lan"])
		if got.Removed != 2 || len(got.Problems)+len(got.Commands) != 0 {
			t.Errorf("%+v", got)
		}
		s.holds(t)
		if got := Withdraw(t.Context(), connection.Endpoint{Socket: server.Socket, Dialer: server}, "no such network", noteOf(t, guest(5, "web"))); len(got.Problems)+len(got.Commands)+got.Removed != 0 {
			t.Errorf("of a network that libvirt does not have: %+v", got)
		}
	})
}

// What libvirt refuses to remove has a problem and a command for each side.
func TestWithdrawRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, kept := newServer(t), notes{}
		s := serve(t, server, kept, machine(2, "web"))
		s.must(t, s.Close())
		server.Refuse(libvirttest.NetworkUpdate, golibvirt.ErrOperationFailed)
		got := Withdraw(t.Context(), connection.Endpoint{Socket: server.Socket, Dialer: server}, "lan", kept["libvirt_network/lan"])
		if got.Removed != 0 || len(got.Problems) != 4 || len(got.Commands) != 4 {
			t.Errorf("%+v", got)
		}
		for _, option := range []string{"--live", "--config"} {
			if n := len(slices.DeleteFunc(slices.Clone(got.Commands), func(c string) bool { return !strings.HasSuffix(c, option) })); n != 2 {
				t.Errorf("%d commands with %s: %q", n, option, got.Commands)
			}
		}
	})
}

func TestProblems(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*libvirttest.Network)
		guests []instance.Instance
		refuse golibvirt.ErrorNumber
		want   string // Status's error
		warned string
	}{
		"not running": {func(n *libvirttest.Network) { n.Active = false }, []instance.Instance{machine(2, "web")}, 0,
			"libvirt does not run the network; `virsh net-start lan` starts it", ""},
		"more guests than leases": {func(n *libvirttest.Network) {}, []instance.Instance{
			machine(2, "a"), machine(3, "b"), machine(4, "c"), machine(5, "d"), machine(6, "e"), machine(7, "f"), machine(8, "g"), machine(9, "h"), machine(10, "i"),
		}, 0, "9 interfaces of guests are on the network, but its DHCP range limits libvirt to 8 leases; widen <range> with `virsh net-edit lan`, then restart the network",
			"libvirt's network is in conflict with a guest"},
		"an address of another": {func(n *libvirttest.Network) {}, []instance.Instance{machine(99, "web")}, 0,
			"52:54:00:51:00:63 cannot get 198.51.100.99: the network has another entry for 52:54:00:51:00:99, 198.51.100.99", "in conflict with a guest"},
		"a name of another": {func(n *libvirttest.Network) {}, []instance.Instance{machine(2, "printer")}, 0,
			"198.51.100.2 does not get these names, because other DNS entries of the network have them: printer", "in conflict with a guest"},
		"libvirt refuses": {func(n *libvirttest.Network) {}, []instance.Instance{machine(2, "web")}, golibvirt.ErrOperationFailed,
			`libvirt refuses <host ip="198.51.100.2"><hostname>web</hostname></host>: refused by the test`, "in conflict with a guest"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(t)
				n := server.Network("lan")
				tt.change(&n)
				server.SetNetwork(n)
				server.Refuse(libvirttest.NetworkUpdate, tt.refuse)
				s := serve(t, server, notes{}, tt.guests...)
				if st := s.Status(); st.LastError != tt.want || st.Active != n.Active || !st.Connected {
					t.Errorf("%+v, want %q", st, tt.want)
				}
				if err := s.bring(t.Context(), callTime); err != nil {
					t.Error(err)
				}
				_ = s.Close()
				if text := s.log.String(); tt.warned == "" && text != "" || !strings.Contains(text, tt.warned) || strings.Count(text, "level=WARN") > 2 {
					t.Errorf("logged %q, want %q", text, tt.warned)
				}
			})
		})
	}
}

// A network that is off gets its entries in the configuration, and one that is not
// stored in what runs.
func TestSides(t *testing.T) {
	for name, tt := range map[string]struct{ active, persistent bool }{"off": {false, true}, "transient": {true, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newServer(t)
				n := server.Network("lan")
				n.Active, n.Persistent = tt.active, tt.persistent
				server.SetNetwork(n)
				serve(t, server, notes{}, machine(2, "web"))
				n = server.Network("lan")
				if (len(n.Live) == 2) != tt.active || (len(n.Config) == 2) != tt.persistent || len(n.Live)+len(n.Config) != 2 {
					t.Errorf("live %q, config %q", n.Live, n.Config)
				}
			})
		})
	}
}

// A registration gets the present leases, and libvirt is not asked twice in a moment.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		if s := prepare(t, server, notes{}); s.Refresh(t.Context()) || server.Calls(libvirttest.ConnectOpen) != 0 {
			t.Error("libvirt is asked before the start")
		}
		s := serve(t, server, notes{})
		<-s.changed
		calls := server.Calls(libvirttest.NetworkLeases)
		refreshed := func(after time.Duration, wantCalls int) bool {
			t.Helper()
			time.Sleep(after)
			changed := s.Refresh(t.Context())
			if got := server.Calls(libvirttest.NetworkLeases) - calls; got != wantCalls {
				t.Errorf("asked %d times, want %d", got, wantCalls)
			}
			return changed
		}
		if refreshed(fresh-1, 0) || refreshed(1, 1) || refreshed(fresh-1, 1) {
			t.Error("the view is another one")
		}
		n := server.Network("lan")
		n.Leases = append(n.Leases, libvirttest.Lease{MAC: "52:54:00:51:00:60", IP: "198.51.100.60"})
		server.SetNetwork(n)
		if !refreshed(1, 2) || s.View().Leased[lanIP(60)] != mac(0x60) {
			t.Errorf("leased: %v", s.View().Leased)
		}
		select {
		case <-s.changed:
		default:
			t.Error("the channel has no word of the lease")
		}
		if !strings.Contains(s.notes["libvirt_view/lan"], "198.51.100.60") {
			t.Errorf("noted: %s", s.notes["libvirt_view/lan"])
		}
		server.Refuse(libvirttest.NetworkLeases, golibvirt.ErrOperationFailed)
		if refreshed(fresh, 3) || s.View().Leased[lanIP(60)] != mac(0x60) {
			t.Error("a view is forgotten when libvirt does not tell")
		}
	})
}

// A connection that ended is made again, and one to another socket replaces it.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		s := serve(t, server, notes{}, machine(2, "web"))
		if server.Calls(libvirttest.ConnectOpen) != 1 {
			t.Errorf("%d connections", server.Calls(libvirttest.ConnectOpen))
		}
		server.HangUp()
		<-s.conn.Done()
		db := machine(3, "db")
		s.must(t, s.Apply(t.Context(), []instance.Event{{New: &db}}))
		if server.Calls(libvirttest.ConnectOpen) != 2 {
			t.Errorf("%d connections", server.Calls(libvirttest.ConnectOpen))
		}
		other := newServer(t)
		settings := s.set()
		settings.Endpoint.Socket = other.Socket
		settings.Endpoint.Dialer = other
		s.must(t, s.Reconfigure(t.Context(), settings, []instance.Instance{machine(3, "db")}))
		s.server = other
		s.holds(t, entriesOf("3", "db"))
	})
}

// libvirt refuses a second entry with the same name. A guest's name is that of its
// first interface.
func TestWantedNames(t *testing.T) {
	s := New(Settings{Name: "lan", EntryOrder: []string{"domain", "base"}}, nil, nil, nil)
	s.view.Domain = "x.lab"
	for i, hostname := range []string{"master-0.x.lab", "master-0.y.lab", "web"} {
		s.guests[uuid.UUID{byte(i)}] = instance.Instance{Hostname: hostname, Network: "lan", IPv4: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}
	}
	web := s.guests[uuid.UUID{2}]
	web.Further = []instance.Attachment{{Network: "lan", MAC: instance.MAC{2, 2}, IPv4: netip.MustParseAddr("10.0.0.9")}}
	s.guests[uuid.UUID{2}] = web
	var got []string
	for _, e := range s.wanted() {
		got = append(got, e.IP.String()+" "+e.Name+" "+strings.Join(e.Names, " "))
	}
	want := []string{"10.0.0.0 master-0 master-0.x.lab", "10.0.0.1  master-0.y.lab.x.lab master-0.y.lab", "10.0.0.2 web web.x.lab web", "10.0.0.9  "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A guest whose address is in the range of another host has names here, and gets its
// lease there, also while it moves.
func TestWantedOfOtherRanges(t *testing.T) {
	own, other := instance.Home{HostID: "a"}, instance.Home{HostID: "b"}
	moves := instance.Home{HostID: "a", FromID: "b"}
	for name, tt := range map[string]struct {
		home   instance.Home
		addr   netip.Addr
		leases bool
	}{
		"own":                           {own, lanIP(5), true},
		"own, on its way out":           {instance.Home{HostID: "b", FromID: "a"}, lanIP(5), true},
		"of no host, in this range":     {instance.Home{}, lanIP(5), true},
		"another host's":                {other, ip(5), false},
		"another host's, in this range": {other, lanIP(5), false}, // a network that all hosts share
		"on its way":                    {moves, ip(5), false},
		"of no host":                    {instance.Home{}, ip(5), false},
		"last of network":               {own, lanIP(254), true},
	} {
		s := New(Settings{Name: "lan", HostID: "a", EntryOrder: []string{"base"}}, nil, nil, nil)
		s.view.IPv4 = netip.MustParsePrefix("198.51.100.1/24")
		guest := machine(5, "web")
		guest.Home, guest.IPv4 = tt.home, tt.addr
		s.guests[guest.UUID] = guest
		list := s.wanted()
		if len(list) != 1 || list[0].IP != tt.addr || !slices.Equal(list[0].Names, []string{"web"}) || (list[0].MAC == mac(5)) != tt.leases {
			t.Errorf("%s: %+v", name, list)
		}
	}
}
