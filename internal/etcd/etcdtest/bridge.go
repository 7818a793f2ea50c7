package etcdtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"mdserver/internal/roottest"
)

// bridge has each member, and each host, in a network namespace without a name, on
// a bridge in the namespace of the test. The test needs root and should be in a namespace of
// its own; see roottest.InNamespace.
type bridge struct {
	prefix string // of all addresses, "10.1.2."
	link   *netlink.Bridge
	spaces []netns.NsHandle // of the members, then of the hosts
}

func newBridge(t testing.TB, members int) *bridge {
	t.Helper()
	roottest.Need(t, "makes network namespaces")
	id := rand.IntN(1 << 16)
	b := &bridge{prefix: fmt.Sprintf("10.%d.%d.", id>>8, id&0xff)}
	link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("etcd%04x", id)}}
	must(t, netlink.LinkAdd(link))
	t.Cleanup(func() { must(t, netlink.LinkDel(link)) })
	must(t, netlink.AddrAdd(link, b.address(254)))
	must(t, netlink.LinkSetUp(link))
	b.link = link
	for range members {
		b.addSpace(t)
	}
	return b
}

func (b *bridge) address(last int) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(b.prefix + fmt.Sprint(last)), Mask: net.CIDRMask(24, 32)}}
}

// addSpace adds a namespace and returns its number.
func (b *bridge) addSpace(t testing.TB) int {
	t.Helper()
	number := len(b.spaces)
	space := roottest.NewSpace(t)
	b.spaces = append(b.spaces, space)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("%s.%d", b.link.Name, number+1), MasterIndex: b.link.Index}, PeerName: "eth0", PeerNamespace: netlink.NsFd(space)}
	must(t, netlink.LinkAdd(veth))
	must(t, netlink.LinkSetUp(veth))
	inside, err := netlink.NewHandleAt(space)
	must(t, err)
	defer inside.Close()
	for _, name := range []string{"lo", "eth0"} {
		l, err := inside.LinkByName(name)
		must(t, err)
		must(t, inside.LinkSetUp(l))
		if name == "eth0" {
			must(t, inside.AddrAdd(l, b.address(number+1)))
		}
	}
	return number
}

func (b *bridge) addresses(_ testing.TB, n int) []string {
	var list []string
	for i := range n {
		list = append(list, b.prefix+fmt.Sprint(i+1))
	}
	return list
}

func (b *bridge) start(number int, cmd *exec.Cmd) error {
	return roottest.InSpace(b.spaces[number], cmd.Start)
}

// cut replaces the rules in a namespace.
func (b *bridge) cut(t testing.TB, number int, in, out bool) {
	t.Helper()
	rules := "table inet cut\ndelete table inet cut\ntable inet cut {\n"
	if in {
		rules += "chain in { type filter hook input priority 0; iifname eth0 drop; }\n"
	}
	if out {
		rules += "chain out { type filter hook output priority 0; oifname eth0 drop; }\n"
	}
	must(t, roottest.InSpace(b.spaces[number], func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules + "}\n")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("nft: %w: %s", err, out)
		}
		return nil
	}))
}

// mountMemory mounts a file system in memory until the end of the test.
func mountMemory(t testing.TB, dir string, size int64) {
	t.Helper()
	roottest.Need(t, "mounts a small file system")
	must(t, unix.Mount("etcdtest", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)))
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
