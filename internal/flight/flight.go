// Package flight lets callers that want the same thing at the same time share
// one run of the work that makes it. Unlike golang.org/x/sync/singleflight, a
// run is cancelled when no caller waits for its result any more.
package flight

import (
	"context"
	"errors"
	"sync"
)

// errPanicked is what the callers that wait get if the work panics. The caller
// that runs the work gets the panic.
var errPanicked = errors.New("the shared work panicked")

// Group keeps at most one run under way for each key. The zero Group is ready
// to use and safe for concurrent use.
type Group[K comparable, V any] struct {
	mu   sync.Mutex
	runs map[K]*run[V]
}

// run is one run of the work.
type run[V any] struct {
	ctx     context.Context
	cancel  context.CancelFunc
	callers int           // that want the result; guarded by the group's mutex
	done    chan struct{} // closed when value and err are set
	value   V
	err     error
}

// Do returns the result of work for the key. If a run is under way, Do waits
// for it; otherwise the caller runs work itself, and Do returns when work does.
// A caller whose context is done gets the context's error. When that is true of
// all callers, the context of work is done, too.
func (g *Group[K, V]) Do(ctx context.Context, key K, work func(context.Context) (V, error)) (V, error) {
	for {
		r, role := g.join(ctx, key)
		if role == leader {
			return g.lead(ctx, key, r, work)
		}
		select {
		case <-r.done:
			if role == follower {
				return r.value, r.err
			}
		case <-ctx.Done():
			if role == follower {
				g.leave(r)
			}
			var none V
			return none, ctx.Err()
		}
	}
}

// role is what a caller is to a run.
type role int

const (
	leader   role = iota // runs the work
	follower             // waits for the result
	outsider             // waits for the end of a run that all callers have left
)

func (g *Group[K, V]) join(ctx context.Context, key K) (*run[V], role) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.runs[key]; r != nil {
		if r.callers == 0 {
			return r, outsider
		}
		r.callers++
		return r, follower
	}
	r := &run[V]{callers: 1, done: make(chan struct{}), err: errPanicked}
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if g.runs == nil {
		g.runs = map[K]*run[V]{}
	}
	g.runs[key] = r
	return r, leader
}

// leave ends a run that no caller wants any more.
func (g *Group[K, V]) leave(r *run[V]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.callers--; r.callers == 0 {
		r.cancel()
	}
}

// lead runs the work.
func (g *Group[K, V]) lead(ctx context.Context, key K, r *run[V], work func(context.Context) (V, error)) (V, error) {
	stays := context.AfterFunc(ctx, func() { g.leave(r) })
	defer func() {
		stays()
		g.mu.Lock()
		delete(g.runs, key)
		g.mu.Unlock()
		close(r.done)
		r.cancel()
	}()
	r.value, r.err = work(r.ctx)
	if err := ctx.Err(); err != nil {
		var none V
		return none, err
	}
	return r.value, r.err
}
