package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/backup"
)

// BenchmarkDuringSnapshot measures how long guests and registrations wait while
// snapshots are made one after the other, and without snapshots.
func BenchmarkDuringSnapshot(b *testing.B) {
	for _, n := range []int{10_000, 50_000} {
		inv := newInventory(b, n)
		h := newServer(b, inv)
		operations := []struct {
			name string
			run  func(b *testing.B, i int)
		}{
			{"request", func(b *testing.B, i int) { request(b, h, address(i%n), "/latest/meta-data/hostname") }},
			{"registration", func(b *testing.B, i int) { register(b, inv, i%n) }},
		}
		for _, op := range operations {
			for _, busy := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/guests=%d/snapshots=%v", op.name, n, busy), func(b *testing.B) {
					if busy {
						made := makeSnapshots(b, inv)
						defer func() { b.ReportMetric(float64(made()), "snapshots") }()
					}
					measure(b, op.run)
				})
			}
		}
	}
}

// every is how often an operation begins.
const every = 10 * time.Millisecond

// measure runs an operation every ten milliseconds, and reports the middle, the
// 99th percentile and the longest of the times. A time counts from the moment
// when the operation was due, so that it includes the wait for a processor.
func measure(b *testing.B, run func(b *testing.B, i int)) {
	var times []time.Duration
	due := time.Now()
	for i := 0; b.Loop(); i++ {
		for !due.After(time.Now()) {
			due = due.Add(every)
		}
		time.Sleep(time.Until(due))
		run(b, i)
		times = append(times, time.Since(due))
	}
	slices.Sort(times)
	for name, at := range map[string]int{"p50-µs": len(times) / 2, "p99-µs": len(times) * 99 / 100, "max-µs": len(times) - 1} {
		b.ReportMetric(float64(times[at].Microseconds()), name)
	}
}

// makeSnapshots makes snapshots until stop is called, which returns their number.
func makeSnapshots(b *testing.B, inv *inventory.Inventory) (stop func() int) {
	ctx, cancel := context.WithCancel(b.Context())
	database := filepath.Join(b.TempDir(), "mdserver.db")
	made := 0
	var making sync.WaitGroup
	making.Go(func() {
		for ctx.Err() == nil {
			whole := backup.New("host", "1.0", inv.Snapshot().Table(), nil, "")
			if err := backup.Save(database, whole, 2); err != nil {
				b.Error(err)
				return
			}
			made++
		}
	})
	return func() int {
		cancel()
		making.Wait()
		return made
	}
}

// register registers a guest that is known already, which is written like a new
// one.
func register(b *testing.B, inv *inventory.Inventory, i int) {
	_, err := inv.Register(b.Context(), instance.Domain{
		Name: fmt.Sprintf("guest-%d", i), UUID: idOf(i),
		Interfaces: []instance.Interface{{MAC: macOf(i), Network: "mds"}},
	})
	if err != nil {
		b.Fatal(err)
	}
}
