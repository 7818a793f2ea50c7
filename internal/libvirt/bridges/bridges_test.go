package bridges

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/libvirttest"
)

// on is a domain with one interface on a network.
func on(network, bridge string) instance.Domain {
	return instance.Domain{Interfaces: []instance.Interface{{Network: network, Bridge: bridge}}}
}

// newResolver serves the network mds by its name and asks lookup for others.
func newResolver(t *testing.T, lookup func(context.Context, string) (string, error)) *Resolver {
	t.Helper()
	r := New(connection.Endpoint{Socket: t.TempDir() + "/none"}, func(name string) bool { return name == "mds" }, slog.New(slog.DiscardHandler))
	if lookup != nil {
		r.lookup = lookup
	}
	t.Cleanup(r.Close)
	return r
}

func TestComplete(t *testing.T) {
	asked := 0
	r := newResolver(t, func(_ context.Context, name string) (string, error) {
		asked++
		return map[string]string{"alias": "br-mds"}[name], nil
	})
	for _, tt := range []struct{ network, bridge, want string }{
		{"alias", "", "br-mds"},
		{"alias", "", "br-mds"}, // remembered
		{"alias", "br-live", "br-live"},
		{"mds", "", ""},
		{"hostdev", "", ""},
		{"", "", ""},
	} {
		before := on(tt.network, tt.bridge)
		after := r.Complete(t.Context(), before)
		if got := after.Interfaces[0].Bridge; got != tt.want || after.Incomplete {
			t.Errorf("%+v has the bridge %q (incomplete: %v), want %q", tt, got, after.Incomplete, tt.want)
		}
		if before.Interfaces[0].Bridge != tt.bridge {
			t.Error("the domain that was passed has changed")
		}
	}
	if asked != 2 {
		t.Errorf("libvirt was asked %d times, want once for each network that it alone knows", asked)
	}
}

// A libvirt that hangs is waited for once, for a short time; what it said
// before counts meanwhile.
func TestSilence(t *testing.T) {
	silent := false
	r := newResolver(t, func(ctx context.Context, _ string) (string, error) {
		if silent {
			<-ctx.Done()
			return "", ctx.Err()
		}
		return "br-mds", nil
	})
	r.Complete(t.Context(), on("alias", ""))
	r.known["alias"] = answer{"br-mds", time.Now().Add(-2 * fresh)}
	silent = true
	for range 100 {
		if d := r.Complete(t.Context(), on("alias", "")); d.Interfaces[0].Bridge != "br-mds" || d.Incomplete {
			t.Fatalf("what libvirt said before is forgotten: %+v", d)
		}
		if d := r.Complete(t.Context(), on("other", "")); !d.Incomplete {
			t.Fatal("a network that libvirt was not asked for counts as known")
		}
	}
}

// Where there is no libvirt, nothing is known; without a Resolver nothing is
// asked.
func TestNoLibvirt(t *testing.T) {
	r := newResolver(t, nil)
	if d := r.Complete(t.Context(), on("alias", "")); !d.Incomplete {
		t.Errorf("complete without a libvirt: %+v", d)
	}
	var off *Resolver
	if d := off.Complete(t.Context(), on("alias", "")); d.Incomplete || len(d.Interfaces) != 1 {
		t.Errorf("changed without a Resolver: %+v", d)
	}
	off.Close()
	if isNone(errors.New("connection reset")) {
		t.Error("a lost connection is taken for an answer")
	}
}

// However many networks are named, memory is bounded.
func TestBounded(t *testing.T) {
	r := newResolver(t, func(context.Context, string) (string, error) { return "", nil })
	for n := range 3 * most {
		r.Complete(t.Context(), on(string(rune('a'+n%26))+time.Duration(n).String(), ""))
	}
	if len(r.known) != most {
		t.Errorf("%d networks are remembered, want the last %d", len(r.known), most)
	}
}

