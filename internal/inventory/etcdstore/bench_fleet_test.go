package etcdstore

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mdserver/internal/etcd/etcdtest"
)

const benchHosts = 5

// benchFleet is five hosts with three members of etcd on this machine's disk, and some
// guests.
func benchFleet(b *testing.B, guests int) []*host {
	b.Helper()
	cluster := &testEtcd{real: etcdtest.Start(b, etcdtest.Options{Members: 3, Dir: b.TempDir()})}
	var fleet []*host
	for range benchHosts {
		fleet = append(fleet, newHost(b, connect(b, cluster), options("10.0.0.0/8")))
	}
	importGuests(b, fleet[0].Inventory, guests)
	for _, h := range fleet {
		within(b, time.Minute, func() error {
			if n := h.Snapshot().Len(); n != guests {
				return fmt.Errorf("%d guests", n)
			}
			return nil
		})
	}
	return fleet
}

// BenchmarkSeen measures a registration on one of five hosts, and how long after its
// answer another host has the change.
func BenchmarkSeen(b *testing.B) {
	for _, guests := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(guests), func(b *testing.B) {
			fleet := benchFleet(b, guests)
			var asked, seen []time.Duration
			n := 0
			for b.Loop() {
				one, other, name := fleet[n%benchHosts], fleet[(n+1)%benchHosts], fmt.Sprint("renamed", n)
				began := time.Now()
				if _, err := one.Register(b.Context(), dom(n%guests, name)); err != nil {
					b.Fatal(err)
				}
				answered := time.Now()
				asked = append(asked, answered.Sub(began))
				for {
					if _, there := other.Snapshot().ByName(name); there {
						break
					}
					time.Sleep(20 * time.Microsecond)
				}
				seen = append(seen, time.Since(answered))
				n++
			}
			reportQuantiles(b, "registered", asked)
			reportQuantiles(b, "seen", seen)
		})
	}
}

func reportQuantiles(b *testing.B, what string, times []time.Duration) {
	slices.Sort(times)
	for name, at := range map[string]int{"p50": len(times) / 2, "p99": len(times) * 99 / 100} {
		b.ReportMetric(float64(times[at].Microseconds())/1000, "ms-"+what+"-"+name)
	}
}

// BenchmarkAllRegister measures registrations of different guests on five hosts at once.
func BenchmarkAllRegister(b *testing.B) {
	for _, guests := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(guests), func(b *testing.B) {
			fleet := benchFleet(b, guests)
			var next atomic.Int64
			b.ResetTimer()
			var working sync.WaitGroup
			for i, h := range fleet {
				working.Go(func() {
					for n := int(next.Add(1)); n <= b.N; n = int(next.Add(1)) {
						guest := (n*benchHosts + i) % guests // each host has its own
						if _, err := h.Register(b.Context(), dom(guest, fmt.Sprint("renamed", n, "-", i))); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			working.Wait()
		})
	}
}

// BenchmarkStart measures the start of a host with 10,000 guests: until it can serve
// them from its disk, and until it follows etcd. It reports what it takes of memory.
func BenchmarkStart(b *testing.B) {
	const guests = 10_000
	cluster := &testEtcd{real: etcdtest.Start(b, etcdtest.Options{Dir: b.TempDir()})}
	client := connect(b, cluster)
	path := filepath.Join(b.TempDir(), "cache.db")
	first := openHost(b, client, path, options("10.0.0.0/8"))
	importGuests(b, first.Inventory, guests)
	within(b, time.Minute, func() error { // the cache has all
		cached, err := first.store.cache.Load(b.Context())
		if err == nil && len(cached.Instances) != guests {
			err = fmt.Errorf("%d guests in the cache", len(cached.Instances))
		}
		return err
	})
	if err := first.Close(); err != nil {
		b.Fatal(err)
	}
	for _, away := range []bool{false, true} {
		b.Run(map[bool]string{false: "with etcd", true: "without etcd"}[away], func(b *testing.B) {
			if away {
				cluster.real.Members[0].Pause()
				b.Cleanup(cluster.real.Members[0].Resume)
			}
			var followed time.Duration
			var heap uint64
			for b.Loop() {
				b.StopTimer()
				before := heapInUse()
				b.StartTimer()
				began := time.Now()
				h := openHost(b, client, path, options("10.0.0.0/8"))
				if n := h.Snapshot().Len(); n != guests {
					b.Fatalf("%d guests", n)
				}
				if !away {
					within(b, time.Minute, func() error { // it is refused while the table is read
						_, err := h.Register(b.Context(), dom(1, fmt.Sprint("renamed", began.UnixNano())))
						return err
					})
					followed += time.Since(began)
				}
				b.StopTimer()
				heap = max(heap, heapInUse()-before)
				if err := h.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(heap)/1e6, "MB-heap")
			if !away {
				b.ReportMetric(float64(followed.Milliseconds())/float64(b.N), "ms-to-first-change")
			}
		})
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var usage runtime.MemStats
	runtime.ReadMemStats(&usage)
	return usage.HeapAlloc
}
