package userdata

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/userdata/multipart"
)

const (
	// maxCached and maxCachedBytes bound what is kept of documents: so many
	// guests' usual user-data, or fewer guests' large ones.
	maxCached      = 8192
	maxCachedBytes = 64 << 20
	// recheck is how long files are trusted not to have changed since the last
	// check: a check costs more than everything else in a request.
	recheck = 100 * time.Millisecond
	// minFailure is how long a failure is kept. One that took long to happen
	// is kept failureFactor times as long, up to maxFailure, so that a guest
	// that asks again and again takes only a small part of a processor.
	minFailure    = time.Second
	maxFailure    = 10 * time.Second
	failureFactor = 10
	// clockFactor times template_time is what a document may take by the clock.
	clockFactor = 10
)

// document is one of the things that are rendered for a guest.
type document struct {
	kind      string // user-data, vendor-data or vendor_data.json
	reporting bool   // with what makes cloud-init report
	guest     uuid.UUID
}

// job is a document to make from a guest's record.
type job struct {
	document
	guest *instance.Instance
}

// result is a document or the failure to make it, and what that depends on.
type result struct {
	guest    *instance.Instance
	rendered Rendered
	err      error
	prints   []fingerprint
	began    time.Time
	expires  time.Time    // for a failure
	checked  atomic.Int64 // when the files were last known not to have changed, in ns since 1970
}

// fresh reports whether it is still what would be made for the guest. The files
// are checked at most once per recheck.
func (r *result) fresh(guest *instance.Instance, now time.Time) bool {
	if r.guest != guest || r.err != nil && now.After(r.expires) {
		return false
	}
	if age := now.UnixNano() - r.checked.Load(); age >= 0 && age < int64(recheck) {
		return true
	}
	if !unchanged(r.prints) {
		return false
	}
	r.checked.Store(now.UnixNano())
	return true
}

// serves reports whether a caller who came at that time and waited for the
// result can have it: no file changed between the start of the render and then.
func (r *result) serves(came time.Time) bool {
	return came.Sub(r.began) < recheck || unchanged(r.prints)
}

// weight is about how many bytes of memory the result takes.
func (r *result) weight() int64 {
	const overhead, each = 512, 224
	return int64(overhead + cap(r.rendered.Body) + len(r.rendered.Template) + each*len(r.prints))
}

// renderFunc makes a document, and tells what it, or its error, depends on.
type renderFunc func(context.Context, *instance.Instance) (Rendered, []fingerprint, error)

// shared returns what was made before if nothing has changed since. Otherwise
// all callers that want the same document wait for one render.
func (r *Renderer) shared(ctx context.Context, want job, render renderFunc) (Rendered, error) {
	came := r.now()
	if kept, ok := r.cache.Get(want.document); ok && kept.fresh(want.guest, came) {
		return kept.rendered, kept.err
	}
	for {
		made, err := r.flights.Do(ctx, want, func(ctx context.Context) (*result, error) {
			// another render may have ended since the cache was checked
			if kept, ok := r.cache.Get(want.document); ok && kept.fresh(want.guest, came) {
				return kept, nil
			}
			return r.make(ctx, want, render)
		})
		if err != nil {
			return Rendered{}, err
		}
		if made.serves(came) {
			return made.rendered, made.err
		}
	}
}

// make waits for its turn, renders a document and keeps the result. Its error
// is that of a context that is done.
func (r *Renderer) make(ctx context.Context, want job, render renderFunc) (*result, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	made := &result{guest: want.guest, began: r.now()}
	made.checked.Store(made.began.UnixNano()) // before the files are read
	timed, cancel := context.WithTimeoutCause(ctx, r.work, fmt.Errorf("it took more than %v by the clock", r.work))
	defer cancel()
	made.rendered, made.prints, made.err = render(timed, want.guest)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if made.err == nil && len(made.rendered.Body) > r.maxSize {
		made.err = multipart.ErrTooLarge
	}
	if errors.Is(made.err, multipart.ErrTooLarge) {
		made.err = fmt.Errorf("%w: userdata_size allows %d KiB", made.err, r.maxSize>>10)
	}
	now := r.now()
	if made.err != nil {
		if timed.Err() != nil {
			made.err = fmt.Errorf("%w: %w", made.err, context.Cause(timed))
		}
		made.err = r.clean(made.err)
		made.expires = now.Add(min(max(minFailure, failureFactor*now.Sub(made.began)), maxFailure))
		r.log.Error(want.kind+" failed", "guest", want.guest.Name, "error", made.err)
	} else {
		made.rendered.Hash = fmt.Sprintf("%x", sha256.Sum256(made.rendered.Body))
		r.keepForDebugging(want.document, want.guest, made.rendered)
	}
	r.rendered(want.kind, now.Sub(made.began), made.err)
	if settled(made.prints, made.began) {
		r.cache.Add(want.document, made, made.weight())
	}
	return made, nil
}

// clean removes the values of secrets from an error's text. The error keeps
// its identity for errors.Is.
func (r *Renderer) clean(err error) error {
	text := r.redact(err.Error())
	if text == err.Error() {
		return err
	}
	if errors.Is(err, ErrNoTemplate) {
		return fmt.Errorf("%w: %s", ErrNoTemplate, text)
	}
	return errors.New(text)
}
