package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/libvirt/watch"
)

// memory is a store whose writes fail on demand.
type memory struct {
	*storetest.Memory
	broken atomic.Bool
	writes atomic.Int32
}

func (m *memory) Apply(ctx context.Context, changes []instance.Change) error {
	m.writes.Add(1)
	if m.broken.Load() {
		return errors.New("no space left on device")
	}
	return m.Memory.Apply(ctx, changes)
}

// inBubble runs a test with a reconciler whose clock is that of the test. What it
// logs is kept.
func inBubble(t *testing.T, rest time.Duration, test func(t *testing.T, r *Reconciler, store *memory, log *strings.Builder)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, log := &memory{Memory: storetest.NewMemory()}, &strings.Builder{}
		opts := inventory.Options{Networks: networks, Now: time.Now, OwnNames: []string{"router"}}
		inv, err := inventory.Open(t.Context(), store, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer inv.Close()
		test(t, New(inv, func(context.Context) {}, rest, slog.New(slog.NewTextHandler(log, nil))), store, log)
	})
}

// run runs the reconciler until the test ends.
func (r *Reconciler) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		r.Run(ctx)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// sleep lets time pass, and then all work that is due be done.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// seen registers running guests that are called by their number, as "g1".
func (r *Reconciler) seen(t *testing.T, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		if err := r.Seen(t.Context(), domain(n, fmt.Sprint("g", n), "mds")); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *Reconciler) left(t *testing.T, n int, away bool) {
	t.Helper()
	if err := r.Left(t.Context(), id(n), away); err != nil {
		t.Fatal(err)
	}
}

func TestGuestsAreReleasedWhenTheyHaveRested(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, log *strings.Builder) {
		r.run(t)
		r.seen(t, 1, 2, 3, 4)
		synctest.Wait()
		r.left(t, 4, true)
		r.left(t, 1, false)
		sleep(10 * time.Minute)
		r.left(t, 2, false)
		sleep(50*time.Minute - time.Nanosecond)
		r.expect(t, "g1 gone", "g2 gone", "g3 present", "g4 away")
		sleep(time.Nanosecond)
		r.expect(t, "g2 gone", "g3 present", "g4 away")
		sleep(10*time.Minute - time.Nanosecond)
		r.expect(t, "g2 gone", "g3 present", "g4 away")
		sleep(time.Nanosecond)
		r.expect(t, "g3 present", "g4 away")
		sleep(1000 * time.Hour)
		r.expect(t, "g3 present", "g4 away")
		if n := strings.Count(log.String(), "guest released: libvirt no longer has it"); n != 2 {
			t.Errorf("the log tells of %d releases, want 2:\n%s", n, log)
		}
	})
}

// A list can tell that the first one is gone long after another one is.
func TestTheNextReleaseIsTheEarliest(t *testing.T) {
	for _, order := range [][]int{{1, 2, 3}, {3, 2, 1}, {2, 3, 1}, {2, 1, 3}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
				r.seen(t, 1, 2, 3)
				for _, n := range order {
					r.left(t, n, false)
					sleep(time.Minute)
				}
				if next, want := r.release(t.Context()), 57*time.Minute; next != want {
					t.Errorf("the next release is in %s, want in %s", next, want)
				}
			})
		})
	}
}

// The release of one guest forgets none of the others, in whatever order the
// inventory has them. Guests that are there need no release.
func TestTheReleaseAfterARelease(t *testing.T) {
	for first := 1; first <= 3; first++ {
		inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
			r.seen(t, 1, 2, 3)
			if next := r.release(t.Context()); next >= 0 {
				t.Errorf("a release is due in %s, though no guest is gone", next)
			}
			r.left(t, first, false)
			sleep(time.Minute)
			for n := 1; n <= 3; n++ {
				r.left(t, n, false)
			}
			sleep(59 * time.Minute)
			if next, left := r.release(t.Context()), len(r.guests()); next != time.Minute || left != 2 {
				t.Errorf("after the release of g%d, %d guests are left and the next release is in %s", first, left, next)
			}
		})
	}
}

