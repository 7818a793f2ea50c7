package etcd

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/etcd/etcdtest"
)

// BenchmarkRegistration measures a transaction of the size of a registration: five
// keys that must not exist yet, and a record of 1 KiB. The members have their data in
// TMPDIR, which should be on a disk, and p50 and p99 are in milliseconds.
func BenchmarkRegistration(b *testing.B) {
	for _, members := range []int{1, 3} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			cluster := etcdtest.Start(b, etcdtest.Options{Members: members, Dir: b.TempDir()})
			c, err := Open(b.Context(), cluster.Config(), slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			record := strings.Repeat("x", 1024)
			var took []time.Duration
			for n := 0; b.Loop(); n++ {
				var absent []clientv3.Cmp
				var puts []clientv3.Op
				for _, kind := range []string{"guests", "macs", "addresses", "names", "hostnames"} {
					key := fmt.Sprintf("/mdserver/%s/%d", kind, n)
					absent = append(absent, clientv3.Compare(clientv3.ModRevision(key), "=", 0))
					puts = append(puts, clientv3.OpPut(key, record[:64]))
				}
				puts[0] = clientv3.OpPut(fmt.Sprintf("/mdserver/guests/%d", n), record)
				begin := time.Now()
				reply, err := c.Txn(b.Context()).If(absent...).Then(puts...).Commit()
				if err != nil || !reply.Succeeded {
					b.Fatal(reply, err)
				}
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			ms := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
			b.ReportMetric(ms(0.50), "p50-ms")
			b.ReportMetric(ms(0.99), "p99-ms")
		})
	}
}
