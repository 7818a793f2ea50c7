package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/roottest"
)

func TestMain(m *testing.M) { os.Exit(roottest.InNamespace(m)) }

// fakeHost is a host with interfaces and their addresses. A test that needs no root
// uses it in place of the kernel; TestOnThisHost does the same with the real one.
type fakeHost struct {
	links   map[string]int // their numbers
	has     map[int][]*netlink.Addr
	changes int
	broken  string // the call that fails
}

func newFakeHost() *fakeHost {
	return &fakeHost{links: map[string]int{}, has: map[int][]*netlink.Addr{}}
}

func (h *fakeHost) up(name string, index int, addrs ...string) {
	h.links[name] = index
	for _, addr := range addrs {
		h.has[index] = append(h.has[index], single(netip.MustParseAddr(addr)))
	}
}

func (h *fakeHost) down(name string) {
	delete(h.has, h.links[name])
	delete(h.links, name)
}

// String shows the interfaces that have addresses.
func (h *fakeHost) String() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(h.links)) {
		for _, addr := range h.has[h.links[name]] {
			list = append(list, name+" "+addr.IPNet.String())
		}
	}
	return strings.Join(list, ", ")
}

func (h *fakeHost) fault(call string) error {
	if h.broken == call {
		return unix.EPERM
	}
	return nil
}

func (h *fakeHost) addrs() ([]netlink.Addr, error) {
	var list []netlink.Addr
	for index, addrs := range h.has {
		for _, addr := range addrs {
			one := *addr
			one.LinkIndex = index
			list = append(list, one)
		}
	}
	return list, h.fault("addrs")
}

func (h *fakeHost) link(fits func(name string, index int) bool) (netlink.Link, error) {
	for name, index := range h.links {
		if fits(name, index) {
			return &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name, Index: index}}, nil
		}
	}
	return nil, netlink.LinkNotFoundError{}
}

func (h *fakeHost) linkByName(name string) (netlink.Link, error) {
	if err := h.fault("link " + name); err != nil {
		return nil, err
	}
	return h.link(func(n string, _ int) bool { return n == name })
}

func (h *fakeHost) linkByIndex(index int) (netlink.Link, error) {
	return h.link(func(_ string, i int) bool { return i == index })
}

func (h *fakeHost) at(link netlink.Link, addr *netlink.Addr) int {
	return slices.IndexFunc(h.has[link.Attrs().Index], func(a *netlink.Addr) bool { return a.Equal(*addr) })
}

func (h *fakeHost) add(link netlink.Link, addr *netlink.Addr) error {
	h.changes++
	if h.at(link, addr) >= 0 {
		return unix.EEXIST
	}
	if err := h.fault("add"); err != nil {
		return err
	}
	h.has[link.Attrs().Index] = append(h.has[link.Attrs().Index], addr)
	return nil
}

func (h *fakeHost) del(link netlink.Link, addr *netlink.Addr) error {
	h.changes++
	at := h.at(link, addr)
	if at < 0 {
		return unix.EADDRNOTAVAIL
	}
	if err := h.fault("del"); err != nil {
		return err
	}
	h.has[link.Attrs().Index] = slices.Delete(h.has[link.Attrs().Index], at, at+1)
	return nil
}

const (
	ipv4 = "169.254.169.254"
	ipv6 = "fd00:ec2::254"
)

