package boltstore

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{300, 50_000} {
		b.Run(fmt.Sprint(n, " guests"), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "inventory.db")
			store, err := Open(path, quiet)
			if err != nil {
				b.Fatal(err)
			}
			var change instance.Change
			for i := range n {
				id := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, i))
				change.Put = append(change.Put, instance.Instance{ID: instance.DeriveID(id), Name: fmt.Sprint("guest", i), UUID: id, Hostname: fmt.Sprint("guest", i)})
			}
			if err := store.Apply(b.Context(), []instance.Change{change}); err != nil {
				b.Fatal(err)
			}
			_ = store.Close()
			for b.Loop() {
				store, err := Open(path, quiet)
				if err != nil {
					b.Fatal(err)
				}
				_ = store.Close()
			}
		})
	}
}
