package logging

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// reopenable is a file that can be exchanged while others write to it, even while
// a write does not return.
type reopenable struct {
	mu   sync.Mutex
	file *os.File
}

func (r *reopenable) open(path string) error {
	var file *os.File
	var err error
	if path != "" {
		file, err = openSoon(path)
	}
	r.swap(file)
	if err != nil {
		return fmt.Errorf("logfile: %w", err)
	}
	return nil
}

func (r *reopenable) swap(file *os.File) {
	r.mu.Lock()
	old := r.file
	r.file = file
	r.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
}

// Write implements io.Writer; without a file it writes nowhere.
func (r *reopenable) Write(p []byte) (int, error) {
	r.mu.Lock()
	file := r.file
	r.mu.Unlock()
	if file == nil {
		return len(p), nil
	}
	return file.Write(p)
}

// openSoon opens a log file, but does not wait for long: a frozen file system
// answers nothing.
func openSoon(path string) (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		// A FIFO without a reader is refused at once by O_NONBLOCK.
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|unix.O_NONBLOCK, 0o640)
		opened <- result{file, err}
	}()
	select {
	case r := <-opened:
		return r.file, r.err
	case <-time.After(flushTime):
		go func() {
			if r := <-opened; r.file != nil {
				_ = r.file.Close()
			}
		}()
		return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrDeadlineExceeded}
	}
}
