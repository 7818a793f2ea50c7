// Command ports measures what port security costs: packets a second from one
// guest to another through a bridge. It compares a bridge without rules, one with
// a table that has only an empty chain, and the rules of 4, 100 and 1,000 guests.
// Two guests are taps, as those of QEMU. Two are network namespaces on veth
// pairs, the shortest way that a packet can take. It needs root and makes network
// namespaces of its own, which end with it.
//
// Short slices of all setups alternate, on one processor and at a high priority.
// A slice is compared with the slice without rules of the same round, so that slow
// changes of the machine's speed cancel out. The median of the rounds is printed,
// with the middle half in brackets.
//
//	go run ./bench/ports [-rounds 31] [-slice 100ms] [-load tap]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/nftables"
	"github.com/google/uuid"
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
	rounds = flag.Int("rounds", 31, "how often each is measured")
	slice  = flag.Duration("slice", 100*time.Millisecond, "how long each time")
	only   = flag.String("load", "", "measure the loads whose name has this text")
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
	runtime.LockOSThread() // Pdeathsig and pin go by the thread
	if err := pin(); err != nil {
		return err
	}
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
func addr4(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 9, byte(1 + i/250), byte(1 + i%250)})
}
func addr6(i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfd, 14: byte(1 + i>>8), 15: byte(i)})
}

// setup is what a load is measured with.
type setup struct {
	name   string
	guests int // 0 for no port security
	empty  bool
}

var setups = []setup{
	{name: "no rules"}, {name: "empty chain", empty: true},
	{name: "4 guests", guests: 4}, {name: "100 guests", guests: 100}, {name: "1,000 guests", guests: 1000},
}

func measure() error {
	if err := build(); err != nil {
		return err
	}
	for _, kind := range []struct {
		name string
		open func() (load, error)
	}{
		{"tap to tap: UDP, 64 bytes", func() (load, error) { return newTaps(64) }},
		{"tap to tap: UDP, 1,400 bytes", func() (load, error) { return newTaps(1400) }},
		{"veth to veth: UDP, 64 bytes", func() (load, error) { return newFlood("udp4", 64) }},
		{"veth to veth: UDP by IPv6, 64 bytes", func() (load, error) { return newFlood("udp6", 64) }},
		{"veth to veth: UDP, 1,400 bytes", func() (load, error) { return newFlood("udp4", 1400) }},
		{"veth to veth: TCP, a stream in packets of 1,448 bytes", newStream},
	} {
		if !strings.Contains(kind.name, *only) {
			continue
		}
		l, err := kind.open()
		if err != nil {
			return err
		}
		err = compare(kind.name, l)
		l.close()
		if err != nil {
			return err
		}
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

// compare measures a load with each setup in turn. Each round begins with another.
func compare(name string, l load) error {
	rates, costs := make([][]float64, len(setups)), make([][]float64, len(setups))
	for round := range *rounds {
		for i := range setups {
			i = (i + round) % len(setups)
			rate, cost, err := measureOnce(l, setups[i])
			if err != nil {
				return fmt.Errorf("%s, %s: %w", name, setups[i].name, err)
			}
			rates[i], costs[i] = append(rates[i], rate), append(costs[i], cost)
		}
	}
	fmt.Printf("%s: medians of %d slices of %s\n", name, *rounds, *slice)
	for i, s := range setups {
		fmt.Printf("  %-12s %8.0f packets/s %-24s %5.0f ns of CPU a packet %s\n", s.name,
			quantile(rates[i], 0.5), change(rates[i], rates[0]), quantile(costs[i], 0.5), change(costs[i], costs[0]))
	}
	return nil
}

// settle is how long the kernel has to free the rules that were there before.
const settle = 20 * time.Millisecond

func measureOnce(l load, s setup) (rate, cost float64, err error) {
	if err := enforce(s.guests); err != nil {
		return 0, 0, err
	}
	if s.empty {
		remove, err := emptyChain()
		if err != nil {
			return 0, 0, err
		}
		defer remove()
	}
	runtime.GC()
	time.Sleep(settle)
	return l.slice()
}

// change gives the median and the middle half of the rounds' changes.
func change(values, base []float64) string {
	percents := make([]float64, len(values))
	for i := range values {
		percents[i] = 100 * (values[i]/base[i] - 1)
	}
	return fmt.Sprintf("%+5.1f %% (%+.1f to %+.1f)", quantile(percents, 0.5), quantile(percents, 0.25), quantile(percents, 0.75))
}

func quantile(list []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// enforce puts rules for n guests in place, or takes them away.
func enforce(n int) error {
	all := guests(n)
	k := portsecurity.New("", func() []*instance.Instance { return all }, slog.New(slog.NewTextHandler(io.Discard, nil)))
	k.Set([]instance.Network{{Name: "bench", Bridge: bridge, Gateway4: netip.MustParseAddr("10.9.0.1"), PortSecurity: n > 0}})
	if s := k.Status("bench"); n > 0 && (s.Guests != n || s.Trouble != "") {
		return fmt.Errorf("port security for %d guests: %+v", n, s)
	}
	return nil
}

// emptyChain makes a chain without rules where port security's is, which shows
// what nftables alone costs. It returns what takes it away again.
func emptyChain() (remove func(), err error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, err
	}
	table := conn.AddTable(&nftables.Table{Name: "bench", Family: nftables.TableFamilyBridge})
	conn.AddChain(&nftables.Chain{Name: "prerouting", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityFilter})
	return func() { conn.DelTable(table); _ = conn.Flush() }, conn.Flush()
}

// pin keeps the calling thread, and what it starts, on one processor and before
// others.
func pin() error {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	for cpu := range 1024 {
		if all.IsSet(cpu) {
			one.Zero()
			one.Set(cpu) // the last one: interrupts are mostly the first's
		}
	}
	return errors.Join(unix.SchedSetaffinity(0, &one), unix.Setpriority(unix.PRIO_PROCESS, 0, -20))
}
