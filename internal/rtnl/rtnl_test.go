package rtnl

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/roottest"
)

func TestMain(m *testing.M) { os.Exit(roottest.InNamespace(m)) }

func TestWhole(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []error
		want    error
		calls   int
	}{
		{"the first list is whole", []error{nil}, nil, 1},
		{"a list changes while it is sent", []error{netlink.ErrDumpInterrupted, nil}, nil, 2},
		{"other errors are final", []error{netlink.ErrDumpInterrupted, unix.EPERM, nil}, unix.EPERM, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			got, err := Whole(func() (int, error) { calls++; return calls, tt.answers[calls-1] })
			if got != tt.calls || calls != tt.calls || !errors.Is(err, tt.want) {
				t.Errorf("the list of call %d of %d, %v; want that of call %d, %v", got, calls, err, tt.calls, tt.want)
			}
		})
	}
}

// A list that changes again and again is asked for often enough, and not for ever.
func TestWholeEnds(t *testing.T) {
	for _, tt := range []struct {
		changes, calls int
		want           error
	}{{19, 20, nil}, {20, 20, netlink.ErrDumpInterrupted}, {1000, 20, netlink.ErrDumpInterrupted}} {
		calls := 0
		_, err := Whole(func() (int, error) {
			if calls++; calls <= tt.changes {
				return 0, fmt.Errorf("list: %w", netlink.ErrDumpInterrupted)
			}
			return calls, nil
		})
		if !errors.Is(err, tt.want) || calls != tt.calls {
			t.Errorf("a list that changes %d times: %v after %d calls, want %v after %d", tt.changes, err, calls, tt.want, tt.calls)
		}
	}
}

// Each host has a loopback interface with an address.
func TestLoopback(t *testing.T) {
	links, err := Links()
	loopback := slices.IndexFunc(links, func(link netlink.Link) bool { return link.Attrs().Name == "lo" })
	if err != nil || loopback < 0 {
		t.Fatalf("interfaces: %v, %v", links, err)
	}
	for family, want := range map[int]bool{netlink.FAMILY_ALL: true, netlink.FAMILY_V4: true, netlink.FAMILY_V6: false} {
		addrs, err := Addrs(family)
		if has := slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
			return a.IP.String() == "127.0.0.1" && a.LinkIndex == links[loopback].Attrs().Index
		}); err != nil || has != want {
			t.Errorf("family %d: %v, %v; has 127.0.0.1: %v, want %v", family, addrs, err, has, want)
		}
	}
}

// TestListsOfABusyHost lists the interfaces and addresses of a host with many
// bridges, while another bridge comes and goes.
func TestListsOfABusyHost(t *testing.T) {
	roottest.Need(t, "makes bridges")
	for i := range 100 {
		link := add(t, fmt.Sprintf("br%d", i), fmt.Sprintf("10.0.0.%d/32", i+1))
		defer netlink.LinkDel(link)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = netlink.LinkDel(add(t, "guest", "10.0.1.1/32"))
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	for range 40 {
		if _, err := Links(); err != nil {
			t.Fatalf("interfaces: %v", err)
		}
		if _, err := Addrs(netlink.FAMILY_ALL); err != nil {
			t.Fatalf("addresses: %v", err)
		}
	}
}

// add makes a bridge with an address.
func add(t *testing.T, name, addr string) netlink.Link {
	t.Helper()
	link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}
	prefix, err := netlink.ParseAddr(addr)
	if err := errors.Join(err, netlink.LinkAdd(link), netlink.AddrAdd(link, prefix)); err != nil {
		t.Error(err)
	}
	return link
}
