package watch

import (
	"context"
	"sync"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/libvirt/connection"
)

// notice names a domain that has changed.
type notice struct {
	id       uuid.UUID
	migrated bool // it stopped because it runs elsewhere now
	saved    bool // it stopped because it was saved to a file
}

// topics are the events that make a look at a domain necessary.
var topics = []golibvirt.DomainEventID{
	golibvirt.DomainEventIDLifecycle,
	golibvirt.DomainEventIDMetadataChange,
	golibvirt.DomainEventIDDeviceAdded, // a plugged interface changes no life cycle
	golibvirt.DomainEventIDDeviceRemoved,
}

// subscribe asks for events. stop ends the connection, since libvirt might
// never answer that the events are no longer wanted, and waits for all that
// subscribe started.
func subscribe(ctx context.Context, conn *connection.Conn) (<-chan notice, func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	notices := make(chan notice, 64)
	var forwarding sync.WaitGroup
	stop := func() {
		conn.Close()
		cancel()
		forwarding.Wait()
	}
	for _, topic := range topics {
		var events <-chan any
		calling, done := context.WithTimeout(ctx, callTime)
		err := conn.Do(calling, func(l *golibvirt.Libvirt) (err error) {
			events, err = l.SubscribeEvents(ctx, topic, nil)
			return err
		})
		done()
		if err != nil {
			stop()
			return nil, nil, err
		}
		forwarding.Go(func() { forward(ctx, events, notices) })
	}
	return notices, stop, nil
}

// forward reads events until their channel is closed, as the client demands.
func forward(ctx context.Context, events <-chan any, notices chan<- notice) {
	for event := range events {
		n, ok := read(event)
		if !ok {
			continue
		}
		select {
		case notices <- n:
		case <-ctx.Done():
		}
	}
}

func read(event any) (notice, bool) {
	switch e := event.(type) {
	case *golibvirt.DomainEventCallbackLifecycleMsg:
		return stopping(e.Msg), true
	case *golibvirt.DomainEventCallbackMetadataChangeMsg:
		return notice{id: uuid.UUID(e.Dom.UUID)}, true
	case *golibvirt.DomainEventCallbackDeviceAddedMsg:
		return notice{id: uuid.UUID(e.Dom.UUID)}, true
	case *golibvirt.DomainEventCallbackDeviceRemovedMsg:
		return notice{id: uuid.UUID(e.Msg.Dom.UUID)}, true
	}
	return notice{}, false
}

// stopping tells why a domain stopped, if it did.
func stopping(m golibvirt.DomainEventLifecycleMsg) notice {
	n := notice{id: uuid.UUID(m.Dom.UUID)}
	if golibvirt.DomainEventType(m.Event) == golibvirt.DomainEventStopped {
		detail := golibvirt.DomainEventStoppedDetailType(m.Detail)
		n.migrated = detail == golibvirt.DomainEventStoppedMigrated
		n.saved = detail == golibvirt.DomainEventStoppedSaved
	}
	return n
}

// together takes what else is waiting, and names each domain once.
func together(first notice, notices <-chan notice) []notice {
	all := []notice{first}
	for {
		select {
		case n := <-notices:
			all = add(all, n)
		default:
			return all
		}
	}
}

func add(all []notice, n notice) []notice {
	for i := range all {
		if all[i].id == n.id {
			all[i].migrated = all[i].migrated || n.migrated
			all[i].saved = all[i].saved || n.saved
			return all
		}
	}
	return append(all, n)
}
