package portsecurity

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/porttest"
	"mdserver/internal/portsecurity/table"
	"mdserver/internal/roottest"
)

func TestMain(m *testing.M) { os.Exit(roottest.InNamespace(m)) }

// A Reconciler follows guests and interfaces, and puts the table back.
func TestReconciler(t *testing.T) {
	roottest.Need(t, "makes nftables tables")
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-mds"}}
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "vnet5"}, Mode: netlink.TUNTAP_MODE_TAP}
	if err := netlink.LinkAdd(bridge); err != nil {
		t.Fatal(err)
	}
	defer netlink.LinkDel(bridge)
	guests := []*instance.Instance{porttest.Guest(1, "vnet1")}
	k := New("", func() []*instance.Instance { return guests }, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { k.Run(ctx) })
	defer running.Wait()
	defer stop()
	k.Set([]instance.Network{porttest.Network})
	expect := func(what string, want api.PortSecurity) {
		t.Helper()
		var s api.PortSecurity
		for range 100 {
			if s = k.Status("mds"); s.On == want.On && s.Guests == want.Guests && s.Strangers == want.Strangers && s.Trouble == "" {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("%s: %+v, want %+v", what, s, want)
	}
	expect("one guest", api.PortSecurity{On: true, Guests: 1})
	if err := errors.Join(netlink.LinkAdd(tap), netlink.LinkSetMaster(tap, bridge)); err != nil {
		t.Fatal(err)
	}
	defer netlink.LinkDel(tap)
	expect("a tap", api.PortSecurity{On: true, Guests: 1, Strangers: 1})
	porttest.NFT(t, "flush ruleset")
	for range 100 {
		if strings.Contains(porttest.NFT(t, "list", "tables"), table.Name) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if list := porttest.NFT(t, "list", "table", "bridge", table.Name); !strings.Contains(list, `"vnet1" : goto guest`) {
		t.Errorf("it is not as it was:\n%s", list)
	}
	k.mu.Lock() // an update has failed, and changed nothing
	var err error
	k.checked, err = table.Generation()
	k.table.Forget()
	k.mu.Unlock()
	if k.check(); err != nil || !k.table.Known() {
		t.Errorf("a table that is not known is left as it is, %v", err)
	}
	k.Set(nil)
	expect("turned off", api.PortSecurity{})
	if ports := k.Of(guests[0].UUID); len(ports) > 0 {
		t.Errorf("turned off, a guest has the ports %+v", ports)
	}
	if list := porttest.NFT(t, "list", "tables"); strings.Contains(list, table.Name) {
		t.Errorf("tables are\n%s", list)
	}
}
