package connection_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/libvirttest"
)

// Close takes leave of libvirt, which logs an error otherwise, and does not wait long
// for one that is silent.
func TestClose(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(s *libvirttest.Server)
		words   int // that libvirt hears
		took    time.Duration
	}{
		"answered":         {func(*libvirttest.Server) {}, 1, 0},
		"refused":          {func(s *libvirttest.Server) { s.Refuse(libvirttest.ConnectClose, 1) }, 1, 0},
		"not answered":     {func(s *libvirttest.Server) { s.Silence(true) }, 1, time.Second},
		"libvirt is gone":  {func(s *libvirttest.Server) { s.HangUp() }, 0, 0},
		"it goes meantime": {func(s *libvirttest.Server) { s.Break(libvirttest.ConnectClose, true) }, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := libvirttest.InMemory(t)
				conn, err := connection.Dial(t.Context(), connection.Endpoint{Socket: s.Socket, Dialer: s}, connection.QEMU)
				if err != nil {
					t.Fatal(err)
				}
				tt.prepare(s)
				synctest.Wait()
				began := time.Now()
				conn.Close()
				conn.Close() // once more does nothing
				if took := time.Since(began); took != tt.took {
					t.Errorf("Close took %v, want %v", took, tt.took)
				}
				synctest.Wait()
				if n := s.Calls(libvirttest.ConnectClose); n != tt.words {
					t.Errorf("libvirt was told %d times, want %d", n, tt.words)
				}
				if n := s.Connections(); n != 0 {
					t.Errorf("%d connections remain", n)
				}
			})
		})
	}
}

// Calls that nobody waits for any more have a second to be answered, and their
// connection is of use then. Calls that had their time are cut short.
func TestDoAbandoned(t *testing.T) {
	cancelled := func(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(after, cancel)
		return ctx, cancel
	}
	for name, tt := range map[string]struct {
		end    func(context.Context, time.Duration) (context.Context, context.CancelFunc)
		answer time.Duration // after the begin
		took   time.Duration
		left   int // times that libvirt hears of the end
	}{
		"answered soon after the end":     {cancelled, 2500 * time.Millisecond, 2500 * time.Millisecond, 1},
		"not answered soon after the end": {cancelled, time.Hour, 3 * time.Second, 0},
		"not answered in time":            {context.WithTimeout, time.Hour, 2 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := libvirttest.InMemory(t)
				conn, err := connection.Dial(t.Context(), connection.Endpoint{Socket: s.Socket, Dialer: s}, connection.QEMU)
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := tt.end(t.Context(), 2*time.Second)
				defer stop()
				began := time.Now()
				err = conn.Do(ctx, func(*golibvirt.Libvirt) error {
					select {
					case <-time.After(tt.answer):
					case <-conn.Done():
					}
					return nil
				})
				if took := time.Since(began); !errors.Is(err, ctx.Err()) || took != tt.took {
					t.Errorf("%v after %v, want %v after %v", err, took, ctx.Err(), tt.took)
				}
				conn.Close()
				if n := s.Calls(libvirttest.ConnectClose); n != tt.left {
					t.Errorf("libvirt was told %d times, want %d", n, tt.left)
				}
			})
		})
	}
}

// The process at the other end is known, unless the connection is none of this host.
func TestProcess(t *testing.T) {
	here, elsewhere := libvirttest.New(t), libvirttest.InMemory(t)
	for name, tt := range map[string]struct {
		endpoint connection.Endpoint
		want     int
	}{
		"a socket":  {connection.Endpoint{Socket: here.Socket}, os.Getpid()},
		"no socket": {connection.Endpoint{Socket: elsewhere.Socket, Dialer: elsewhere}, 0},
	} {
		conn, err := connection.Dial(t.Context(), tt.endpoint, connection.QEMU)
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.Process(); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
		conn.Close()
	}
}
