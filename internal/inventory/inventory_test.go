package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storetest"
)

func TestFind(t *testing.T) {
	l := newLab(t)
	guest := l.MustRegister(dom(1, "Web 1", "ipv4", "10.0.0.9")).Instance
	for _, ref := range []string{"Web 1", "web-1", uid(1).String(), "10.0.0.9", "::ffff:10.0.0.9", mac(1).String(), guest.ID} {
		if got, err := l.Snapshot().Find(ref); err != nil || got.UUID != uid(1) {
			t.Errorf("Find(%q) = %v, %v", ref, got, err)
		}
	}
	for _, ref := range []string{"", "web1", uid(2).String(), "10.0.0.8", mac(1 << 21).String(), "00:00:00:00:00:00"} {
		if got, err := l.Snapshot().Find(ref); !errors.Is(err, denied.ErrNotFound) {
			t.Errorf("Find(%q) = %v, %v", ref, got, err)
		}
	}
	l.MustRegister(dom(2, "10.0.0.9"))
	if _, err := l.Release(t.Context(), "10.0.0.9"); !errors.Is(err, denied.ErrAmbiguous) || !strings.Contains(err.Error(), guest.ID) {
		t.Errorf("a name like another's address: %v", err)
	}
	if l.Snapshot().Len() != 2 {
		t.Error("an ambiguous reference released a guest")
	}
}

func TestAllIsSorted(t *testing.T) {
	l := newLab(t)
	for n, name := range []string{"b", "a", "ab", "Z", "é", "a b"} {
		l.MustRegister(dom(n, name))
	}
	var names []string
	for guest := range l.Snapshot().All() {
		names = append(names, guest.Name)
	}
	if want := []string{"Z", "a", "a b", "ab", "b", "é"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	for range l.Snapshot().All() {
		break // an iteration may end early
	}
}

func TestImportSkipsConflicts(t *testing.T) {
	l := newLab(t)
	l.MustRegister(dom(1, "live", "ipv4", "10.0.0.9"))
	record := func(n int, name string) instance.Instance {
		return instance.Instance{ID: fmt.Sprint("i-", n), Name: name, UUID: uid(n), MAC: mac(n), IPv4: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})}
	}
	sameMAC, sameAddr, sameID := record(5, "mac"), record(6, "addr"), record(7, "id")
	sameMAC.MAC, sameAddr.IPv4, sameID.ID = mac(1), netip.MustParseAddr("10.0.0.9"), "i-4"
	noID := record(8, "no id")
	noID.ID = ""
	result, err := l.Import(t.Context(), []instance.Instance{
		record(3, "Web 1"), record(4, "web-1"), record(1, "uuid"), record(2, "live"), sameMAC, sameAddr, sameID, record(9, "a/b"), noID,
	})
	if err != nil {
		t.Fatal(err)
	}
	kinds := []error{denied.ErrUUIDTaken, denied.ErrNameTaken, denied.ErrMACInUse, denied.ErrAddressTaken, denied.ErrIDTaken, denied.ErrInvalid}
	for _, kind := range kinds {
		if !slices.ContainsFunc(result.Skipped, func(s inventory.ImportSkip) bool { return errors.Is(s.Err, kind) }) {
			t.Errorf("nothing was skipped for %v: %v", kind, result.Skipped)
		}
	}
	if len(result.Skipped) != len(kinds) || len(result.Added) != 3 {
		t.Errorf("added %d, skipped %d", len(result.Added), len(result.Skipped))
	}
	if guest, ok := l.Snapshot().ByHostname("web-1"); !ok || guest.Name != "web-1" {
		t.Error("a derived host name displaced a guest that is called so")
	}
	if guest, ok := l.Snapshot().ByName("no id"); !ok || guest.ID != instance.DeriveID(uid(8)) || guest.FirstSeen.IsZero() {
		t.Errorf("%+v", guest)
	}
}

