package network

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/libvirttest"
)

// takes checks how long a call waits, in the time of the bubble.
func takes(t *testing.T, what string, want time.Duration, call func()) {
	t.Helper()
	start := time.Now()
	call()
	if took := time.Since(start); took != want {
		t.Errorf("%s took %v, want %v", what, took, want)
	}
}

// While libvirt hangs, as one that waits for a hook, nothing waits for it long, and
// the network is what it was.
func TestHungLibvirt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := View{Active: true, Bridge: "virbr7", IPv4: netip.MustParsePrefix("198.51.100.0/24"), Gateway: lanIP(1), DNS: true,
			Leased: map[netip.Addr]instance.MAC{lanIP(7): mac(7)}}
		text, err := json.Marshal(known)
		if err != nil {
			t.Fatal(err)
		}
		server := newServer(t)
		server.Silence(true)
		s := prepare(t, server, notes{"libvirt_view/lan": string(text)})
		takes(t, "Start", startTime, func() { s.must(t, s.Start(t.Context(), nil)) })
		select {
		case <-s.changed:
		default:
			t.Error("the channel has no word of the network as it was")
		}
		if view := s.View(); view.Bridge != "virbr7" || view.Leased[lanIP(7)] != mac(7) {
			t.Errorf("the network is not as it was: %+v", view)
		}
		if st := s.Status(); st.Connected || !strings.Contains(st.LastError, "did not answer") {
			t.Errorf("status is %+v", st)
		}
		synctest.Wait() // the service has begun to ask again
		takes(t, "Refresh", 0, func() {
			if s.Refresh(t.Context()) {
				t.Error("the network is another one although libvirt does not answer")
			}
		})
		web := machine(2, "web")
		takes(t, "Apply", hungTime, func() {
			if err := s.Apply(t.Context(), []instance.Event{{New: &web}}); !errors.Is(err, errBusy) {
				t.Errorf("Apply: %v", err)
			}
		})
		takes(t, "Reconfigure", hungTime, func() {
			if err := s.Reconfigure(t.Context(), s.set(), nil); !errors.Is(err, errBusy) {
				t.Errorf("Reconfigure: %v", err)
			}
		})
	})
}

// The first call that libvirt does not answer waits longer than those after it.
func TestLibvirtBeginsToHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		s := serve(t, server, notes{})
		s.stop()
		s.running.Wait()
		server.Silence(true)
		time.Sleep(fresh)
		takes(t, "Refresh", refreshTime, func() {
			if s.Refresh(t.Context()) {
				t.Error("the network is another one although libvirt does not answer")
			}
		})
		if !strings.Contains(s.log.String(), "cannot read libvirt's leases") {
			t.Errorf("logged %q", s.log)
		}
		web := machine(2, "web")
		takes(t, "Apply", applyTime, func() { _ = s.Apply(t.Context(), []instance.Event{{New: &web}}) })
		takes(t, "Reconfigure", hungTime, func() { _ = s.Reconfigure(t.Context(), s.set(), nil) })
		takes(t, "Retire", callTime, func() { _ = s.Retire(t.Context()) })
		takes(t, "Withdraw", callTime, func() {
			w := Withdraw(t.Context(), connection.Endpoint{Dialer: server, Socket: server.Socket}, "lan", noteOf(t, guest(5, "web")))
			if len(w.Problems) != 1 || len(w.Commands) != 2 {
				t.Errorf("%+v", w)
			}
		})
		server.Silence(false)
		s.must(t, s.Reconfigure(t.Context(), s.set(), nil))
		server.Silence(true)
		takes(t, "Reconfigure", applyTime, func() { _ = s.Reconfigure(t.Context(), s.set(), nil) })
	})
}

// A look of the service itself waits for libvirt as long as any call.
func TestLookAtHungLibvirt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t)
		s := serve(t, server, notes{})
		server.Silence(true)
		time.Sleep(period)
		synctest.Wait()
		lookups := server.Calls(libvirttest.NetworkLookup)
		opened := server.Calls(libvirttest.AuthList)
		time.Sleep(callTime + retryTime - 1)
		synctest.Wait()
		if n := server.Calls(libvirttest.AuthList); n != opened {
			t.Errorf("libvirt was asked again too soon: %d connections", n-opened)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if n := server.Calls(libvirttest.AuthList); n != opened+1 || server.Calls(libvirttest.NetworkLookup) != lookups {
			t.Errorf("%d new connections", n-opened)
		}
		if !s.silent() {
			t.Error("libvirt is not known to be silent")
		}
	})
}
