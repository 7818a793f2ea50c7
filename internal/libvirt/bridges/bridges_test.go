package bridges

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
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
			t.Fatal("a network that nobody told of is taken for known")
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
	if len(r.known) > most {
		t.Errorf("%d networks are remembered", len(r.known))
	}
}
