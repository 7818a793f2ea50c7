// Command ports measures what port security costs: packets a second from one
// guest to another through a bridge, without it and with the rules of 4, 100 and
// 1,000 guests, in turn and many times over. Two guests are on taps, as those of
// QEMU, and two are network namespaces on veth pairs, which is the shortest way
// that a packet can take. It needs root and makes network namespaces of its own,
// which end with it.
//
// It prints the upper quartile of the rates and the lower one of the costs: what
// others do on the machine only ever makes a slice slower.
//
//	go run ./bench/ports [-rounds 15] [-slice 300ms]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"mdserver/internal/instance"
	"mdserver/internal/portsecurity"
)

const (
	inNamespace = "MDSERVER_BENCH_NAMESPACE"
	bridge      = "br-bench"
	batch       = 64
)

var (
	rounds = flag.Int("rounds", 15, "how often each is measured")
	slice  = flag.Duration("slice", 300*time.Millisecond, "how long each time")
)

func main() {
	flag.Parse()
	work := measure
	if os.Getenv(inNamespace) == "" {
		work = again
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "ports:", err)
		os.Exit(1)
	}
}

// again runs this program in a network namespace of its own.
func again() error {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig goes by the thread
	return cmd.Run()
}

// guests are the rules' subjects; the first four are there.
func guests(n int) []*instance.Instance {
	var all []*instance.Instance
	for i := range n {
		mac := macOf(i)
		all = append(all, &instance.Instance{
			Name: fmt.Sprint("guest", i), UUID: uuid.New(), Network: "bench", MAC: mac, IPv4: addr4(i), IPv6: addr6(i),
			Interfaces: []instance.Interface{{MAC: mac, Network: "bench", Bridge: bridge, Target: fmt.Sprint("vnet", i)}},
		})
	}
	return all
}

func macOf(i int) instance.MAC { return instance.MAC{0x52, 0x54, 0, 0, byte(i >> 8), byte(i)} }
func addr4(i int) netip.Addr   { return netip.AddrFrom4([4]byte{10, 9, byte(1 + i>>8), byte(1 + i%250)}) }
func addr6(i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfd, 14: byte(1 + i>>8), 15: byte(i)})
}

type setup struct {
	name   string
	guests int // 0 for no port security
}

func measure() error {
	if err := build(); err != nil {
		return err
	}
	setups := []setup{{"without", 0}, {"4 guests", 4}, {"100 guests", 100}, {"1,000 guests", 1000}}
	for _, load := range []struct {
		name string
		open func() (load, error)
	}{
		{"UDP by taps, 64 bytes", func() (load, error) { return newTaps(64) }},
		{"UDP by taps, 1,400 bytes", func() (load, error) { return newTaps(1400) }},
		{"UDP, 64 bytes", func() (load, error) { return newFlood("udp4", 64) }},
		{"UDP by IPv6, 64 bytes", func() (load, error) { return newFlood("udp6", 64) }},
		{"UDP, 1,400 bytes", func() (load, error) { return newFlood("udp4", 1400) }},
		{"TCP, a stream in packets of 1,448 bytes", newStream},
	} {
		l, err := load.open()
		if err != nil {
			return err
		}
		if err := compare(load.name, l, setups); err != nil {
			return err
		}
		l.close()
	}
	return nil
}

// load is traffic from the first guest to the second. slice lets it flow for a
// while, and gives the packets a second that came out of the bridge and the CPU
// time that each took, in nanoseconds.
type load interface {
	slice() (rate, cost float64, err error)
	close()
}

// compare measures a load with each setup in turn.
func compare(name string, l load, setups []setup) error {
	rates, costs := make([][]float64, len(setups)), make([][]float64, len(setups))
	for range *rounds {
		for i, s := range setups {
			if err := enforce(s.guests); err != nil {
				return err
			}
			rate, cost, err := l.slice()
			if err != nil {
				return fmt.Errorf("%s, %s: %w", name, s.name, err)
			}
			rates[i], costs[i] = append(rates[i], rate), append(costs[i], cost)
		}
	}
	report(name, setups, rates, costs)
	return nil
}

func report(kind string, setups []setup, rates, costs [][]float64) {
	fmt.Printf("%s: quartile of %d slices of %s\n", kind, *rounds, *slice)
	for i, s := range setups {
		rate, cost := quantile(rates[i], 0.75), quantile(costs[i], 0.25)
		fmt.Printf("  %-13s %9.0f packets/s %+5.1f %%  %5.0f ns of CPU a packet %+5.1f %%\n",
			s.name, rate, 100*(rate/quantile(rates[0], 0.75)-1), cost, 100*(cost/quantile(costs[0], 0.25)-1))
	}
}

