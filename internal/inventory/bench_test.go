package inventory_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// benchInventory is durable and holds so many guests.
func benchInventory(b *testing.B, guests int) *inventory.Inventory {
	b.Helper()
	inv, err := openBolt(filepath.Join(b.TempDir(), "inventory.db"), "10.0.0.0/8")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = inv.Close() })
	records := make([]instance.Instance, guests)
	for n := range records {
		records[n] = instance.Instance{Name: fmt.Sprint("g", n), UUID: uid(n), MAC: mac(n), IPv4: benchAddr(n)}
	}
	if result, err := inv.Import(background(), records); err != nil || len(result.Added) != guests {
		b.Fatalf("%d of %d imported: %v", len(result.Added), guests, err)
	}
	return inv
}

func benchAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}) }

func BenchmarkLookup(b *testing.B) {
	for _, guests := range []int{1, 1000, 50000} {
		b.Run(fmt.Sprint(guests), func(b *testing.B) {
			inv := benchInventory(b, guests)
			n := 0
			for b.Loop() {
				if _, ok := inv.Snapshot().ByAddr(benchAddr(n % guests)); !ok {
					b.Fatal("not found")
				}
				n++
			}
		})
	}
}

func BenchmarkRegister(b *testing.B) {
	for _, guests := range []int{1, 1000, 50000} {
		b.Run(fmt.Sprint(guests), func(b *testing.B) {
			inv := benchInventory(b, guests)
			n := 0
			for b.Loop() {
				d := dom(n%guests, fmt.Sprint("g", n%guests))
				if _, err := inv.Register(background(), d); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
		b.Run(fmt.Sprint(guests, "/parallel"), func(b *testing.B) {
			inv := benchInventory(b, guests)
			var next atomic.Int64
			b.SetParallelism(32)
			b.ResetTimer() // filling the inventory does not count
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n := int(next.Add(1)) % guests
					if _, err := inv.Register(background(), dom(n, fmt.Sprint("g", n))); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