func TestAnotherRest(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after time.Duration
		left          time.Duration // after half an hour
	}{
		{"shorter", time.Hour, 40 * time.Minute, 10 * time.Minute},
		{"over already", time.Hour, 20 * time.Minute, 0},
		{"none", time.Hour, 0, 0},
		{"longer", time.Hour, 2 * time.Hour, 90 * time.Minute},
		{"of those kept for ever", -1, time.Hour, 30 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.before, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
				r.run(t)
				r.seen(t, 1)
				r.left(t, 1, false)
				sleep(30 * time.Minute)
				r.SetRest(tt.after)
				if tt.left > 0 {
					sleep(tt.left - time.Nanosecond)
					r.expect(t, "g1 gone")
					sleep(time.Nanosecond)
				}
				synctest.Wait()
				r.expect(t)
			})
		})
	}
}

func TestNeverReleased(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
		r.run(t)
		r.seen(t, 1)
		r.left(t, 1, false)
		r.SetRest(-1)
		sleep(10000 * time.Hour)
		r.expect(t, "g1 gone")
	})
}

func TestAFailedReleaseIsTriedAgain(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, store *memory, log *strings.Builder) {
		r.run(t)
		r.seen(t, 1)
		r.left(t, 1, false)
		store.broken.Store(true)
		before := store.writes.Load()
		sleep(time.Hour + 2*retryTime)
		r.expect(t, "g1 gone")
		if n := store.writes.Load() - before; n != 3 {
			t.Errorf("tried %d times, want 3", n)
		}
		if !strings.Contains(log.String(), "a removed guest could not be released") {
			t.Errorf("the log says nothing of the failure:\n%s", log)
		}
		store.broken.Store(false)
		sleep(retryTime)
		r.expect(t)
	})
}

// A release that fails keeps no other one from its time.
func TestAFailedReleaseAndAnEarlierOne(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, store *memory, _ *strings.Builder) {
		r.seen(t, 1, 2)
		r.left(t, 1, false)
		sleep(retryTime / 2)
		r.left(t, 2, false)
		sleep(time.Hour - retryTime/2)
		store.broken.Store(true)
		if next := r.release(t.Context()); next != retryTime/2 {
			t.Errorf("the next release is in %s, want in %s", next, retryTime/2)
		}
	})
}

// Nothing is said of releases that fail because the server stops.
func TestNoErrorAtAStop(t *testing.T) {
	inBubble(t, 0, func(t *testing.T, r *Reconciler, _ *memory, log *strings.Builder) {
		r.seen(t, 1)
		r.left(t, 1, false)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if next := r.release(ctx); next != retryTime || strings.Contains(log.String(), "not released") {
			t.Errorf("the next release is in %s, and the log is\n%s", next, log)
		}
	})
}

// A guest that comes back while its release is decided stays.
func TestBackInTime(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, log *strings.Builder) {
		r.seen(t, 1)
		r.left(t, 1, false)
		gone, _ := r.inventory.Snapshot().ByUUID(id(1))
		sleep(time.Hour)
		r.seen(t, 1)
		if wait := r.releaseOne(t.Context(), gone, r.inventory.Now()); wait >= 0 {
			t.Errorf("it is to be tried again in %s", wait)
		}
		r.expect(t, "g1 present")
		if strings.Contains(log.String(), "guest released") {
			t.Errorf("the log tells of a release:\n%s", log)
		}
	})
}

// logged is told of each line of a log.
type logged func(line string)

func (f logged) Write(line []byte) (int, error) {
	f(string(line))
	return len(line), nil
}

// A guest that comes back and goes again while another one is released rests anew.
func TestBackAndGoneAgain(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
		r.seen(t, 1, 2)
		r.left(t, 1, false)
		r.left(t, 2, false)
		sleep(time.Hour)
		released := 0
		r.log = slog.New(slog.NewTextHandler(logged(func(line string) {
			if released++; released > 1 {
				return
			}
			other := 2
			if strings.Contains(line, "guest=g2") {
				other = 1
			}
			d := domain(other, fmt.Sprint("g", other), "mds").Domain
			if _, err := r.inventory.Observe(t.Context(), d, true); err != nil {
				t.Error(err)
			}
			if missed, err := r.inventory.Miss(t.Context(), d.UUID, false); !missed || err != nil {
				t.Errorf("missed: %v, %v", missed, err)
			}
		}), nil))
		r.release(t.Context())
		if left := r.guests(); len(left) != 1 || !strings.HasSuffix(left[0], " gone") {
			t.Errorf("guests are %q, want one that is gone", left)
		}
		if next := r.release(t.Context()); next != time.Hour {
			t.Errorf("its release is in %s", next)
		}
	})
}

