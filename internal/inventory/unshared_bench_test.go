package inventory_test

import (
	"fmt"
	"net/netip"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// BenchmarkShare shares the records of 300 guests that were changed while the shared
// store was away, in a table of so many.
func BenchmarkShare(b *testing.B) {
	for _, guests := range []int{300, 10000} {
		b.Run(fmt.Sprint(guests), func(b *testing.B) {
			store := newSharedStore()
			for n := range guests {
				guest := given(n, fmt.Sprint("g", n), benchAddr(n), netip.Addr{})
				guest.Home = instance.Home{Host: "a", HostID: "a", Epoch: 1}
				store.make("a", instance.Change{Put: []instance.Instance{guest}})
			}
			inv, err := inventory.Open(b.Context(), store, inventory.Options{HostID: "a", HostName: "a",
				Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/8")}}})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = inv.Close() })
			round := 0
			for b.Loop() {
				b.StopTimer()
				round++
				store.isAway.Store(true)
				for n := range 300 {
					d := started(n, fmt.Sprint("g", n))
					d.Disks = []instance.Disk{{Target: fmt.Sprint("vd", round)}}
					if reg, err := inv.Register(background(), d); err != nil || !reg.Instance.Unshared {
						b.Fatal(err, reg)
					}
				}
				store.isAway.Store(false)
				b.StartTimer()
				if _, err := inv.Register(background(), started(0, "g0")); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			for guest := range inv.Snapshot().All() {
				if guest.Unshared {
					b.Fatalf("%s is not shared", guest.Name)
				}
			}
		})
	}
}
