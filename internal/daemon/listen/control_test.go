package listen

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shortDir is a directory for a socket, whose path has a limit: unix(7).
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// served listens on a control socket and greets each client.
func served(t *testing.T, path string) *controlListener {
	t.Helper()
	l := listening(t, path, io.Discard)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l
}

func listening(t *testing.T, path string, log io.Writer) *controlListener {
	t.Helper()
	l, err := listenControl(path, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func reachable(path string) bool {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func TestControlSocketComesBack(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"socket removed":    os.Remove,
		"directory removed": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"replaced by a dead socket": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			return l.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(shortDir(t), "run", "mdserver.sock")
			served(t, path)
			if err := harm(path); err != nil {
				t.Fatal(err)
			}
			for began := time.Now(); !reachable(path); time.Sleep(20 * time.Millisecond) {
				if time.Since(began) > 10*time.Second {
					t.Fatal("the socket does not come back")
				}
			}
			info, err := os.Lstat(path)
			if err != nil || info.Mode().Perm() != 0o660 {
				t.Errorf("its rights: %v %v", info.Mode(), err)
			}
		})
	}
}

// TestControlSocketOfAnother: a file that is no socket, or another server's
// socket, is left alone, also at the end.
func TestControlSocketOfAnother(t *testing.T) {
	path := filepath.Join(shortDir(t), "mdserver.sock")
	var log bytes.Buffer
	first := listening(t, path, &log)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second := served(t, path)
	first.look()
	first.look()
	if !second.own() {
		t.Error("the first server took the socket of the second")
	}
	if got := strings.Count(log.String(), "another mdserver listens"); got != 1 {
		t.Errorf("told %d times, want once: %s", got, &log)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if !reachable(path) {
		t.Error("the socket of the second server went with the first")
	}
	if err := first.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
}

// TestControlSocketIsMadeAgain checks that a removed socket is made again as soon as the
// server notices, and that the former socket is closed.
func TestControlSocketIsMadeAgain(t *testing.T) {
	path := filepath.Join(shortDir(t), "mdserver.sock")
	var log bytes.Buffer
	l := listening(t, path, &log)
	first := l.bound
	l.look()
	if l.bound != first || log.Len() > 0 {
		t.Errorf("a socket that is there was made again: %s", &log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l.look()
	}
	if !l.own() || !reachable(path) || strings.Count(log.String(), "was created again") != 1 {
		t.Errorf("is its own: %v; the log has %s", l.own(), &log)
	}
	if _, err := first.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the former socket is open: %v", err)
	}
	last := l.bound
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := last.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket is open after Close: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its file stays after Close: %v", err)
	}
	if err := l.bind(); !errors.Is(err, net.ErrClosed) || reachable(path) {
		t.Errorf("bind after Close: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("bind after Close leaves a file: %v", err)
	}
}
