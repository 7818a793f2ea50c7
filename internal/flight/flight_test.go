package flight

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slow is work that takes a second, counts its runs and heeds its context.
func slow(runs *int) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		*runs++
		select {
		case <-time.After(time.Second):
			return *runs, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func TestCallersShareARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[string, int]
		var runs int
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if got, err := g.Do(t.Context(), "a", slow(&runs)); got != 1 || err != nil {
					t.Errorf("%d, %v", got, err)
				}
			})
		}
		all.Wait()
		if runs != 1 {
			t.Errorf("%d runs, want 1", runs)
		}
		if got, err := g.Do(t.Context(), "a", slow(&runs)); got != 2 || err != nil {
			t.Errorf("a later caller: %d, %v", got, err)
		}
	})
}

func TestKeysDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[string, int]
		began := time.Now()
		var all sync.WaitGroup
		for _, key := range []string{"a", "b", "c"} {
			all.Go(func() {
				var runs int
				if _, err := g.Do(t.Context(), key, slow(&runs)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != time.Second {
			t.Errorf("they took %v", took)
		}
	})
}

// A caller that gives up gets its context's error at once, whether it runs the
// work or waits, and the others get the result.
func TestACallerMayLeave(t *testing.T) {
	for name, leaves := range map[string]int{"the first": 0, "a later one": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g Group[string, int]
				var runs int
				var all sync.WaitGroup
				for i := range 3 {
					all.Go(func() {
						ctx := t.Context()
						if i == leaves {
							var cancel context.CancelFunc
							ctx, cancel = context.WithTimeout(ctx, time.Second/2)
							defer cancel()
						}
						time.Sleep(time.Duration(i) * time.Millisecond)
						switch got, err := g.Do(ctx, "a", slow(&runs)); {
						case i == leaves && !errors.Is(err, context.DeadlineExceeded):
							t.Errorf("the one that leaves: %d, %v", got, err)
						case i != leaves && (got != 1 || err != nil):
							t.Errorf("one that stays: %d, %v", got, err)
						}
					})
				}
				all.Wait()
				if runs != 1 {
					t.Errorf("%d runs, want 1", runs)
				}
			})
		})
	}
}

func TestARunEndsWhenAllCallersHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[string, int]
		var runs int
		began := time.Now()
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*100*time.Millisecond)
				defer cancel()
				if _, err := g.Do(ctx, "a", slow(&runs)); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); runs != 1 || took != 300*time.Millisecond {
			t.Errorf("%d runs in %v", runs, took)
		}
	})
}

// Whoever comes while an abandoned run unwinds waits for its end and runs the
// work again: there are never two runs at once.
func TestAnAbandonedRunIsNotJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[string, int]
		active, runs := 0, 0
		work := func(ctx context.Context) (int, error) {
			if active++; active > 1 {
				t.Error("two runs at once")
			}
			runs++
			<-ctx.Done()
			time.Sleep(time.Second) // work that does not end at once
			active--
			return runs, nil
		}
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			go func() { _, _ = g.Do(ctx, "a", work) }()
			time.Sleep(2 * time.Millisecond)
		}
		if got, err := g.Do(t.Context(), "a", func(context.Context) (int, error) { return 7, nil }); got != 7 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
		if runs != 1 {
			t.Errorf("%d runs of the work, want 1: the second caller had left before it could run", runs)
		}
	})
}

func TestAPanicReachesTheCallerThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[string, int]
		go func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _ = g.Do(t.Context(), "a", func(context.Context) (int, error) {
				time.Sleep(time.Second)
				panic("x")
			})
		}()
		synctest.Wait()
		if _, err := g.Do(t.Context(), "a", nil); !errors.Is(err, errPanicked) {
			t.Errorf("error %v", err)
		}
		if got, err := g.Do(t.Context(), "a", func(context.Context) (int, error) { return 7, nil }); got != 7 || err != nil {
			t.Errorf("after the panic: %d, %v", got, err)
		}
	})
}

// A run leaves nothing behind: its context is done, and its key is free.
func TestAfterARun(t *testing.T) {
	for name, want := range map[string]error{"success": nil, "failure": errors.New("no such template")} {
		var g Group[string, int]
		var of context.Context
		got, err := g.Do(t.Context(), "a", func(ctx context.Context) (int, error) {
			of = ctx
			return 7, want
		})
		if got != 7 || err != want {
			t.Errorf("%s: %d, %v", name, got, err)
		}
		if of.Err() == nil || len(g.runs) != 0 {
			t.Errorf("%s: the context of the run is %v, and %d are under way", name, of.Err(), len(g.runs))
		}
	}
}
