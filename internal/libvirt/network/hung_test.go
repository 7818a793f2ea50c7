package network

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
)

// notes are Notes in memory.
type notes map[string]string

func (n notes) Note(_ context.Context, key string) (string, error) { return n[key], nil }

func (n notes) SetNote(_ context.Context, key, text string) error {
	n[key] = text
	return nil
}

// hung is a libvirtd that accepts connections and says nothing, as one that waits
// for a hook.
func hung(t *testing.T) connection.Endpoint {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libvirt-sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return connection.Endpoint{Socket: path}
}

// While libvirt hangs, nothing waits for it long, and the network is what it was.
func TestHungLibvirt(t *testing.T) {
	known := View{Active: true, Bridge: "virbr0", IPv4: netip.MustParsePrefix("192.168.122.0/24"), Gateway: netip.MustParseAddr("192.168.122.1"), DNS: true,
		Leased: map[netip.Addr]instance.MAC{netip.MustParseAddr("192.168.122.7"): {0x52, 0x54, 0, 0, 0, 7}}}
	text, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan struct{}, 1)
	s := New(Settings{Name: "default", Endpoint: hung(t)}, notes{"libvirt_view/default": string(text)}, changed, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = s.Close() })

	within(t, "Start", startTime, func(ctx context.Context) error { return s.Start(ctx, nil) })
	select {
	case <-changed:
	default:
		t.Error("nobody is told of the network as it was")
	}
	if view := s.View(); view.Bridge != "virbr0" || view.Leased[netip.MustParseAddr("192.168.122.7")] != known.Leased[netip.MustParseAddr("192.168.122.7")] {
		t.Errorf("the network is not as it was: %+v", view)
	}
	if st := s.Status(); st.Connected || !strings.Contains(st.LastError, "did not answer") {
		t.Errorf("status is %+v", st)
	}
	within(t, "Refresh", refreshTime, func(ctx context.Context) error {
		if s.Refresh(ctx) {
			return errors.New("the network is another one although libvirt does not answer")
		}
		return nil
	})
	for i := range 3 {
		guest := instance.Instance{UUID: uuid.UUID{byte(i)}, Network: "default", MAC: instance.MAC{5: byte(i)}, IPv4: netip.AddrFrom4([4]byte{192, 168, 122, byte(10 + i)})}
		within(t, "Apply", hungTime, func(ctx context.Context) error {
			if err := s.Apply(ctx, []instance.Event{{New: &guest}}); err == nil {
				return errors.New("a change is live although libvirt does not answer")
			}
			return nil
		})
	}
	within(t, "Reconfigure", hungTime, func(ctx context.Context) error {
		if err := s.Reconfigure(ctx, s.set(), nil); err == nil {
			return errors.New("a change is live although libvirt does not answer")
		}
		return nil
	})
}

// within fails a call that does not keep to its limit, with room for a slow machine.
func within(t *testing.T, what string, limit time.Duration, call func(context.Context) error) {
	t.Helper()
	const room = 3 * time.Second
	done := make(chan error, 1)
	go func() { done <- call(t.Context()) }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(limit + room):
		t.Fatalf("%s still waits after %v", what, limit+room)
	}
}
