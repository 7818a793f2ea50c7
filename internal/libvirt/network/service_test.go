package network

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/libvirttest"
)

// lan is a network that no host has (RFC 5737), with an entry of another.
const lan = `<network><name>lan</name><bridge name='virbr7'/><domain name='lab.example'/>
  <dns><host ip='198.51.100.77'><hostname>printer</hostname></host><!-- dns --></dns>
  <ip address='198.51.100.1' netmask='255.255.255.0'><dhcp><range start='198.51.100.2' end='198.51.100.9'/>
    <host mac='52:54:00:51:00:99' ip='198.51.100.99'/><!-- dhcp --></dhcp></ip></network>`

func lanIP(n byte) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, n}) }

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

// serve starts a Service of the network lan, and ends its own looks: libvirt is asked
// by the test's calls alone.
func serve(t *testing.T, server *libvirttest.Server, kept notes, guests ...instance.Instance) setup {
	t.Helper()
	s := begin(t, server, kept, guests...)
	s.stop()
	s.running.Wait()
	if s.silent() && !s.Status().Connected { // on a slow machine
		s.must(t, s.bring(t.Context(), callTime))
	}
	return s
}

// begin starts a Service of the network lan.
func begin(t *testing.T, server *libvirttest.Server, kept notes, guests ...instance.Instance) setup {
	t.Helper()
	s := setup{server: server, notes: kept, changed: make(chan struct{}, 1), log: &strings.Builder{}}
	s.Service = New(Settings{Name: "lan", Endpoint: connection.Endpoint{Socket: server.Socket}, EntryOrder: []string{"base"}}, kept, s.changed, slog.New(slog.NewTextHandler(s.log, nil)))
	if err := s.Start(t.Context(), guests); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newServer(t *testing.T) *libvirttest.Server {
	server := libvirttest.New(t)
	server.SetNetwork(libvirttest.Network{Name: "lan", Bridge: "virbr7", Active: true, Persistent: true, XML: lan,
		Leases: []libvirttest.Lease{{MAC: "52:54:00:51:00:55", IP: "198.51.100.55"}, {MAC: "no MAC", IP: "198.51.100.56"}, {MAC: "52:54:00:51:00:57", IP: "fd00::57"}}})
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
}

// Entries of guests stay at a stop. The next start removes those that are no longer
// wanted, and none of another's.
func TestRestart(t *testing.T) {
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
	got := Withdraw(t.Context(), connection.Endpoint{Socket: server.Socket}, "lan", kept["libvirt_network/lan"])
	if got.Removed != 2 || len(got.Problems)+len(got.Commands) != 0 {
		t.Errorf("%+v", got)
	}
	s.holds(t)
	if got := Withdraw(t.Context(), connection.Endpoint{Socket: server.Socket}, "no such network", noteOf(t, guest(5, "web"))); len(got.Problems)+len(got.Commands)+got.Removed != 0 {
		t.Errorf("of a network that libvirt does not have: %+v", got)
	}
}

// What libvirt refuses to remove has a problem and a command for each side.
func TestWithdrawRefused(t *testing.T) {
	server, kept := newServer(t), notes{}
	s := serve(t, server, kept, machine(2, "web"))
	s.must(t, s.Close())
	server.Refuse(libvirttest.NetworkUpdate, golibvirt.ErrOperationFailed)
	got := Withdraw(t.Context(), connection.Endpoint{Socket: server.Socket}, "lan", kept["libvirt_network/lan"])
	if got.Removed != 0 || len(got.Problems) != 4 || len(got.Commands) != 4 {
		t.Errorf("%+v", got)
	}
	for _, option := range []string{"--live", "--config"} {
		if n := len(slices.DeleteFunc(slices.Clone(got.Commands), func(c string) bool { return !strings.HasSuffix(c, option) })); n != 2 {
			t.Errorf("%d commands with %s: %q", n, option, got.Commands)
		}
	}
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
	}
}

// A network that is off gets its entries in the configuration, and one that is not
// stored in what runs.
func TestSides(t *testing.T) {
	for name, tt := range map[string]struct{ active, persistent bool }{"off": {false, true}, "transient": {true, false}} {
		t.Run(name, func(t *testing.T) {
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
	}
}

// A registration gets the present leases, and libvirt is not asked twice in a moment.
func TestRefresh(t *testing.T) {
	server := newServer(t)
	s := serve(t, server, notes{})
	<-s.changed
	calls := server.Calls(libvirttest.NetworkLeases)
	s.asked = time.Now().Add(time.Hour) // however slow the machine is
	if s.Refresh(t.Context()) || server.Calls(libvirttest.NetworkLeases) != calls {
		t.Error("a fresh view was asked for again")
	}
	s.asked = time.Now().Add(-fresh)
	if s.Refresh(t.Context()) || server.Calls(libvirttest.NetworkLeases) != calls+1 {
		t.Error("the view is another one, or was not asked for")
	}
	n := server.Network("lan")
	n.Leases = append(n.Leases, libvirttest.Lease{MAC: "52:54:00:51:00:60", IP: "198.51.100.60"})
	server.SetNetwork(n)
	s.asked = time.Now().Add(-fresh)
	if !s.Refresh(t.Context()) || s.View().Leased[lanIP(60)] != mac(0x60) {
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
	s.asked = time.Now().Add(-fresh)
	if s.Refresh(t.Context()) || s.View().Leased[lanIP(60)] != mac(0x60) {
		t.Error("a view is forgotten when libvirt does not tell")
	}
}

// A connection that ended is made again, and one to another socket replaces it.
func TestReconnect(t *testing.T) {
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
	s.must(t, s.Reconfigure(t.Context(), settings, []instance.Instance{machine(3, "db")}))
	s.server = other
	s.holds(t, entriesOf("3", "db"))
}

// broken are notes that cannot be read or written.
type broken struct {
	notes
	read, write error
}

func (b broken) Note(ctx context.Context, key string) (string, error) {
	if b.read != nil {
		return "", b.read
	}
	return b.notes.Note(ctx, key)
}

func (b broken) SetNote(ctx context.Context, key, text string) error {
	if b.write != nil {
		return b.write
	}
	return b.notes.SetNote(ctx, key, text)
}

// What cannot be noted is not added: nothing would remove it.
func TestBrokenNotes(t *testing.T) {
	failure := errors.New("input/output error")
	server := newServer(t)
	settings := Settings{Name: "lan", Endpoint: connection.Endpoint{Socket: server.Socket}}
	log := &strings.Builder{}
	s := New(settings, broken{notes{}, nil, failure}, make(chan struct{}, 1), slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Start(t.Context(), []instance.Instance{machine(2, "web")}); err != nil {
		t.Fatal(err)
	}
	if st := s.Status(); st.LastError != "noting the network's entries: input/output error" {
		t.Errorf("%+v", st)
	}
	if n := server.Network("lan"); len(n.Live)+len(n.Config) != 0 {
		t.Errorf("live %q, config %q", n.Live, n.Config)
	}
	if text := log.String(); !strings.Contains(text, "noting the network's state: input/output error") {
		t.Errorf("logged %q", text)
	}
	for want, kept := range map[string]Notes{
		"input/output error":           broken{notes{}, failure, nil},
		"invalid character":            notes{"libvirt_network/lan": "x"},
		"reading the note libvirt_vie": notes{"libvirt_view/lan": "x"},
	} {
		s := New(settings, kept, make(chan struct{}, 1), slog.New(slog.DiscardHandler))
		if err := s.Start(t.Context(), nil); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "reading the note libvirt_") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