func addrs(texts ...string) (list []netip.Addr) {
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

// In each case the addresses are kept on br-a or else br-b. Then something happens, and
// the Reconciler looks again, twice.
func TestReconcile(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(h *fakeHost)
		first  string // what has addresses once they were set
		happen func(h *fakeHost, r *Reconciler)
		then   string
		closed string
	}{
		"both bridges are there": {
			before: func(h *fakeHost) { h.up("br-b", 3); h.up("br-a", 2) },
			first:  "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
			then:   "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
		},
		"the first bridge comes later": {
			before: func(h *fakeHost) { h.up("br-b", 3) },
			first:  "br-b 169.254.169.254/32, br-b fd00:ec2::254/128",
			happen: func(h *fakeHost, _ *Reconciler) { h.up("br-a", 2) },
			then:   "br-b 169.254.169.254/32, br-b fd00:ec2::254/128", // it is served where it is
		},
		"no bridge is there at first": {
			before: func(h *fakeHost) { h.up("eth0", 1, "192.0.2.1") },
			first:  "eth0 192.0.2.1/32",
			happen: func(h *fakeHost, _ *Reconciler) { h.up("br-b", 3) },
			then:   "br-b 169.254.169.254/32, br-b fd00:ec2::254/128, eth0 192.0.2.1/32",
			closed: "eth0 192.0.2.1/32",
		},
		"libvirt makes the bridge again": {
			before: func(h *fakeHost) { h.up("br-a", 2) },
			first:  "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
			happen: func(h *fakeHost, _ *Reconciler) { h.down("br-a"); h.up("br-a", 7) },
			then:   "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
		},
		"the bridge goes, and the other one stays": {
			before: func(h *fakeHost) { h.up("br-a", 2); h.up("br-b", 3) },
			first:  "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
			happen: func(h *fakeHost, _ *Reconciler) { h.down("br-a") },
			then:   "br-b 169.254.169.254/32, br-b fd00:ec2::254/128",
		},
		"its number is another interface's later": {
			before: func(h *fakeHost) { h.up("br-a", 2) },
			first:  "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
			happen: func(h *fakeHost, r *Reconciler) { h.down("br-a"); r.check(); h.up("eth0", 2, ipv4, ipv6) },
			then:   "eth0 169.254.169.254/32, eth0 fd00:ec2::254/128",
			closed: "eth0 169.254.169.254/32, eth0 fd00:ec2::254/128",
		},
		"the bridge goes, and then the addresses": {
			before: func(h *fakeHost) { h.up("br-a", 2) },
			first:  "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
			happen: func(h *fakeHost, r *Reconciler) { h.down("br-a"); r.Set([]string{"br-b"}, nil) },
		},
		"somebody removes an address": {
			before: func(h *fakeHost) { h.up("br-a", 2) },
			first:  "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
			happen: func(h *fakeHost, _ *Reconciler) { h.has[2] = h.has[2][1:] },
			then:   "br-a fd00:ec2::254/128, br-a 169.254.169.254/32",
		},
		"another interface has an address": {
			before: func(h *fakeHost) { h.up("br-a", 2); h.up("eth0", 1, ipv4) },
			first:  "br-a fd00:ec2::254/128, eth0 169.254.169.254/32",
			then:   "br-a fd00:ec2::254/128, eth0 169.254.169.254/32",
			closed: "eth0 169.254.169.254/32", // what is not ours stays
		},
		"the bridge has an address already": {
			before: func(h *fakeHost) { h.up("br-a", 2, ipv4, ipv6) },
			first:  "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
			then:   "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
			closed: "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
		},
		"another interface gets the address later": {
			before: func(h *fakeHost) { h.up("br-a", 2) },
			first:  "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
			happen: func(h *fakeHost, _ *Reconciler) { h.up("eth0", 1, ipv4) },
			then:   "br-a fd00:ec2::254/128, eth0 169.254.169.254/32",
			closed: "eth0 169.254.169.254/32",
		},
		"the other interface loses it again": {
			before: func(h *fakeHost) { h.up("br-a", 2); h.up("eth0", 1, ipv4) },
			first:  "br-a fd00:ec2::254/128, eth0 169.254.169.254/32",
			happen: func(h *fakeHost, _ *Reconciler) { h.has[1] = nil },
			then:   "br-a fd00:ec2::254/128, br-a 169.254.169.254/32",
		},
		"an address is kept no longer": {
			before: func(h *fakeHost) { h.up("br-a", 2) },
			first:  "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
			happen: func(_ *fakeHost, r *Reconciler) { r.Set([]string{"br-a", "br-b"}, addrs(ipv6)) },
			then:   "br-a fd00:ec2::254/128",
		},
		"the bridge is a network's no longer": {
			before: func(h *fakeHost) { h.up("br-a", 2); h.up("br-b", 3) },
			first:  "br-a 169.254.169.254/32, br-a fd00:ec2::254/128",
			happen: func(_ *fakeHost, r *Reconciler) { r.Set([]string{"br-b"}, addrs(ipv4, ipv6)) },
			then:   "br-b 169.254.169.254/32, br-b fd00:ec2::254/128",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			h := newFakeHost()
			tt.before(h)
			r := newReconciler(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})), h)
			r.Set([]string{"br-a", "br-b"}, addrs(ipv4, ipv6))
			if got := h.String(); got != tt.first {
				t.Errorf("at first: %s, want %s", got, tt.first)
			}
			if tt.happen != nil {
				tt.happen(h, r)
				r.check()
			}
			if got := h.String(); got != tt.then {
				t.Errorf("then: %s, want %s", got, tt.then)
			}
			changes := h.changes
			if r.check(); h.changes != changes {
				t.Error("it changes something again, although nothing has happened")
			}
			if err := r.Close(); err != nil || h.String() != tt.closed {
				t.Errorf("closed: %s, %v, want %s", h, err, tt.closed)
			}
			if log.Len() > 0 {
				t.Errorf("it complains: %s", &log)
			}
		})
	}
}

