package daemon

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/logbudget"
)

// A reader of a pipe gets a line although nothing follows it, and the server
// goes on.
func TestALineIsWrittenSoon(t *testing.T) {
	in, out := io.Pipe()
	b := newBuffered(out)
	_, _ = io.WriteString(b, "line\n")
	got := make([]byte, 5)
	if _, err := io.ReadFull(in, got); err != nil || string(got) != "line\n" {
		t.Errorf("%q, %v", got, err)
	}
	b.Close()
}

func TestWarningsAreWrittenAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	l := openLogs(load(t, "[mdserver]\nlogfile = "+file+"\n"), io.Discard)
	defer l.Close()
	l.logger.Info("info")
	l.logger.Warn("warn")
	written, err := os.ReadFile(file)
	if err != nil || messages(string(written)) != "info warn" {
		t.Errorf("%q, %v", written, err)
	}
}

// Whatever the number of writers, no line is lost, cut or out of its writer's
// order, and none is too much for the memory that is meant for them.
func TestNoLineIsLost(t *testing.T) {
	const writers, lines = 8, 5000
	var out bytes.Buffer
	b := newBuffered(&out)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range lines {
				_, _ = fmt.Fprintf(b, "%d %d\n", w, n)
			}
		})
	}
	all.Wait()
	b.Close()
	_, _ = fmt.Fprintf(b, "%d %d\n", 0, lines)
	next := map[int]int{}
	for line := range strings.Lines(out.String()) {
		var w, n int
		if _, err := fmt.Sscanf(line, "%d %d\n", &w, &n); err != nil || n != next[w] {
			t.Fatalf("%q instead of line %d (%v)", line, next[w], err)
		}
		next[w]++
	}
	if next[0] != lines+1 || next[writers-1] != lines {
		t.Errorf("%v lines arrived", next)
	}
}

// A stream that nobody reads any more does not keep lines from the file.
func TestABrokenStreamLeavesTheFile(t *testing.T) {
	in, out := io.Pipe()
	_ = in.Close()
	file := filepath.Join(t.TempDir(), "log")
	l := openLogs(load(t, "[mdserver]\nlogfile = "+file+"\n"), out)
	l.logger.Info("info")
	l.Close()
	written, err := os.ReadFile(file)
	if err != nil || messages(string(written)) != "info" {
		t.Errorf("%q, %v", written, err)
	}
}

// BenchmarkRequestLine is what a request's line costs with both targets, and
// what it costs to leave one out.
func BenchmarkRequestLine(b *testing.B) {
	for name, limit := range map[string]logbudget.Limit{"logged": {Burst: math.MaxInt64}, "left out": {}} {
		b.Run(name, func(b *testing.B) {
			cfg := config.Default()
			cfg.Server.LogFile = filepath.Join(b.TempDir(), "log")
			l := openLogs(cfg, io.Discard)
			defer l.Close()
			l.budgets.requests.Close()
			l.budgets.requests = logbudget.New(limit, func(sender, logbudget.Left) {})
			r, a := requestOf("web1", "10.122.0.5")
			b.ReportAllocs()
			for b.Loop() {
				l.request(r, a)
			}
		})
	}
}
