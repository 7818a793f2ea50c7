package watch

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mdserver/internal/libvirt/connection"
)

// TestStatusOfNoLibvirt: only a socket on which something listens is in the status.
func TestStatusOfNoLibvirt(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	garbage := filepath.Join(t.TempDir(), "garbage")
	l, err := net.Listen("unix", garbage)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer l.Close()
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(make([]byte, 28))
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	})
	for socket, want := range map[string]string{absent: "", garbage: garbage} {
		ctx, end := context.WithCancel(t.Context())
		w := New(connection.Endpoint{Socket: socket}, nil, nil, nil, slog.New(slog.DiscardHandler))
		serving.Go(func() { w.Run(ctx) })
		for w.Status().Error == "" {
			time.Sleep(time.Millisecond)
		}
		if got := w.Status(); got.Socket != want || got.Connected {
			t.Errorf("%s: %+v", socket, got)
		}
		end()
	}
}
