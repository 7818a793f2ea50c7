package watch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/libvirt"
	"mdserver/internal/libvirt/connection"
)

var errLost = errors.New("libvirt closed the connection")

// readers is how many definitions are asked for at a time; libvirtd works on
// five requests of a client at once.
const readers = 4

// look looks a domain up and reports it.
func (w *Watcher) look(ctx context.Context, conn *connection.Conn, n notice) error {
	w.counted(1)
	calling, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var d Domain
	var found golibvirt.Domain
	err := conn.Do(calling, func(l *golibvirt.Libvirt) (err error) {
		found, err = l.DomainLookupByUUID(golibvirt.UUID(n.id))
		if err == nil {
			d, err = definition(l, found)
		}
		return err
	})
	d.Domain = w.bridges.Complete(ctx, d.Domain)
	switch {
	case golibvirt.IsNotFound(err):
		return w.report(ctx, n.id, w.guests.Left(ctx, n.id, n.migrated || n.saved))
	case isRefusal(err):
		w.log.Warn("a domain cannot be read", "uuid", n.id, "error", err)
		w.guests.Unread(Unreadable{n.id, found.Name, err})
		return nil
	case err != nil:
		return err
	case n.migrated && !d.Running: // only its definition stayed behind
		return w.report(ctx, n.id, errors.Join(w.guests.Seen(ctx, d), w.guests.Left(ctx, n.id, true)))
	}
	return w.report(ctx, n.id, w.guests.Seen(ctx, d))
}

// report logs what could not be done about a domain: the next one may do
// better.
func (w *Watcher) report(ctx context.Context, id uuid.UUID, err error) error {
	if err != nil && ctx.Err() == nil {
		w.log.Warn("guest not updated from its domain", "uuid", id, "error", err)
	}
	return ctx.Err()
}

// definition reads a domain.
func definition(l *golibvirt.Libvirt, found golibvirt.Domain) (Domain, error) {
	xml, err := l.DomainGetXMLDesc(found, 0)
	if err != nil {
		return Domain{}, err
	}
	domain, err := libvirt.ParseDomain([]byte(xml))
	if err != nil {
		return Domain{}, &refusal{fmt.Errorf("%s: %w", found.Name, err)}
	}
	d := Domain{Domain: domain, Running: found.ID >= 0}
	if d.Running {
		d.Moving, err = moving(l, found)
	}
	return d, err
}

// moving reports whether a domain that runs is paused for a migration.
func moving(l *golibvirt.Libvirt, found golibvirt.Domain) (bool, error) {
	state, reason, err := l.DomainGetState(found, 0)
	if err != nil {
		return false, err
	}
	return pausedToMove(golibvirt.DomainState(state), reason), nil
}

// pausedToMove reports whether a domain is paused for a migration. The meaning of a
// reason depends on the state.
func pausedToMove(state golibvirt.DomainState, reason int32) bool {
	return state == golibvirt.DomainPaused && golibvirt.DomainPausedReason(reason) == golibvirt.DomainPausedMigration
}

// refusal is a fault of one domain that leaves the connection alone.
type refusal struct{ error }

func isRefusal(err error) bool {
	if _, ok := errors.AsType[*refusal](err); ok {
		return true
	}
	_, ok := errors.AsType[golibvirt.Error](err) // libvirt answered
	return ok
}

// list reads all domains and reports them. The list is libvirt's own, whole at one
// moment; domains that go while their definitions are read make events.
func (w *Watcher) list(ctx context.Context, conn *connection.Conn) (int, error) {
	calling, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	var domains []Domain
	var unreadable []Unreadable
	began := time.Now()
	err := conn.Do(calling, func(l *golibvirt.Libvirt) error {
		const all = golibvirt.ConnectListDomainsActive | golibvirt.ConnectListDomainsInactive
		found, _, err := l.ConnectListAllDomains(1, all)
		if err != nil {
			return err
		}
		domains, unreadable, err = w.definitions(l, found)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("listing the domains: %w", err)
	}
	for i := range domains {
		domains[i].Domain = w.bridges.Complete(ctx, domains[i].Domain)
	}
	if err := w.guests.Listed(ctx, began, domains, unreadable); err != nil {
		return 0, err
	}
	for _, d := range domains {
		if !d.Running { // its stop may have been missed
			w.happened(d.UUID, Happening{At: began, Kind: api.EntryStopped, Detail: "it was found off"})
		}
	}
	return len(domains) + len(unreadable), nil
}

// definitions reads many domains at a time.
func (w *Watcher) definitions(l *golibvirt.Libvirt, found []golibvirt.Domain) (domains []Domain, unreadable []Unreadable, err error) {
	var mu sync.Mutex
	var reading sync.WaitGroup
	queue := make(chan golibvirt.Domain)
	for range readers {
		reading.Go(func() {
			for f := range queue {
				d, failed := definition(l, f)
				mu.Lock()
				switch {
				case failed == nil:
					domains = append(domains, d)
				case isRefusal(failed):
					unreadable = append(unreadable, Unreadable{uuid.UUID(f.UUID), f.Name, failed})
					w.log.Warn("a domain cannot be read", "domain", f.Name, "error", failed)
				default:
					err = failed
				}
				mu.Unlock()
			}
		})
	}
	for _, f := range found {
		queue <- f
	}
	close(queue)
	reading.Wait()
	return domains, unreadable, err
}

// tryOut finds out whether libvirt still answers.
func tryOut(ctx context.Context, conn *connection.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return conn.Do(ctx, func(l *golibvirt.Libvirt) error {
		_, err := l.ConnectGetLibVersion()
		return err
	})
}