func quantile(list []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// enforce puts rules for n guests in place, or takes them away.
func enforce(n int) error {
	all := guests(n)
	k := portsecurity.New(func() []*instance.Instance { return all }, slog.New(slog.NewTextHandler(io.Discard, nil)))
	defer k.Close()
	k.Set([]instance.Network{{Name: "bench", Bridge: bridge, Gateway4: netip.MustParseAddr("10.9.0.1"), PortSecurity: n > 0}})
	if s := k.Status("bench"); n > 0 && (s.Guests != n || s.Trouble != "") {
		return fmt.Errorf("port security for %d guests: %+v", n, s)
	}
	return nil
}

// build makes the bridge and two guests on it, each in a namespace of its own.
func build() error {
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridge}}
	if err := errors.Join(netlink.LinkAdd(br), netlink.LinkSetUp(br)); err != nil {
		return err
	}
	for i := range 2 {
		ns, err := newNamespace()
		if err != nil {
			return err
		}
		spaces[i] = ns
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprint("vnet", i), MasterIndex: br.Index},
			PeerName: "eth0", PeerHardwareAddr: hw(i), PeerNamespace: netlink.NsFd(ns)}
		err = errors.Join(netlink.LinkAdd(veth), netlink.LinkSetUp(veth), within(ns, func() error { return configure(i) }))
		if err != nil {
			return err
		}
	}
	return nil
}

var spaces [2]netns.NsHandle

func hw(i int) net.HardwareAddr { mac := macOf(i); return net.HardwareAddr(mac[:]) }

// configure gives a guest its addresses, and those of its peer.
func configure(i int) error {
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	errs := []error{netlink.LinkSetUp(eth0)}
	for _, a := range []func(int) netip.Addr{addr4, addr6} {
		own, other := a(i), a(1-i)
		prefix := &net.IPNet{IP: own.AsSlice(), Mask: net.CIDRMask(own.BitLen()-16, own.BitLen())}
		errs = append(errs, netlink.AddrAdd(eth0, &netlink.Addr{IPNet: prefix, Flags: unix.IFA_F_NODAD}),
			netlink.NeighSet(&netlink.Neigh{LinkIndex: eth0.Attrs().Index, IP: other.AsSlice(), HardwareAddr: hw(1 - i), State: netlink.NUD_PERMANENT}))
	}
	return errors.Join(errs...)
}

func newNamespace() (netns.NsHandle, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return 0, err
	}
	defer home.Close()
	ns, err := netns.New()
	return ns, errors.Join(err, netns.Set(home))
}

func within(ns netns.NsHandle, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	if err := netns.Set(ns); err != nil {
		return err
	}
	return errors.Join(f(), netns.Set(home))
}

// flood sends from the first guest to the second.
type flood struct {
	conn   *net.UDPConn
	sink   *net.UDPConn
	sender *ipv4.PacketConn // of either family: it only batches
	msgs   []ipv4.Message
	out    netlink.Link
}

func newFlood(family string, size int) (load, error) {
	address := addr4
	if family == "udp6" {
		address = addr6
	}
	f := &flood{}
	target := net.UDPAddrFromAddrPort(netip.AddrPortFrom(address(1), 5001))
	err := within(spaces[1], func() (err error) {
		f.sink, err = net.ListenUDP(family, target) // which keeps nothing, but answers no errors
		return err
	})
	if err != nil {
		return nil, err
	}
	err = within(spaces[0], func() (err error) {
		f.conn, err = net.DialUDP(family, nil, target)
		return err
	})
	if err != nil {
		return nil, err
	}
	f.sender = ipv4.NewPacketConn(f.conn)
	for range batch {
		f.msgs = append(f.msgs, ipv4.Message{Buffers: [][]byte{make([]byte, size)}})
	}
	f.out, err = netlink.LinkByName("vnet1")
	return f, err
}

func (f *flood) close() { _ = f.conn.Close(); _ = f.sink.Close() }

// slice counts the sender's time alone: the kernel carries a packet all the way
// on it.
func (f *flood) slice() (rate, cost float64, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := f.sent()
	if err != nil {
		return 0, 0, err
	}
	began, cpu := time.Now(), threadTime()
	for time.Since(began) < *slice {
		for range 16 {
			if _, err := f.sender.WriteBatch(f.msgs, 0); err != nil {
				return 0, 0, err
			}
		}
	}
	took, spent := time.Since(began), threadTime()-cpu
	after, err := f.sent()
	if err != nil || after == before {
		return 0, 0, errors.Join(err, errors.New("no packet came through, take longer slices"))
	}
	n := float64(after - before)
	return n / took.Seconds(), float64(spent.Nanoseconds()) / n, nil
}

func (f *flood) sent() (uint64, error) {
	link, err := netlink.LinkByIndex(f.out.Attrs().Index)
	if err != nil {
		return 0, err
	}
	return link.Attrs().Statistics.TxPackets, nil
}

func threadTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}
