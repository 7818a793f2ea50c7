package connection

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	libvirt "github.com/digitalocean/go-libvirt"
)

func TestSockets(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1000")
	for _, tt := range []struct {
		endpoint Endpoint
		driver   Driver
		want     []string
	}{
		{Endpoint{}, QEMU, []string{"/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock"}},
		{Endpoint{}, Network, []string{"/run/libvirt/virtnetworkd-sock", "/run/libvirt/libvirt-sock"}},
		{Endpoint{Session: true}, QEMU, []string{"/run/user/1000/libvirt/virtqemud-sock", "/run/user/1000/libvirt/libvirt-sock"}},
		{Endpoint{Socket: "/tmp/sock"}, Network, []string{"/tmp/sock"}},
		// a user's domains are on networks of the system's
		{Endpoint{Session: true}, Network, []string{"/run/libvirt/virtnetworkd-sock", "/run/libvirt/libvirt-sock"}},
		{Endpoint{Session: true, Socket: "/tmp/sock"}, Network, []string{"/run/libvirt/virtnetworkd-sock", "/run/libvirt/libvirt-sock"}},
	} {
		got, err := tt.endpoint.Sockets(tt.driver)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %v (%v), want %v", tt.endpoint, got, err, tt.want)
		}
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if _, err := (Endpoint{Session: true}).Sockets(QEMU); err == nil {
		t.Error("a session was found without XDG_RUNTIME_DIR")
	}
}

func TestURI(t *testing.T) {
	for _, tt := range []struct {
		endpoint Endpoint
		driver   Driver
		want     string
	}{
		{Endpoint{}, Network, "qemu:///system"},
		{Endpoint{Session: true}, QEMU, "qemu:///session"},
		{Endpoint{Session: true}, Network, "qemu:///system"},
		{Endpoint{Socket: "/tmp/a b"}, Network, "qemu+unix:///system?socket=%2Ftmp%2Fa+b"},
	} {
		if got := tt.endpoint.URI(tt.driver); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.endpoint, got, tt.want)
		}
	}
}

// Who only reads may fall back on the sockets for everybody, of the system's
// libvirt where they usually are.
func TestReadOnlySockets(t *testing.T) {
	for _, tt := range []struct {
		endpoint Endpoint
		want     []string
	}{
		{Endpoint{}, []string{"/run/libvirt/virtqemud-sock-ro", "/run/libvirt/libvirt-sock-ro"}},
		{Endpoint{Session: true}, nil},
		{Endpoint{Socket: "/tmp/sock"}, nil},
	} {
		t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
		sockets, err := tt.endpoint.Sockets(QEMU)
		if err != nil {
			t.Fatal(err)
		}
		if got := tt.endpoint.readOnly(sockets); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.endpoint, got, tt.want)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	_, err := Dial(t.Context(), Endpoint{Session: true}, QEMU)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v", err)
	}
	for _, name := range []string{"virtqemud-sock", "libvirt-sock"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}

// TestDaemonThatHangs: what accepts connections and says nothing holds up
// nobody beyond the context.
func TestDaemonThatHangs(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "libvirt-sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Dial(ctx, Endpoint{Socket: socket}, QEMU)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// TestDaemonThatHangsUp: nor what hangs up at once.
func TestDaemonThatHangsUp(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "libvirt-sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	if _, err = Dial(t.Context(), Endpoint{Socket: socket}, QEMU); err == nil {
		t.Error("it was taken for libvirt")
	}
}

// TestDoAfterTheEnd checks that a call that ends after its context has failed, even if it
// returns no error: the connection is closed by then.
func TestDoAfterTheEnd(t *testing.T) {
	for name, result := range map[string]error{"success": nil, "failure": net.ErrClosed} {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := &Conn{socket: "/srv/sock", conn: watch(ours)}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("the server stops")
		err := c.Do(ctx, func(*libvirt.Libvirt) error {
			cancel(cause)
			return result
		})
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), "/srv/sock") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