func TestFeed(t *testing.T) {
	l := newLab(t)
	l.MustRegister(dom(0, "before"))
	sub := l.Subscribe()
	if sub.Start().Len() != 1 {
		t.Error("the feed starts with another inventory than the one at hand")
	}
	l.MustRegister(dom(1, "a"))
	l.MustRegister(dom(1, "b"))
	l.MustRegister(dom(2, "b"))
	l.MustRelease("b")
	events, err := sub.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, nameOf(e.Old)+">"+nameOf(e.New))
	}
	if want := []string{">a", "a>b", "b>", ">b", "b>"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	if sub.Revision() != l.Snapshot().Revision() {
		t.Errorf("revision %d, want %d", sub.Revision(), l.Snapshot().Revision())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sub.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next with an ended context: %v", err)
	}
	l.MustRegister(dom(3, "last"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if events, err := sub.Next(t.Context()); len(events) != 1 || err != nil {
		t.Errorf("after Close: %v, %v; want the last event", events, err)
	}
	if _, err := sub.Next(t.Context()); !errors.Is(err, inventory.ErrClosed) {
		t.Errorf("at the end: %v", err)
	}
}

func nameOf(guest *instance.Instance) string {
	if guest == nil {
		return ""
	}
	return guest.Name
}

func TestClosedSubscription(t *testing.T) {
	l := newLab(t)
	sub := l.Subscribe()
	ended := make(chan error)
	go func() {
		_, err := sub.Next(background())
		ended <- err
	}()
	sub.Close()
	sub.Close()
	if err := <-ended; !errors.Is(err, inventory.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestClosedInventory(t *testing.T) {
	l := newLab(t)
	l.MustRegister(dom(1, "a"))
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Register(t.Context(), dom(2, "b")); !errors.Is(err, inventory.ErrClosed) {
		t.Errorf("%v", err)
	}
	if l.Snapshot().Len() != 1 {
		t.Error("the snapshot is gone")
	}
}

// gate is a store whose writes wait to be let through, or fail.
type gate struct {
	*storetest.Memory
	entered chan int   // number of changes of a write
	result  chan error // what becomes of it
}

func (g *gate) Apply(ctx context.Context, changes []instance.Change) error {
	g.entered <- len(changes)
	if err := <-g.result; err != nil {
		return err
	}
	return g.Memory.Apply(ctx, changes)
}

func newGate() *gate {
	return &gate{storetest.NewMemory(), make(chan int), make(chan error)}
}

func TestGroupCommitAndFailure(t *testing.T) {
	g := newGate()
	l := labOn(t, g)
	broken := errors.New("disk full")
	answers := make(chan error, 20)
	register := func(ctx context.Context, d instance.Domain) {
		_, err := l.Register(ctx, d)
		answers <- err
	}
	go register(t.Context(), dom(0, "first"))
	<-g.entered
	// While the first is being written, others queue up; one of them is
	// refused, and one gives up.
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error)
	go func() {
		_, err := l.Register(ctx, dom(9, "gives up"))
		cancelled <- err
	}()
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while queued: %v", err)
	}
	if l.Snapshot().Len() != 0 {
		t.Error("published before it is durable")
	}
	g.result <- nil
	if err := <-answers; err != nil {
		t.Fatal(err)
	}
	before := l.Snapshot()
	go register(t.Context(), dom(1, "second"))
	<-g.entered
	g.result <- broken
	if err := <-answers; !errors.Is(err, inventory.ErrStore) || !errors.Is(err, broken) {
		t.Errorf("store failure: %v", err)
	}
	if l.Snapshot() != before {
		t.Error("a failed write was published")
	}
	if _, ok := l.Snapshot().ByName("gives up"); ok {
		t.Error("a cancelled request was applied")
	}
	go register(t.Context(), dom(1, "second"))
	<-g.entered
	g.result <- nil
	if err := <-answers; err != nil || l.Snapshot().Len() != 2 {
		t.Errorf("after the failure: %v, %d guests", err, l.Snapshot().Len())
	}
}

// TestContradictoryStore: guests that contradict each other are set aside,
// since nothing tells which of them is right, and all others are served.
func TestContradictoryStore(t *testing.T) {
	a := instance.Instance{ID: "i-1", Name: "a", Hostname: "a", UUID: uid(1), MAC: mac(1)}
	b := instance.Instance{ID: "i-2", Name: "b", Hostname: "b", UUID: uid(2), MAC: mac(1)}
	c := instance.Instance{ID: "i-3", Name: "c", Hostname: "c", UUID: uid(3), MAC: mac(3)}
	incomplete := instance.Instance{Name: "d", UUID: uid(4)}
	memory := storetest.NewMemory()
	if err := memory.Apply(t.Context(), []instance.Change{{Put: []instance.Instance{a, b, c, incomplete}}}); err != nil {
		t.Fatal(err)
	}
	l := labOn(t, memory)
	if _, ok := l.Snapshot().ByName("c"); !ok || l.Snapshot().Len() != 1 {
		t.Errorf("%d guests are served, want c alone", l.Snapshot().Len())
	}
	if table, err := memory.Load(t.Context()); err != nil || len(table.Instances) != 1 {
		t.Errorf("the store has %v, %v", table.Instances, err)
	}
}

// TestManyAtOnce has 64 writers, and readers that check each snapshot.
func TestManyAtOnce(t *testing.T) {
	l := newLab(t, func(o *inventory.Options) { o.Networks[0].IPv4 = netip.MustParsePrefix("10.0.0.0/16") })
	sub := l.Subscribe()
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	for w := range 64 {
		writers.Go(func() {
			for i := range 10 {
				n := w*100 + i
				if _, err := l.Register(background(), dom(n, fmt.Sprint("g", n))); err != nil {
					t.Error(err)
				}
				if i%3 == 0 {
					if _, err := l.Release(background(), uid(n).String()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				s := l.Snapshot()
				count := 0
				for guest := range s.All() {
					count++
					if got, ok := s.ByAddr(guest.IPv4); !ok || got != guest {
						t.Errorf("%v leads to another guest", guest.IPv4)
					}
				}
				if count != s.Len() {
					t.Errorf("%d guests by name, %d in all", count, s.Len())
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if got := l.Snapshot().Len(); got != 64*6 {
		t.Errorf("%d guests, want %d", got, 64*6)
	}
	events := 0
	for events < 64*14 {
		batch, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		events += len(batch)
	}
	if events != 64*14 {
		t.Errorf("%d events, want %d", events, 64*14)
	}
}
