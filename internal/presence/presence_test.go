package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/libvirt/watch"
)

var networks = []instance.Network{
	{Name: "mds", IPv4: netip.MustParsePrefix("10.1.0.0/24")},
	{Name: "tiny", IPv4: netip.MustParsePrefix("10.2.0.0/30")},
}

// newReconciler keeps an inventory in a file of its own.
func newReconciler(t *testing.T, rest time.Duration) *Reconciler {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := boltstore.Open(t.TempDir()+"/mdserver.db", log)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Open(t.Context(), store, inventory.Options{
		Networks:   networks,
		Quarantine: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inv.Close() })
	return New(inv, func(context.Context) {}, rest, log)
}

func id(n int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)) }

func domain(n int, name, network string) watch.Domain {
	return watch.Domain{Domain: instance.Domain{Name: name, UUID: id(n), Interfaces: []instance.Interface{
		{MAC: instance.MAC{0x52, 0x54, 0, 0, 0, byte(n)}, Network: network},
	}}}
}

// guests tells every guest's name and presence.
func (r *Reconciler) guests() []string {
	var out []string
	for g := range r.inventory.Snapshot().All() {
		out = append(out, fmt.Sprint(g.Name, " ", g.Presence.State))
	}
	slices.Sort(out)
	return out
}

func (r *Reconciler) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := r.guests(); !slices.Equal(got, want) {
		t.Errorf("the guests are %q, want %q", got, want)
	}
}

