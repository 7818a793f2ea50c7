package portsecurity

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"mdserver/internal/instance"
)

const (
	inNamespace = "MDSERVER_TEST_NAMESPACE"
	skipRoot    = "MDSERVER_SKIP_ROOT_TESTS"
)

// TestMain runs the tests in a network namespace of their own, whose tables are
// theirs.
func TestMain(m *testing.M) {
	if os.Geteuid() == 0 && os.Getenv(inNamespace) == "" {
		os.Exit(again())
	}
	os.Exit(m.Run())
}

func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig goes by the thread
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "cannot make a network namespace:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv(skipRoot) == "1" {
		t.Skip(skipRoot + "=1")
	}
	t.Fatalf("this test makes nftables tables in a network namespace and needs root; %s=1 skips it", skipRoot)
}

func nft(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("nft", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("nft %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func newTestTable(t testing.TB) *table {
	t.Helper()
	needRoot(t)
	made, err := newTable()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = Remove() })
	return made
}

func apply(t testing.TB, table *table, guests ...*instance.Instance) {
	t.Helper()
	if err := table.apply(Make([]instance.Network{mds}, guests, hostOf()).contents()); err != nil {
		t.Fatal(err)
	}
}

// The kernel takes all of it, and nft shows what was meant.
func TestTable(t *testing.T) {
	table := newTestTable(t)
	apply(t, table, guestN(1, "vnet1", "allowed_addresses", "10.122.0.200, 172.17.0.0/16, 2001:db8::/64"), guestN(2, "vnet2", "port_security", "off"))
	shown := nft(t, "list", "table", "bridge", TableName)
	for _, want := range []string{
		"iifname vmap @ports", `"vnet1" : goto guest`, `"vnet2" : goto other`,
		`"vnet1" . 52:54:00:00:00:01 . 10.122.0.11`, `"vnet1" . 172.17.0.0/16`, `"vnet1" . 2001:db8::/64`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("nft does not show %s:\n%s", want, shown)
		}
	}
}

// An update changes what differs, and leaves the counters of others as they are.
func TestUpdate(t *testing.T) {
	table := newTestTable(t)
	apply(t, table, guestN(1, "vnet1"), guestN(2, "vnet2"))
	before := table.handles
	apply(t, table, guestN(1, "vnet1"), guestN(3, "vnet3"), guestN(2, "vnet2", "port_security", "off"))
	if table.handles != before {
		t.Error("the rules were made again")
	}
	list := nft(t, "list", "map", "bridge", TableName, setPorts)
	for _, want := range []string{`"vnet1" : goto guest`, `"vnet2" : goto other`, `"vnet3" : goto guest`} {
		if !strings.Contains(list, want) {
			t.Errorf("%s is missing in %s", want, list)
		}
	}
	apply(t, table, guestN(3, "vnet3"))
	if list := nft(t, "list", "table", "bridge", TableName); strings.Contains(list, "vnet1") {
		t.Errorf("vnet1 is still there:\n%s", list)
	}
}

func TestIntact(t *testing.T) {
	table := newTestTable(t)
	for _, how := range []string{
		"", "delete table bridge mdserver", "flush chain bridge mdserver guest_arp", "flush set bridge mdserver macs",
		"add element bridge mdserver allowed4 { \"vnet1\" . 10.0.0.0/8 }", "add rule bridge mdserver prerouting accept",
		"delete element bridge mdserver ports { \"vnet1\" }; add element bridge mdserver ports { \"vnet1\" : goto other }",
	} {
		apply(t, table, guestN(1, "vnet1"))
		if how != "" {
			nft(t, how)
		}
		intact, err := table.intact()
		if err != nil || intact != (how == "") {
			t.Errorf("after %q it is intact: %v, %v", how, intact, err)
		}
		table.now = nil
	}
}

// What is there already is replaced, whatever it is; others' tables stay.
func TestReplaceAndRemove(t *testing.T) {
	table := newTestTable(t)
	nft(t, "add table bridge others { set s { type ifname; }; }; add table bridge mdserver { set macs { type ifname; }; chain old { drop; }; }")
	apply(t, table, guestN(1, "vnet1"))
	if list := nft(t, "list", "table", "bridge", TableName); strings.Contains(list, "chain old") {
		t.Error("the table has what it had before")
	}
	for _, want := range []bool{true, false} {
		if removed, err := Remove(); err != nil || removed != want {
			t.Errorf("removed: %v, %v", removed, err)
		}
	}
	if list := nft(t, "list", "tables"); strings.TrimSpace(list) != "table bridge others" {
		t.Errorf("tables are\n%s", list)
	}
	nft(t, "delete table bridge others")
}

// A Keeper follows guests and interfaces, and puts the table back.
func TestKeeper(t *testing.T) {
	needRoot(t)
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-mds"}}
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "vnet5"}, Mode: netlink.TUNTAP_MODE_TAP}
	if err := netlink.LinkAdd(bridge); err != nil {
		t.Fatal(err)
	}
	defer netlink.LinkDel(bridge)
	guests := []*instance.Instance{guestN(1, "vnet1")}
	k := New(func() []*instance.Instance { return guests }, slog.New(slog.NewTextHandler(io.Discard, nil)))
	defer k.Close()
	k.Set([]instance.Network{mds})
	expect := func(what string, want Status) {
		t.Helper()
		var s Status
		for range 100 {
			if s = k.Status("mds"); s.On == want.On && s.Guests == want.Guests && s.Strangers == want.Strangers && s.Trouble == "" {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("%s: %+v, want %+v", what, s, want)
	}
	expect("one guest", Status{On: true, Guests: 1})
	if err := errors.Join(netlink.LinkAdd(tap), netlink.LinkSetMaster(tap, bridge)); err != nil {
		t.Fatal(err)
	}
	defer netlink.LinkDel(tap)
	expect("a tap", Status{On: true, Guests: 1, Strangers: 1})
	nft(t, "flush ruleset")
	for range 100 {
		if strings.Contains(nft(t, "list", "tables"), TableName) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if list := nft(t, "list", "table", "bridge", TableName); !strings.Contains(list, `"vnet1" : goto guest`) {
		t.Errorf("it is not as it was:\n%s", list)
	}
	k.Set(nil)
	expect("turned off", Status{})
	if list := nft(t, "list", "tables"); strings.Contains(list, TableName) {
		t.Errorf("tables are\n%s", list)
	}
}

// many are guests at as many ports.
func many(n int) []*instance.Instance {
	var all []*instance.Instance
	for i := range n {
		guest := guestN(byte(i), fmt.Sprint("vnet", i))
		mac := instance.MAC{0x52, 0x54, 0, 1, byte(i >> 8), byte(i)}
		guest.UUID[0], guest.UUID[1], guest.MAC = byte(i>>8), 1, mac
		guest.IPv4, guest.Interfaces[0].MAC = netip.AddrFrom4([4]byte{10, 122, byte(1 + i>>8), byte(i)}), mac
		guest.IPv6 = netip.AddrFrom16([16]byte{0: 0xfd, 14: byte(1 + i>>8), 15: byte(i)})
		all = append(all, guest)
	}
	return all
}

// The time of a whole table, and of one guest more, with 1,000 guests.
func BenchmarkTable(b *testing.B) {
	table := newTestTable(b)
	guests := many(1000)
	host := hostOf()
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			if err := table.replace(Make([]instance.Network{mds}, guests, host).contents()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("one guest", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if err := table.apply(Make([]instance.Network{mds}, guests[i%2:], host).contents()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if intact, err := table.intact(); !intact || err != nil {
				b.Fatal(intact, err)
			}
		}
	})
}