// An address is added or removed before Set returns, not at the next look.
func TestSetDoesItAtOnce(t *testing.T) {
	h := newFakeHost()
	h.up("br-a", 2)
	h.up("br-b", 3)
	r := newReconciler(slog.New(slog.DiscardHandler), h)
	for _, tt := range []struct {
		bridges []string
		addrs   []netip.Addr
		want    string
	}{
		{[]string{"br-a", "br-b"}, addrs(ipv4), "br-a 169.254.169.254/32"},
		{[]string{"br-b"}, addrs(ipv4), "br-b 169.254.169.254/32"},
		{[]string{"br-b", "br-a"}, addrs(ipv6), "br-b fd00:ec2::254/128"},
		{nil, addrs(ipv6), ""},
		{[]string{"br-a"}, nil, ""},
	} {
		if r.Set(tt.bridges, tt.addrs); h.String() != tt.want {
			t.Errorf("%v on %q: %s, want %s", tt.addrs, tt.bridges, h, tt.want)
		}
	}
}

// An IPv6 address is usable at once: nothing else on the link can have it.
func TestSingle(t *testing.T) {
	if a := single(netip.MustParseAddr(ipv6)); a.Flags != unix.IFA_F_NODAD || a.IPNet.String() != ipv6+"/128" {
		t.Errorf("%v with flags %#x", a, a.Flags)
	}
	if a := single(netip.MustParseAddr(ipv4)); a.Flags != 0 || a.IPNet.String() != ipv4+"/32" {
		t.Errorf("%v with flags %#x", a, a.Flags)
	}
}

// blindHost is a host on which an address comes or goes just after it was looked at.
type blindHost struct{ *fakeHost }

func (blindHost) addrs() ([]netlink.Addr, error) { return nil, nil }

// Nothing is wrong if somebody else was faster.
func TestChangesMeanwhile(t *testing.T) {
	var log strings.Builder
	h := newFakeHost()
	h.up("br-a", 2, ipv4)
	r := newReconciler(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})), blindHost{h})
	r.Set([]string{"br-a"}, addrs(ipv4))
	h.has[2] = nil
	if err := r.Close(); err != nil || log.Len() > 0 {
		t.Errorf("%v, logged: %s", err, &log)
	}
}

func TestHolders(t *testing.T) {
	there := []netlink.Addr{
		{IPNet: netlink.NewIPNet(net.ParseIP(ipv4)), LinkIndex: 2}, // in 16 bytes
		{IPNet: netlink.NewIPNet(net.ParseIP(ipv4).To4()), LinkIndex: 3},
		{IPNet: netlink.NewIPNet(net.ParseIP(ipv6)), LinkIndex: 4},
		{IPNet: &net.IPNet{}, LinkIndex: 5},
	}
	for addr, want := range map[string][]int{ipv4: {2, 3}, ipv6: {4}, "fd00::1": nil} {
		if got := holders(there, netip.MustParseAddr(addr)); !slices.Equal(got, want) {
			t.Errorf("%s is on %d, want %d", addr, got, want)
		}
	}
}

