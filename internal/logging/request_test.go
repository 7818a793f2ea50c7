package logging

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/logging/budget"
)

// A warning is in the file soon, and what came before it is there, too.
func TestWarningsAreWrittenAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	l := Open(load(t, "[mdserver]\nlogfile = "+file+"\n"), io.Discard)
	defer l.Close()
	l.logger.Info("info")
	l.logger.Warn("warn")
	l.toFile.Flush(10 * time.Second)
	written, err := os.ReadFile(file)
	if err != nil || messages(string(written)) != "info warn" {
		t.Errorf("%q, %v", written, err)
	}
}

// A stream that nobody reads any more does not keep lines from the file.
func TestABrokenStreamLeavesTheFile(t *testing.T) {
	in, out := io.Pipe()
	_ = in.Close()
	file := filepath.Join(t.TempDir(), "log")
	l := Open(load(t, "[mdserver]\nlogfile = "+file+"\n"), out)
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
	for name, limit := range map[string]budget.Limit{"logged": {Burst: math.MaxInt64}, "left out": {}} {
		b.Run(name, func(b *testing.B) {
			cfg := config.Default()
			cfg.Server.LogFile = filepath.Join(b.TempDir(), "log")
			l := Open(cfg, io.Discard)
			defer l.Close()
			l.budgets.requests.Close()
			l.budgets.requests = budget.New(limit, func(sender, budget.Left) {})
			r, a := requestOf("web1", "10.122.0.5")
			b.ReportAllocs()
			for b.Loop() {
				l.Request(r, a)
			}
		})
	}
}