// Whoever has moved to another host stays away, also if only the hook told of
// the guest before, and whatever later lists say.
func TestAwayIsNotGone(t *testing.T) {
	for _, source := range []string{instance.ByHook, instance.ByLibvirt} {
		t.Run(source, func(t *testing.T) {
			inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
				guest := domain(1, "g1", "mds").Domain
				guest.Source = source
				if _, err := r.inventory.Register(t.Context(), guest); err != nil {
					t.Fatal(err)
				}
				if source == instance.ByLibvirt {
					r.seen(t, 1)
				}
				r.left(t, 1, true)
				r.expect(t, "g1 away")
				r.run(t)
				for range 3 {
					sleep(time.Hour)
					if err := r.Listed(t.Context(), time.Now(), nil, nil); err != nil {
						t.Fatal(err)
					}
					r.left(t, 1, false)
				}
				r.expect(t, "g1 away")
			})
		})
	}
}

func TestFailures(t *testing.T) {
	failed := inventory.ErrStore
	for _, tt := range []struct {
		name string
		do   func(ctx context.Context, r *Reconciler) error
		want error
	}{
		{"a new guest", func(ctx context.Context, r *Reconciler) error { return r.Seen(ctx, domain(2, "g2", "mds")) }, failed},
		{"one that leaves", func(ctx context.Context, r *Reconciler) error { return r.Left(ctx, id(1), false) }, failed},
		{"one that is unplugged", func(ctx context.Context, r *Reconciler) error { return r.Unplugged(ctx, id(1)) }, failed},
		{"one that is seen elsewhere", func(ctx context.Context, r *Reconciler) error { return r.Seen(ctx, domain(1, "g1", "other")) }, failed},
		{"one that is in no list", func(ctx context.Context, r *Reconciler) error { return r.Listed(ctx, r.inventory.Now(), nil, nil) }, failed},
		{"one that is not known whole", func(ctx context.Context, r *Reconciler) error {
			d := domain(3, "g3", "other")
			d.Incomplete = true
			return r.Seen(ctx, d)
		}, denied.ErrNoInterface},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, store *memory, log *strings.Builder) {
				r.seen(t, 1)
				store.broken.Store(true)
				before := log.Len()
				if err := tt.do(t.Context(), r); !errors.Is(err, tt.want) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
				r.expect(t, "g1 present")
				if log.Len() != before {
					t.Errorf("logged %q", log.String()[before:])
				}
			})
		})
	}
}

// A listed domain that cannot be registered is logged, and the others are.
func TestAFailedDomainOfAList(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, store *memory, log *strings.Builder) {
		twin := domain(1, "twin", "mds")
		twin.UUID = id(2)
		domains := []watch.Domain{domain(1, "g1", "mds"), domain(3, "g3", "mds")}
		if err := r.Listed(t.Context(), time.Now(), domains, nil); err != nil {
			t.Fatal(err)
		}
		if text := log.String(); strings.Contains(text, "WARN") || strings.Count(text, "guest found in libvirt") != 2 {
			t.Errorf("the log tells of two guests, and no warning:\n%s", text)
		}
		if err := r.Listed(t.Context(), time.Now(), append(domains, twin), nil); err != nil {
			t.Fatal(err)
		}
		r.expect(t, "g1 present", "g3 present")
		if !strings.Contains(log.String(), `msg="guest not updated from its domain" guest=twin`) {
			t.Errorf("the log does not tell of the twin:\n%s", log)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := log.Len()
		if err := r.Listed(ctx, time.Now(), domains, nil); !errors.Is(err, context.Canceled) || log.Len() != before {
			t.Errorf("error %v, logged %q", err, log.String()[before:])
		}
	})
}

