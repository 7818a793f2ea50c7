package daemon

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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

// BenchmarkRequestLine is what a request's line costs with both targets.
func BenchmarkRequestLine(b *testing.B) {
	l := &logging{out: &reopenable{}, toStream: newBuffered(io.Discard), toFile: newBuffered(io.Discard)}
	defer l.Close()
	log := slog.New(handlerMaker("text")(l.toFile, slog.LevelInfo))
	for b.Loop() {
		log.LogAttrs(b.Context(), slog.LevelInfo, "request", slog.String("client", "10.122.0.5"), slog.String("guest", "web1"),
			slog.String("method", "GET"), slog.String("path", "/latest/meta-data/instance-id"),
			slog.Int("status", 200), slog.Int64("bytes", 19), slog.Duration("duration", 41*time.Microsecond))
	}
}
