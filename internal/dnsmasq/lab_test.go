package dnsmasq

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/instance"
	"mdserver/internal/roottest"
)

// TestMain runs the tests in a network namespace of their own, where they may
// make bridges and bind port 53 and 67.
func TestMain(m *testing.M) { os.Exit(roottest.InNamespace(m)) }

// lab is a bridge with a guest's interface on it, as libvirt makes them.
type lab struct {
	content.Settings
	t     testing.TB
	log   *logBook
	guest netns.NsHandle // where the other end of the veth is
	veth  string
}

// newLab brings up br-mds. base_dir and run_dir lie in a directory of the test.
func newLab(t testing.TB) *lab {
	t.Helper()
	roottest.Need(t, "makes network namespaces")
	dir := t.TempDir()
	for parent := dir; parent != os.TempDir() && parent != "/"; parent = filepath.Dir(parent) {
		must(t, os.Chmod(parent, 0o755)) // dnsmasq may become nobody
	}
	l := &lab{t: t, log: &logBook{}, veth: "guest0", Settings: content.Settings{
		Mode: content.Child, Binary: "dnsmasq", User: "root", NetName: "mds", Interface: "br-mds",
		BaseDir: filepath.Join(dir, "dnsmasq"), RunDir: filepath.Join(dir, "run"),
		Network: netip.MustParsePrefix("10.122.0.0/16"), Gateway: netip.MustParseAddr("10.122.0.1"),
		MetadataAddress: netip.MustParseAddr("169.254.169.254"),
		UseDNS:          true, LeaseTime: time.Hour, EntryOrder: []string{"prefix", "domain", "base"},
		Domain: "example.net", Prefix: "lab-",
	}}
	up(t, "lo")
	addBridge(t, "br-mds", "10.122.0.1/16", "169.254.169.254/32")
	l.addGuestSide()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", l.log.text())
		}
	})
	return l
}

func addBridge(t testing.TB, name string, addrs ...string) {
	t.Helper()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 1, byte(len(name))}}}
	must(t, netlink.LinkAdd(bridge))
	t.Cleanup(func() { must(t, netlink.LinkDel(bridge)) })
	for _, text := range addrs {
		addr, err := netlink.ParseAddr(text)
		must(t, err)
		addr.Flags = syscall.IFA_F_NODAD
		must(t, netlink.AddrAdd(bridge, addr))
	}
	up(t, name)
}

func (l *lab) addGuestSide() {
	t := l.t
	l.guest = roottest.NewSpace(t)
	bridge, err := netlink.LinkByName("br-mds")
	must(t, err)
	port := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: "vnet0", MasterIndex: bridge.Attrs().Index},
		PeerName:  l.veth, PeerNamespace: netlink.NsFd(l.guest),
	}
	must(t, netlink.LinkAdd(port))
	// Left to the end of the namespace it would go at some later moment.
	t.Cleanup(func() { must(t, netlink.LinkDel(port)) })
	up(t, "vnet0")
	l.inGuest(func() { up(t, l.veth) })
}

// inGuest runs f in the guest's namespace.
func (l *lab) inGuest(f func()) {
	l.t.Helper()
	must(l.t, roottest.InSpace(l.guest, func() error {
		f()
		return nil
	}))
}

