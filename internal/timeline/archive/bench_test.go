package archive

import (
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/timeline"
)

// The record of 10,000 guests with 20 boots each: its size on the disk and in memory,
// and the time to open it and to read the boots of a guest.
func BenchmarkManyGuests(b *testing.B) {
	const guests, boots = 10000, 20
	path := filepath.Join(b.TempDir(), "boots.db")
	a := open(b, path)
	for n := 1; n <= boots; n++ {
		for from := 0; from < guests; from += 500 {
			var batch timeline.Batch
			for g := from; g < from+500; g++ {
				batch.Boots = append(batch.Boots, timeline.GuestBoot{Guest: numbered(g), Boot: boot(n)})
			}
			write(b, a, batch)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	before := heap()
	start := time.Now()
	again := open(b, path)
	record := timeline.New(again, slog.New(slog.DiscardHandler))
	opened := time.Since(start)
	memory := heap() - before
	kept := 0
	for _, all := range again.guests {
		kept += len(all)
	}
	for g := 0; b.Loop(); g++ {
		if all, err := record.Boots(numbered(g % guests)); err != nil || len(all) == 0 {
			b.Fatalf("%d boots, %v", len(all), err)
		}
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB-file")
	b.ReportMetric(float64(memory)/1e6, "MB-memory")
	b.ReportMetric(float64(opened.Milliseconds()), "ms-open")
	b.ReportMetric(float64(kept), "boots")
}

func numbered(n int) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	return id
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
