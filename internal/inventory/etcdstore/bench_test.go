package etcdstore

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
)

// BenchmarkRegister compares a registration through etcd, with one member on this
// host's disk, with one through a database file. Each changes a guest's name.
func BenchmarkRegister(b *testing.B) {
	for _, guests := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint("bolt/", guests), func(b *testing.B) {
			store, err := boltstore.Open(filepath.Join(b.TempDir(), "inventory.db"), quiet)
			if err != nil {
				b.Fatal(err)
			}
			inv, err := inventory.Open(b.Context(), store, options("10.0.0.0/8"))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = inv.Close() })
			benchRegister(b, inv, guests)
		})
		b.Run(fmt.Sprint("etcd/", guests), func(b *testing.B) {
			h := newHost(b, connect(b, startEtcd(b)), options("10.0.0.0/8"))
			benchRegister(b, h.Inventory, guests)
		})
	}
}

func benchRegister(b *testing.B, inv *inventory.Inventory, guests int) {
	importGuests(b, inv, guests)
	n := 0
	for b.Loop() {
		if _, err := inv.Register(b.Context(), dom(n%guests, fmt.Sprint("renamed", n))); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// importGuests adds guests, whose domains are those of dom.
func importGuests(b *testing.B, inv *inventory.Inventory, guests int) {
	b.Helper()
	records := make([]instance.Instance, guests)
	for n := range records {
		records[n] = instance.Instance{Name: fmt.Sprint("g", n), UUID: uid(n), MAC: dom(n, "").Interfaces[0].MAC,
			IPv4: netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)})}
	}
	if result, err := inv.Import(b.Context(), records); err != nil || len(result.Added) != guests {
		b.Fatalf("%d of %d imported: %v", len(result.Added), guests, err)
	}
}

// BenchmarkDecode reads the record of a guest, as a start does for each.
func BenchmarkDecode(b *testing.B) {
	guest, _ := decodeGuest(b, future)
	known, err := encode(guest, guestShape, nil, "")
	if err != nil {
		b.Fatal(err)
	}
	for name, text := range map[string]string{"known": known, "future": future} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := decode[instance.Instance]([]byte(text), guestShape); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