// An answer is believed for as long as it is fresh, and a libvirt that failed is
// left alone for a while.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var failure error
		r := newResolver(t, func(ctx context.Context, _ string) (string, error) {
			deadline, ok := ctx.Deadline()
			if left := time.Until(deadline); !ok || left != askTime {
				t.Errorf("libvirt has %v to answer, want %v", left, askTime)
			}
			asked++
			return "br-mds", failure
		})
		for _, step := range []struct {
			wait    time.Duration
			network string
			failure error
			asked   int
		}{
			{0, "alias", nil, 1},
			{fresh - 1, "alias", nil, 1},
			{1, "alias", errors.New("gone"), 2}, // no longer fresh
			{fresh, "alias", nil, 2},            // libvirt has failed
			{fresh - 1, "other", nil, 2},
			{1, "other", nil, 3},
			{0, "alias", nil, 4},
		} {
			time.Sleep(step.wait)
			failure = step.failure
			d := r.Complete(t.Context(), on(step.network, ""))
			if asked != step.asked {
				t.Fatalf("%+v: libvirt was asked %d times", step, asked)
			}
			if known := step.network == "alias" || step.asked > 2; d.Incomplete == known {
				t.Errorf("%+v: %+v", step, d)
			}
		}
	})
}

// One network that is not known makes the whole domain incomplete, and a domain
// that was incomplete stays so.
func TestIncomplete(t *testing.T) {
	r := newResolver(t, nil)
	r.known["alias"] = answer{"br-mds", time.Now()}
	d := instance.Domain{Interfaces: []instance.Interface{{Network: "other"}, {Network: "alias"}}}
	if d := r.Complete(t.Context(), d); !d.Incomplete || d.Interfaces[1].Bridge != "br-mds" {
		t.Errorf("%+v", d)
	}
	if d := r.Complete(t.Context(), instance.Domain{Incomplete: true}); !d.Incomplete {
		t.Errorf("%+v", d)
	}
}

// ask uses one connection while it lasts, and takes libvirt's word for a network
// that has no bridge.
func TestAsk(t *testing.T) {
	s := libvirttest.New(t)
	s.SetBridge("lan", "br-lan")
	s.SetBridge("hostdev", "")
	e := connection.Endpoint{Socket: s.Socket}
	r := New(e, func(string) bool { return false }, slog.New(slog.DiscardHandler))
	ask := func(network, want string) {
		t.Helper()
		if bridge, err := r.ask(t.Context(), e, network); err != nil || bridge != want {
			t.Errorf("%s: bridge %q, %v; want %q", network, bridge, err, want)
		}
	}
	ask("lan", "br-lan")
	ask("hostdev", "")
	ask("no such network", "")
	if n := s.Calls(libvirttest.ConnectOpen); n != 1 {
		t.Errorf("%d connections for three questions", n)
	}
	if d := r.Complete(t.Context(), on("lan", "")); d.Incomplete || d.Interfaces[0].Bridge != "br-lan" {
		t.Errorf("%+v", d)
	}

	s.HangUp()
	<-r.conn.Done()
	ask("lan", "br-lan")
	if n := s.Calls(libvirttest.ConnectOpen); n != 2 {
		t.Errorf("%d connections after libvirt has closed one", n)
	}

	s.Refuse(libvirttest.NetworkLookup, golibvirt.ErrOperationFailed)
	if bridge, err := r.ask(t.Context(), e, "lan"); err == nil || bridge != "" || r.conn != nil {
		t.Errorf("bridge %q, %v; connection kept: %v", bridge, err, r.conn != nil)
	}
	s.Refuse(libvirttest.NetworkLookup, 0)
	ask("lan", "br-lan")

	s.Silence(true)
	if d := r.Complete(t.Context(), on("another", "")); !d.Incomplete || r.conn != nil {
		t.Errorf("%+v of a silent libvirt; connection kept: %v", d, r.conn != nil)
	}
	s.Silence(false)
	ask("lan", "br-lan")
	r.Close()
	for range 1000 {
		if s.Connections() == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the connection stays open after Close")
}
