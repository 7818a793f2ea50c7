package queue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

const long = 10 * time.Second

// A reader of a pipe gets a line although nothing follows it.
func TestALineIsWrittenSoon(t *testing.T) {
	in, out := io.Pipe()
	q := New(out, nil)
	defer q.Close(long)
	_, _ = io.WriteString(q, "line\n")
	got := make([]byte, 5)
	if _, err := io.ReadFull(in, got); err != nil || string(got) != "line\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// Whatever the number of writers, no line is lost, cut or out of its writer's
// order.
func TestNoLineIsLost(t *testing.T) {
	const writers, lines = 8, 5000
	var out bytes.Buffer
	q := New(&out, nil)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range lines {
				_, _ = fmt.Fprintf(q, "%d %d\n", w, n)
			}
		})
	}
	all.Wait()
	q.Close(long)
	_, _ = fmt.Fprintf(q, "%d %d\n", 0, lines)
	next := map[int]int{}
	for line := range strings.Lines(out.String()) {
		var w, n int
		if _, err := fmt.Sscanf(line, "%d %d\n", &w, &n); err != nil || n != next[w] {
			t.Fatalf("%q instead of line %d (%v)", line, next[w], err)
		}
		next[w]++
	}
	if next[0] != lines+1 || next[writers-1] != lines || q.Status().Lost > 0 {
		t.Errorf("%v lines arrived; %+v", next, q.Status())
	}
}

// A writer that takes nothing holds up neither those who log nor the end, and
// what had no room is counted and told once the writer goes on.
func TestBlockedWriter(t *testing.T) {
	const line = 1 << 10
	in, out := io.Pipe()
	told := make(chan uint64, 1)
	q := New(out, func(lost uint64) { told <- lost })
	for range 3 * most / line {
		_, _ = q.Write(append(bytes.Repeat([]byte("x"), line-1), '\n'))
	}
	lost := q.Status().Lost
	if lost < most/line || lost > 2*most/line {
		t.Errorf("%d lines of %d were left out", lost, 3*most/line)
	}
	read := make(chan int)
	go func() {
		all, _ := io.ReadAll(in)
		read <- bytes.Count(all, []byte("\n"))
	}()
	if got := <-told; got != lost {
		t.Errorf("%d lines are told to be lost, want %d", got, lost)
	}
	q.Close(long)
	_ = out.Close()
	if got := <-read; got+int(lost) != 3*most/line {
		t.Errorf("%d lines were read and %d lost, of %d", got, lost, 3*most/line)
	}
}

func TestCloseDoesNotWaitForABlockedWriter(t *testing.T) {
	in, out := io.Pipe()
	q := New(out, nil)
	_, _ = io.WriteString(q, "line\n")
	q.Flush(time.Millisecond)
	q.Close(time.Millisecond)
	_, _ = io.WriteString(q, "after\n")
	_ = in.Close() // lets go of the goroutine
	<-q.done
}

// full is a disk that can be full.
type full struct {
	mu  sync.Mutex
	err error
	bytes.Buffer
}

func (f *full) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *full) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return 0, f.err
	}
	return f.Buffer.Write(p)
}

func TestFailingWriter(t *testing.T) {
	disk := &full{}
	told := make(chan uint64, 1)
	q := New(disk, func(lost uint64) { told <- lost })
	defer q.Close(long)
	disk.set(errors.New("no space left on device"))
	_, _ = io.WriteString(q, "one\ntwo\n")
	q.Flush(long)
	if got := q.Status(); got.Lost != 2 || got.Error != "no space left on device" {
		t.Errorf("%+v", got)
	}
	disk.set(nil)
	_, _ = io.WriteString(q, "three\n")
	if got := <-told; got != 2 {
		t.Errorf("%d lines are reported lost, want 2", got)
	}
	if got := q.Status(); got.Error != "" || got.Lost != 2 {
		t.Errorf("%+v", got)
	}
	_, _ = io.WriteString(q, "four\n")
	q.Flush(long)
	disk.set(errors.New("no space left on device"))
	_, _ = io.WriteString(q, "five\n")
	q.Flush(long)
	disk.set(nil)
	_, _ = io.WriteString(q, "six\n")
	if got := <-told; got != 1 {
		t.Errorf("then %d lines are reported lost, want 1", got)
	}
}

// BenchmarkWrite is what a line costs whoever logs it.
func BenchmarkWrite(b *testing.B) {
	line := append(bytes.Repeat([]byte("x"), 150), '\n')
	q := New(io.Discard, nil)
	defer q.Close(long)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = q.Write(line)
	}
}