// What goes wrong is said once, says what, and stops nothing else.
func TestFaults(t *testing.T) {
	for broken, tt := range map[string]struct{ err, has string }{
		"addrs":     {"addresses of this host: operation not permitted", "br-a fd00:ec2::254/128"},
		"link br-a": {"interface br-a: operation not permitted", "br-a fd00:ec2::254/128"},
		"add":       {"adding 169.254.169.254 to br-a: operation not permitted", "br-a fd00:ec2::254/128"},
		"del":       {"removing fd00:ec2::254 from br-a: operation not permitted", "br-a fd00:ec2::254/128, br-a 169.254.169.254/32"},
	} {
		var log strings.Builder
		h := newFakeHost()
		h.up("br-a", 2)
		r := newReconciler(slog.New(slog.NewTextHandler(&log, nil)), h)
		r.Set([]string{"br-a"}, addrs(ipv6))
		if !strings.Contains(log.String(), "level=INFO msg=\"added an address to a bridge\" address=fd00:ec2::254 bridge=br-a") {
			t.Errorf("logged: %s", &log)
		}
		log.Reset()
		h.broken = broken
		want := addrs(ipv6, ipv4)
		if broken == "del" {
			want = addrs(ipv4)
		}
		r.Set([]string{"br-a"}, want)
		r.check()
		if broken != "del" && strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), fmt.Sprintf("error=%q", tt.err)) {
			t.Errorf("%s: logged\n%s, want once %s", broken, &log, tt.err)
		}
		if h.String() != tt.has {
			t.Errorf("%s: %s, want %s", broken, h, tt.has)
		}
		h.broken = ""
		if r.check(); !strings.Contains(h.String(), "br-a 169.254.169.254/32") {
			t.Errorf("%s, repaired: %s", broken, h)
		}
	}
}

// A fault of one address does not keep the other one from its place.
func TestFaultOfOneAddress(t *testing.T) {
	h := newFakeHost()
	h.up("br-b", 3)
	h.broken = "link br-a"
	r := newReconciler(slog.New(slog.DiscardHandler), h)
	r.mu.Lock()
	r.bridges, r.addrs = []string{"br-a", "br-b"}, addrs(ipv4, ipv6)
	err := r.reconcile()
	r.mu.Unlock()
	if want := "interface br-a: operation not permitted"; err == nil || err.Error() != want+"\n"+want {
		t.Errorf("%v, want the same for both addresses", err)
	}
}

// The addresses are looked at every two seconds until the context ends, and stay then.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHost()
		r := newReconciler(slog.New(slog.DiscardHandler), h)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		r.Set([]string{"br-a"}, addrs(ipv4))
		h.up("br-a", 2)
		for after, want := range []string{"", "br-a 169.254.169.254/32"} {
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			r.mu.Lock()
			if got := h.String(); got != want {
				t.Errorf("look %d: %q, want %q", after, got, want)
			}
			r.mu.Unlock()
		}
		cancel()
		<-done
		if h.String() != "br-a 169.254.169.254/32" {
			t.Errorf("after its end: %q", h)
		}
	})
}

func TestMaster(t *testing.T) {
	for name, want := range map[string]bool{"lo": true, "nothing-there": false} {
		if master, there, err := Master(name); master != "" || there != want || err != nil {
			t.Errorf("%s is in %q, there: %v, %v", name, master, there, err)
		}
	}
}

// The kernel does as the tests above suppose.
func TestOnThisHost(t *testing.T) {
	roottest.Need(t, "makes bridges")
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-test"}}
	port := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "port"}, PeerName: "peer"}
	for _, link := range []netlink.Link{bridge, port} {
		if err := netlink.LinkAdd(link); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = netlink.LinkDel(link) }()
	}
	if err := netlink.LinkSetMaster(port, bridge); err != nil {
		t.Fatal(err)
	}
	if master, there, err := Master("port"); master != "br-test" || !there || err != nil {
		t.Errorf("port is in %q, there: %v, %v", master, there, err)
	}
	var log strings.Builder
	r := New(slog.New(slog.NewTextHandler(&log, nil)))
	has := func() (texts []string) {
		list, err := netlink.AddrList(bridge, netlink.FAMILY_ALL)
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range list {
			texts = append(texts, addr.IPNet.String())
		}
		return texts
	}
	r.Set([]string{"nothing-there", "br-test"}, addrs(ipv4, ipv6))
	r.check()
	if got := has(); !slices.Equal(got, []string{ipv4 + "/32", ipv6 + "/128"}) {
		t.Errorf("the bridge has %q; logged: %s", got, &log)
	}
	if err := r.Close(); err != nil || len(has()) != 0 {
		t.Errorf("closed, the bridge has %q, %v", has(), err)
	}
}
