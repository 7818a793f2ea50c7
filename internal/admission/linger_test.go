package admission

import (
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// fill writes until the kernel takes no more.
func fill(t *testing.T, tcp *net.TCPConn) {
	t.Helper()
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 64<<10)
	var failed error
	err = raw.Control(func(fd uintptr) {
		for failed == nil {
			_, failed = unix.Write(int(fd), piece)
		}
	})
	if err != nil || !errors.Is(failed, unix.EAGAIN) || unconfirmed(tcp) == 0 {
		t.Fatalf("%d bytes are on their way, %v, %v", unconfirmed(tcp), failed, err)
	}
}

// TestLinger checks that a pinned connection with bytes on their way stays pinned, and
// counts, until they have arrived or the server stops.
func TestLinger(t *testing.T) {
	for name, reads := range map[string]bool{"the other side reads": true, "the server stops": false} {
		t.Run(name, func(t *testing.T) {
			f := came("br-mds", "fe80::1%br-mds", mac1, at("lo"))
			kernel := &fakeKernel{source: f.Source, port: f.port}
			d := New(bridged, inventory{vm1}, kernel, quiet)
			tcp, other := tcpPair(t)
			c, err := d.receive(tcp)
			if err != nil || !d.enter(c) {
				t.Fatal("not let in", err)
			}
			fill(t, tcp)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			d.mu.Lock()
			open := d.open
			d.mu.Unlock()
			if open != 1 {
				t.Errorf("%d connections count with bytes on their way, want 1", open)
			}
			if reads {
				_, _ = io.Copy(io.Discard, other)
				d.lingering.Wait()
			}
			d.Close()
			if kernel.pinned != 0 || d.open != 0 {
				t.Errorf("after its end: pinned %d times, %d connections", kernel.pinned, d.open)
			}
		})
	}
}
