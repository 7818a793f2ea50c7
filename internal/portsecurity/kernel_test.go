package portsecurity

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"mdserver/internal/roottest"
)

// newBridge makes a bridge that goes with the test.
func newBridge(t *testing.T) *netlink.Bridge {
	t.Helper()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-test"}}
	must(t, netlink.LinkAdd(bridge))
	t.Cleanup(func() { _ = netlink.LinkDel(bridge) })
	return bridge
}

// The kernel's bridge learns nothing from control frames once it is closed, and learns
// from them again when it is opened.
func TestBridgeThatLearnsNothing(t *testing.T) {
	roottest.Need(t, "makes a bridge")
	bridge, k := newBridge(t), thisHost()
	for _, learn := range []bool{true, false, true} {
		must(t, k.learn(uint32(bridge.Index), learn))
		if got := options(t, bridge.Index)&noLinkLocalLearn == 0; got != learn {
			t.Errorf("it learns: %v, want %v", got, learn)
		}
	}
	if err := k.learn(uint32(bridge.Index)+1000, false); err == nil {
		t.Error("a bridge that is not there is closed")
	}
}

// options reads the options of a bridge that are one bit each.
func options(t *testing.T, bridge int) uint32 {
	t.Helper()
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = int32(bridge)
	request.AddData(message)
	answers, err := request.Execute(unix.NETLINK_ROUTE, 0)
	must(t, err)
	attribute := answers[0][unix.SizeofIfInfomsg:]
	for _, kind := range []uint16{unix.IFLA_LINKINFO, nl.IFLA_INFO_DATA, iflaBridgeOptions} {
		inner, err := nl.ParseRouteAttr(attribute)
		must(t, err)
		i := slices.IndexFunc(inner, func(a syscall.NetlinkRouteAttr) bool { return a.Attr.Type&nl.NLA_TYPE_MASK == kind })
		if i < 0 {
			t.Fatalf("the kernel tells no attribute %d of a bridge", kind)
		}
		attribute = inner[i].Value
	}
	return binary.NativeEndian.Uint32(attribute)
}

// The kernel tells of new addresses of both families, which no port may claim from then on.
func TestWatchAddresses(t *testing.T) {
	roottest.Need(t, "makes a bridge")
	bridge := newBridge(t)
	stirred := make(chan struct{}, 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- watch(ctx, func() {
			select {
			case stirred <- struct{}{}:
			default:
			}
		})
	}()
	heard := func(wait time.Duration) bool {
		select {
		case <-stirred:
			return true
		case <-time.After(wait):
			return false
		}
	}
	for _, text := range []string{"10.122.0.1", "fd00:122::1"} {
		addr := netip.MustParseAddr(text)
		at := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}}
		told := false
		for range 50 { // it may not listen yet
			for heard(20 * time.Millisecond) { // of what was before
			}
			must(t, netlink.AddrAdd(bridge, at))
			host, err := look()
			must(t, err)
			if !slices.Contains(host.Addrs["br-test"], addr) {
				t.Fatalf("the bridge has %v, and not %s", host.Addrs["br-test"], addr)
			}
			if told = heard(100 * time.Millisecond); told {
				break
			}
			must(t, netlink.AddrDel(bridge, at))
		}
		if !told {
			t.Errorf("nothing is told of %s", addr)
		}
	}
	stop()
	if err := <-ended; err == nil {
		t.Error("it ends without an error")
	}
}