func TestManyDomainsAreListed(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
		var domains []watch.Domain
		for n := range 2 * atOnce {
			d := domain(n, fmt.Sprint("g", n), "mds")
			d.Interfaces[0].MAC[4] = byte(n >> 8)
			domains = append(domains, d)
		}
		if err := r.Listed(t.Context(), time.Now(), domains, nil); err != nil {
			t.Fatal(err)
		}
		if got := len(r.guests()); got != len(domains) {
			t.Errorf("%d guests, want %d", got, len(domains))
		}
	})
}

func TestLogged(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, log *strings.Builder) {
		expect := func(want ...string) {
			t.Helper()
			for _, text := range want {
				if !strings.Contains(log.String(), text) {
					t.Errorf("the log has no %q:\n%s", text, log)
				}
			}
			if n := strings.Count(log.String(), "\n"); n != len(want) {
				t.Errorf("%d lines are logged, want %d:\n%s", n, len(want), log)
			}
			log.Reset()
		}
		r.seen(t, 1)
		expect(`msg="guest found in libvirt" guest=g1`)
		r.seen(t, 1)
		expect()
		r.left(t, 1, false)
		expect(`msg="libvirt no longer has a guest on these networks" guest=g1`)
		r.left(t, 1, false)
		r.left(t, 99, false)
		expect()
		again := domain(1, "again", "mds")
		again.UUID = id(2)
		if err := r.Seen(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		expect(`msg="guest found in libvirt" guest=again`, `msg="guest released early`)
		if err := r.Seen(t.Context(), domain(3, "router", "mds")); err != nil {
			t.Fatal(err)
		}
		expect(`msg="guest found in libvirt" guest=router`, `msg="a guest's host name differs from its domain's name" guest=router`)
		for n := 4; n <= 8; n++ {
			log.Reset()
			if err := r.Seen(t.Context(), domain(n, fmt.Sprint("g", n), "tiny")); err != nil {
				t.Fatal(err)
			}
		}
		expect(`msg="guest found in libvirt" guest=g8`, `level=ERROR msg="a guest has no address" guest=g8`)
		r.Unread(watch.Unreadable{UUID: id(9), Name: "bad", Err: errors.New("broken XML")})
		expect()
		if refused := slices.Collect(slices.Values(r.inventory.Refusals().All())); len(refused) != 1 || refused[0].Reason != "its definition cannot be read: broken XML" || refused[0].Source != instance.ByLibvirt || refused[0].UUID != id(9) {
			t.Errorf("refused are %+v", refused)
		}
	})
}

func TestDomains(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
		expect := func(want int) {
			t.Helper()
			if got := r.Domains(); got != want {
				t.Errorf("%d domains, want %d", got, want)
			}
		}
		expect(0)
		r.seen(t, 1, 2, 3)
		expect(3)
		r.left(t, 2, false)
		expect(2)
		if err := r.Listed(t.Context(), time.Now(), []watch.Domain{domain(4, "g4", "other"), domain(5, "g5", "mds")}, []watch.Unreadable{{UUID: id(1), Name: "g1", Err: errors.New("broken")}}); err != nil {
			t.Fatal(err)
		}
		expect(3)
		if err := r.Listed(t.Context(), time.Now(), nil, []watch.Unreadable{{UUID: id(1), Name: "g1", Err: errors.New("broken")}}); err != nil {
			t.Fatal(err)
		}
		expect(1)
		if _, known := r.Running(id(1)); !known {
			t.Error("a domain that cannot be read is forgotten")
		}
	})
}

// A domain that left and came back was started since, whatever was found first.
func TestFoundRunningIsForgotten(t *testing.T) {
	inBubble(t, time.Hour, func(t *testing.T, r *Reconciler, _ *memory, _ *strings.Builder) {
		listed := func(running bool) {
			t.Helper()
			d := domain(1, "g1", "mds")
			d.Running = running
			if err := r.Listed(t.Context(), time.Now(), []watch.Domain{d}, nil); err != nil {
				t.Fatal(err)
			}
		}
		listed(true)
		if !r.FoundRunning(id(1)) {
			t.Error("not found running")
		}
		r.left(t, 1, false)
		if r.FoundRunning(id(1)) {
			t.Error("a domain that left is still said to have been found running")
		}
		listed(false)
		if r.FoundRunning(id(1)) {
			t.Error("a domain that does not run was found running")
		}
	})
}