func up(t testing.TB, name string) {
	t.Helper()
	link, err := netlink.LinkByName(name)
	must(t, err)
	must(t, netlink.LinkSetUp(link))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start runs a Service until the end of the test.
func (l *lab) start(guests ...instance.Instance) *Service {
	l.t.Helper()
	return l.listen(nil, guests...)
}

// listen is start with somebody who is told of DHCP messages.
func (l *lab) listen(heard OnDHCPMessage, guests ...instance.Instance) *Service {
	l.t.Helper()
	s := New(l.Settings, slog.New(l.log))
	s.OnDHCP(heard, nil)
	must(l.t, s.Start(l.t.Context(), guests))
	l.t.Cleanup(func() { must(l.t, s.Close()) })
	return s
}

// lookup asks dnsmasq for an address record, as a resolver would.
func (l *lab) lookup(name string) []string { return l.query(name, dns.TypeA) }

// reverse asks for the name of an address.
func (l *lab) reverse(addr string) []string {
	l.t.Helper()
	arpa, err := dns.ReverseAddr(addr)
	must(l.t, err)
	return l.query(arpa, dns.TypePTR)
}

func (l *lab) query(name string, kind uint16) []string {
	l.t.Helper()
	return l.queryAt(net.JoinHostPort(l.Gateway.String(), "53"), "udp", name, kind)
}

func (l *lab) queryAt(server, network, name string, kind uint16) []string {
	l.t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	client := &dns.Client{Net: network, Timeout: 5 * time.Second}
	answer, _, err := client.ExchangeContext(l.t.Context(), m, server)
	must(l.t, err)
	var found []string
	for _, record := range answer.Answer {
		switch r := record.(type) {
		case *dns.A:
			found = append(found, r.A.String())
		case *dns.AAAA:
			found = append(found, r.AAAA.String())
		case *dns.PTR:
			found = append(found, r.Ptr)
		}
	}
	return found
}

// dhcp asks for a lease as the guest with that MAC. No answer is nil.
func (l *lab) dhcp(mac instance.MAC, modifiers ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	l.t.Helper()
	client := l.dhcpClient(mac)
	defer client.Close()
	lease, err := client.Request(l.t.Context(), modifiers...)
	if err != nil {
		return nil
	}
	return lease.ACK
}

func (l *lab) dhcpClient(mac instance.MAC) *nclient4.Client {
	l.t.Helper()
	var client *nclient4.Client
	l.inGuest(func() {
		link, err := netlink.LinkByName(l.veth)
		must(l.t, err)
		must(l.t, netlink.LinkSetHardwareAddr(link, mac[:]))
		client, err = nclient4.New(l.veth, nclient4.WithTimeout(400*time.Millisecond), nclient4.WithRetry(3))
		must(l.t, err)
	})
	return client
}

// leased is the address that the guest with that MAC gets, or "".
func (l *lab) leased(guest instance.Instance) string {
	l.t.Helper()
	ack := l.dhcp(guest.MAC)
	if ack == nil {
		return ""
	}
	return ack.YourIPAddr.String()
}

// wantServed checks that a guest has its address and its names.
func (l *lab) wantServed(guest instance.Instance) {
	l.t.Helper()
	for _, name := range instance.HostNames(guest.Hostname, l.Prefix, l.Domain, l.EntryOrder) {
		if got := l.lookup(name); !slices.Equal(got, []string{guest.IPv4.String()}) {
			l.t.Errorf("%s is %v, want %v", name, got, guest.IPv4)
		}
	}
	if got := l.leased(guest); got != guest.IPv4.String() {
		l.t.Errorf("%s got the address %q, want %v", guest.Hostname, got, guest.IPv4)
	}
}

// wantGone checks that nothing is left of a guest.
func (l *lab) wantGone(guest instance.Instance) {
	l.t.Helper()
	for _, name := range append(instance.HostNames(guest.Hostname, l.Prefix, l.Domain, l.EntryOrder), guest.Hostname+"."+l.Domain) {
		if got := l.lookup(name); got != nil {
			l.t.Errorf("%s is still %v", name, got)
		}
	}
	if got := l.reverse(guest.IPv4.String()); got != nil {
		l.t.Errorf("%v is still %v", guest.IPv4, got)
	}
	if got := l.leased(guest); got != "" {
		l.t.Errorf("%s still gets the address %s", guest.Hostname, got)
	}
}

// newGuest makes the guest with that number.
func newGuest(n int, hostname string) instance.Instance {
	id := uuid.UUID{14: byte(n >> 8), 15: byte(n)}
	id[13], id[12] = byte(n>>16), 1
	return instance.Instance{
		Network: "mds",
		UUID:    id, Name: hostname, Hostname: hostname,
		MAC:  instance.MAC{0x52, 0x54, 0, byte(n >> 16), byte(n >> 8), byte(n)},
		IPv4: netip.AddrFrom4([4]byte{10, 122, byte(1 + n>>8), byte(n)}),
	}
}

func added(guests ...instance.Instance) []instance.Event {
	var events []instance.Event
	for i := range guests {
		events = append(events, instance.Event{New: &guests[i]})
	}
	return events
}

func changed(from, to instance.Instance) []instance.Event {
	return []instance.Event{{Old: &from, New: &to}}
}

func removed(guests ...instance.Instance) []instance.Event {
	var events []instance.Event
	for i := range guests {
		events = append(events, instance.Event{Old: &guests[i]})
	}
	return events
}

// logBook keeps the log for assertions and for failed tests.
type logBook struct {
	mu      sync.Mutex
	records []slog.Record
	raw     bytes.Buffer
}

func (b *logBook) Enabled(context.Context, slog.Level) bool { return true }
func (b *logBook) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *logBook) WithGroup(string) slog.Handler            { return b }

func (b *logBook) Handle(ctx context.Context, r slog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, r)
	return slog.NewTextHandler(&b.raw, &slog.HandlerOptions{Level: slog.LevelDebug}).Handle(ctx, r)
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.raw.Write(p)
}

func (b *logBook) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.raw.String()
}
