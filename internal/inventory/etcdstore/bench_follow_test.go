package etcdstore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"mdserver/bench/cputime"
	"mdserver/internal/etcd/etcdtest"
)

// BenchmarkFollowers measures a change of one guest while many hosts follow etcd, each
// with a connection of its own and a table of its own: until all have it, and the
// processor time of etcd. With no changes, it measures what they cost etcd in a second.
func BenchmarkFollowers(b *testing.B) {
	for _, followers := range []int{10, 50, 200} {
		b.Run(fmt.Sprint(followers), func(b *testing.B) {
			cluster := &testEtcd{real: etcdtest.Start(b, etcdtest.Options{Dir: b.TempDir()})}
			var list []*host
			for range followers {
				list = append(list, newHost(b, connect(b, cluster), options("10.0.0.0/8")))
			}
			for _, h := range list {
				within(b, time.Minute, h.store.Link)
			}
			cpu := func() time.Duration {
				used, err := cputime.Of(cluster.real.Members[0].Pid())
				if err != nil {
					b.Fatal(err)
				}
				return used
			}
			const idle = 5 * time.Second
			before := cpu()
			time.Sleep(idle)
			atRest := (cpu() - before).Seconds() / idle.Seconds()
			n := 0
			before = cpu()
			began := time.Now()
			for b.Loop() {
				name := fmt.Sprint("renamed", n)
				if _, err := list[0].Register(b.Context(), dom(1, name)); err != nil {
					b.Fatal(err)
				}
				awaitName(list, name)
				n++
			}
			used := (cpu() - before).Seconds() - atRest*time.Since(began).Seconds()
			b.ReportMetric(used/float64(n)*1e6, "µs-etcd/op")
			b.ReportMetric(atRest*1e3, "ms-etcd-idle/s")
		})
	}
}

// awaitName waits until all hosts know a guest.
func awaitName(list []*host, name string) {
	var waiting sync.WaitGroup
	for _, h := range list {
		waiting.Go(func() {
			for {
				if _, there := h.Snapshot().ByName(name); there {
					return
				}
				time.Sleep(200 * time.Microsecond)
			}
		})
	}
	waiting.Wait()
}