func TestListed(t *testing.T) {
	r, ctx := newReconciler(t, time.Hour), t.Context()
	listed := func(unreadable []watch.Unreadable, domains ...watch.Domain) {
		t.Helper()
		if err := r.Listed(ctx, time.Now(), domains, unreadable); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.inventory.Register(ctx, domain(9, "byhand", "mds").Domain); err != nil {
		t.Fatal(err)
	}
	listed(nil, domain(1, "a", "mds"), domain(2, "b", "mds"), domain(3, "elsewhere", "other"))
	r.expect(t, "a present", "b present", "byhand ")
	listed(nil, domain(2, "b", "mds"))
	r.expect(t, "a gone", "b present", "byhand ")
	listed([]watch.Unreadable{{UUID: id(2), Name: "b", Err: errors.New("broken XML")}}, domain(1, "a", "mds"))
	r.expect(t, "a present", "b present", "byhand ")
}

// TestHookAlone: a guest of which only the hook told, before the list was asked
// for, is gone if the list does not have it: its start failed.
func TestHookAlone(t *testing.T) {
	r, ctx := newReconciler(t, time.Hour), t.Context()
	failed := domain(1, "failed", "mds").Domain
	failed.Source = instance.ByHook
	before := time.Now()
	if _, err := r.inventory.Register(ctx, failed); err != nil {
		t.Fatal(err)
	}
	if err := r.Listed(ctx, before, nil, nil); err != nil {
		t.Fatal(err)
	}
	r.expect(t, "failed ")
	if err := r.Listed(ctx, time.Now(), nil, nil); err != nil {
		t.Fatal(err)
	}
	r.expect(t, "failed gone")
}

// TestUnplugged: a domain that has left the network is no guest any more.
func TestUnplugged(t *testing.T) {
	r, ctx := newReconciler(t, time.Hour), t.Context()
	for _, step := range []struct{ network, want string }{
		{"mds", "a present"}, {"other", "a gone"}, {"mds", "a present"},
	} {
		if err := r.Seen(ctx, domain(1, "a", step.network)); err != nil {
			t.Fatal(err)
		}
		r.expect(t, step.want)
	}
	if err := r.Listed(ctx, time.Now(), []watch.Domain{domain(1, "a", "other")}, nil); err != nil {
		t.Fatal(err)
	}
	r.expect(t, "a gone")
}

// TestRenamedWhileAway: names that went from one guest to the next leave each
// guest what it was, whatever the order of the list.
func TestRenamedWhileAway(t *testing.T) {
	r, ctx := newReconciler(t, time.Hour), t.Context()
	if err := r.Listed(ctx, time.Now(), []watch.Domain{domain(1, "a", "mds"), domain(2, "b", "mds"), domain(3, "c", "mds")}, nil); err != nil {
		t.Fatal(err)
	}
	address := map[uuid.UUID]netip.Addr{}
	for g := range r.inventory.Snapshot().All() {
		address[g.UUID] = g.IPv4
	}
	if err := r.Listed(ctx, time.Now(), []watch.Domain{domain(3, "b", "mds"), domain(2, "a", "mds"), domain(1, "d", "mds")}, nil); err != nil {
		t.Fatal(err)
	}
	r.expect(t, "a present", "b present", "d present")
	if err := r.Listed(ctx, time.Now(), []watch.Domain{domain(1, "b", "mds"), domain(3, "d", "mds"), domain(2, "a", "mds")}, nil); err != nil {
		t.Fatal(err)
	}
	r.expect(t, "a present", "b present", "d present")
	for g := range r.inventory.Snapshot().All() {
		if g.IPv4 != address[g.UUID] {
			t.Errorf("%s has %s, it had %s", g.Name, g.IPv4, address[g.UUID])
		}
		if g.Hostname != g.Name {
			t.Errorf("%s has the host name %s", g.Name, g.Hostname)
		}
	}
}

// TestNameOfTheGone: a domain that has the name of one that went while nobody
// looked takes its place.
func TestNameOfTheGone(t *testing.T) {
	r, ctx := newReconciler(t, time.Hour), t.Context()
	for n := 1; n <= 2; n++ {
		if err := r.Listed(ctx, time.Now(), []watch.Domain{domain(n, "a", "mds")}, nil); err != nil {
			t.Fatal(err)
		}
		r.expect(t, "a present")
	}
}

// TestRun: what is gone is released once it has rested, also if the rest is
// shortened meanwhile, and what is away never is.
func TestRun(t *testing.T) {
	r := newReconciler(t, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		r.Run(ctx)
		close(ended)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	for n, name := range []string{"stays", "goes", "migrates"} {
		if err := r.Seen(ctx, domain(n, name, "mds")); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Left(ctx, id(1), false); err != nil {
		t.Fatal(err)
	}
	if err := r.Left(ctx, id(2), true); err != nil {
		t.Fatal(err)
	}
	r.expect(t, "goes gone", "migrates away", "stays present")
	r.SetRest(-1) // never
	r.SetRest(0)
	for deadline := time.Now().Add(20 * time.Second); len(r.guests()) == 3 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	r.expect(t, "migrates away", "stays present")
}

// The networks are refreshed before a domain becomes a guest, and not for one
// that is a guest already.
func TestRefreshBeforeNewGuests(t *testing.T) {
	r := newReconciler(t, time.Hour)
	var before []int // guests at each refresh
	r.refresh = func(context.Context) { before = append(before, r.inventory.Snapshot().Len()) }
	for _, number := range []int{1, 1, 2} {
		if err := r.Seen(t.Context(), domain(number, fmt.Sprint("web", number), "mds")); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(before, []int{0, 1}) {
		t.Errorf("refreshed with %v guests, want before the first and before the second", before)
	}
}

// A list can miss only guests that libvirt had: those that it told of, and those that the
// hook registered before the list began.
func TestMissable(t *testing.T) {
	began := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		state  instance.PresenceState
		hooked time.Time
		want   bool
	}{
		"libvirt told of it":                   {instance.Present, time.Time{}, true},
		"libvirt and the hook told of it":      {instance.Present, began.Add(time.Second), true},
		"the hook told of it before":           {"", began.Add(-1), true},
		"the hook told of it at that time":     {"", began, false},
		"the hook told of it later":            {"", began.Add(1), false},
		"it was added by hand":                 {"", time.Time{}, false},
		"it is away":                           {instance.Away, time.Time{}, false},
		"it is away, and the hook told before": {instance.Away, began.Add(-1), true},
		"it is gone":                           {instance.Gone, time.Time{}, false},
	} {
		guest := &instance.Instance{Presence: instance.Presence{State: tt.state}}
		if !tt.hooked.IsZero() {
			guest.Seen = map[string]time.Time{instance.ByHook: tt.hooked}
		}
		if got := missable(guest, began); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
