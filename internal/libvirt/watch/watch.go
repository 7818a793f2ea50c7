// Package watch follows the domains of a libvirt on this host. At the start
// and after each interruption it lists all of them; then libvirt's events say
// which to look at again. What an event says is not believed but looked up, so
// that events may come late, twice or in any order.
package watch

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt/bridges"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/pace"
)

// Guests takes what is found out, one call at a time.
type Guests interface {
	// Listed is called after all domains were listed, which began at a moment.
	// The definitions of the unreadable ones could not be read, but they exist.
	Listed(ctx context.Context, began time.Time, domains []Domain, unreadable []Unreadable) error
	// Unread is called for a domain that was looked up and could not be read.
	Unread(u Unreadable)
	// Seen is called for a domain that was looked up.
	Seen(ctx context.Context, d Domain) error
	// Doubted receives a value when Doubts may have domains to be looked up again. They
	// may be unknown to libvirt.
	Doubted() <-chan struct{}
	Doubts() []uuid.UUID
	// Left is called for a domain that libvirt no longer has. Away tells that
	// it may come back: it was saved to a file, or migrated.
	Left(ctx context.Context, id uuid.UUID, away bool) error
}

// Happened is called for what happened to a domain, after the domain was looked up.
type Happened func(id uuid.UUID, h Happening)

// Happening is something that happened to a domain.
type Happening struct {
	At     time.Time // when its event arrived
	Kind   api.EntryKind
	Detail string // how, in one line
}

// Domain is a domain that libvirt has.
type Domain struct {
	instance.Domain
	Running bool
	// Moving: it is paused for a migration, on either host.
	Moving bool
}

// Unreadable is a domain whose definition cannot be read.
type Unreadable struct {
	UUID uuid.UUID
	Name string // as libvirt lists it; may be empty
	Err  error
}

const (
	// callTime bounds one exchange with libvirt. A lookup waits while a hook
	// of the same domain runs, which has two seconds.
	callTime = 20 * time.Second
	// listTime bounds the listing of all domains.
	listTime = 2 * time.Minute
	// pingTime is how often a quiet connection is tried.
	pingTime = 30 * time.Second
	// listAgain is how often all domains are listed again: some changes make no
	// event, such as that of an interface of a domain that is off.
	listAgain = 5 * time.Minute

	firstWait = 250 * time.Millisecond
	longWait  = 10 * time.Second
)

// Watcher follows the domains. Make one with New.
type Watcher struct {
	endpoint connection.Endpoint
	guests   Guests
	happened Happened
	bridges  *bridges.Resolver
	log      *slog.Logger

	mu     sync.Mutex
	status Status
}

// New makes a watcher; Run starts it.
func New(e connection.Endpoint, guests Guests, happened Happened, b *bridges.Resolver, log *slog.Logger) *Watcher {
	return &Watcher{endpoint: e, guests: guests, happened: happened, bridges: b, log: log}
}

// Run follows the domains until ctx ends. It continues in any case: after an
// interruption it tries again, soon at first and then every ten seconds or so.
func (w *Watcher) Run(ctx context.Context) {
	wait := firstWait
	for ctx.Err() == nil {
		connected, err := w.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if connected {
			wait = firstWait
		}
		w.interrupted(err)
		pace.Sleep(ctx, wait/2+rand.N(wait)) // others may wait for the same restart
		wait = min(2*wait, longWait)
	}
}

// session is the life of one connection. It tells whether all domains were
// listed.
func (w *Watcher) session(ctx context.Context) (connected bool, err error) {
	dialling, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	conn, err := connection.DialReader(dialling, w.endpoint, connection.QEMU)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	notices, stop, err := subscribe(ctx, conn)
	if err != nil {
		return false, fmt.Errorf("asking for events: %w", err)
	}
	defer stop()
	// Only now: what happens during the list makes an event.
	count, err := w.list(ctx, conn)
	if err != nil {
		return false, err
	}
	w.connected(conn.Socket(), count)
	return true, w.follow(ctx, conn, notices)
}

// follow looks at what events name until the connection ends.
func (w *Watcher) follow(ctx context.Context, conn *connection.Conn, notices <-chan notice) error {
	ping := time.NewTicker(pingTime)
	defer ping.Stop()
	again := time.NewTicker(listAgain)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-conn.Done():
			return errLost
		case <-ping.C:
			if err := tryOut(ctx, conn); err != nil {
				return err
			}
		case <-again.C:
			if _, err := w.list(ctx, conn); err != nil {
				return err
			}
		case <-w.guests.Doubted():
			for _, id := range w.guests.Doubts() {
				if err := w.look(ctx, conn, notice{id: id}); err != nil {
					return err
				}
			}
		case n := <-notices:
			for _, n := range together(n, notices) {
				err := w.look(ctx, conn, n)
				for _, h := range n.happened {
					w.happened(n.id, h)
				}
				if err != nil {
					return err
				}
			}
		}
	}
}
