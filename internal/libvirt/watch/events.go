package watch

import (
	"context"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/libvirt/connection"
)

// notice names a domain that has changed.
type notice struct {
	id       uuid.UUID
	migrated bool // it stopped because it runs elsewhere now
	saved    bool // it stopped because it was saved to a file
	happened []Happening
}

// topics are the events that make a look at a domain necessary.
var topics = []golibvirt.DomainEventID{
	golibvirt.DomainEventIDLifecycle,
	golibvirt.DomainEventIDReboot,
	golibvirt.DomainEventIDMetadataChange,
	golibvirt.DomainEventIDDeviceAdded, // a plugged interface changes no life cycle
	golibvirt.DomainEventIDDeviceRemoved,
}

// subscribe asks for events. stop ends the connection, since libvirt might
// never answer that the events are no longer wanted, and waits for all that
// subscribe started.
//
// A connection must not end while libvirt adds or removes an event: libvirtd 9.0
// frees the client's events at the same time then, and crashes. So nothing
// removes events before the connection has ended, and Do leaves libvirt time to
// finish adding one.
func subscribe(ctx context.Context, conn *connection.Conn) (<-chan notice, func(), error) {
	connected, ended := context.WithCancel(context.WithoutCancel(ctx))
	notices := make(chan notice, 64)
	var forwarding sync.WaitGroup
	stop := func() {
		conn.Close()
		ended()
		forwarding.Wait()
	}
	for _, topic := range topics {
		var events <-chan any
		calling, done := context.WithTimeout(ctx, callTime)
		err := conn.Do(calling, func(l *golibvirt.Libvirt) (err error) {
			events, err = l.SubscribeEvents(connected, topic, nil)
			return err
		})
		done()
		if events != nil {
			forwarding.Go(func() { forward(connected, events, notices) })
		}
		if err != nil {
			stop()
			return nil, nil, err
		}
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
		return lifecycle(e.Msg, time.Now()), true
	case *golibvirt.DomainEventCallbackRebootMsg:
		return notice{id: uuid.UUID(e.Msg.Dom.UUID), happened: []Happening{{At: time.Now(), Kind: api.EntryRebooted}}}, true
	case *golibvirt.DomainEventCallbackMetadataChangeMsg:
		return notice{id: uuid.UUID(e.Dom.UUID)}, true
	case *golibvirt.DomainEventCallbackDeviceAddedMsg:
		return notice{id: uuid.UUID(e.Dom.UUID)}, true
	case *golibvirt.DomainEventCallbackDeviceRemovedMsg:
		return notice{id: uuid.UUID(e.Msg.Dom.UUID)}, true
	}
	return notice{}, false
}

// lifecycle reads an event of a domain's life.
func lifecycle(m golibvirt.DomainEventLifecycleMsg, now time.Time) notice {
	n := notice{id: uuid.UUID(m.Dom.UUID)}
	if h, ok := happenings[golibvirt.DomainEventType(m.Event)][m.Detail]; ok {
		h.At = now
		n.happened = []Happening{h}
	}
	if golibvirt.DomainEventType(m.Event) == golibvirt.DomainEventStopped {
		detail := golibvirt.DomainEventStoppedDetailType(m.Detail)
		n.migrated = detail == golibvirt.DomainEventStoppedMigrated
		n.saved = detail == golibvirt.DomainEventStoppedSaved
	}
	return n
}

// happenings are what events say, by their type and detail.
var happenings = map[golibvirt.DomainEventType]map[int32]Happening{
	golibvirt.DomainEventStarted: {
		int32(golibvirt.DomainEventStartedBooted):       {Kind: api.EntryStarted},
		int32(golibvirt.DomainEventStartedRecreated):    {Kind: api.EntryStarted},
		int32(golibvirt.DomainEventStartedMigrated):     {Kind: api.EntryResumed, Detail: "migrated to this host"},
		int32(golibvirt.DomainEventStartedRestored):     {Kind: api.EntryResumed, Detail: "restored from a file"},
		int32(golibvirt.DomainEventStartedFromSnapshot): {Kind: api.EntryResumed, Detail: "restored from a snapshot"},
		int32(golibvirt.DomainEventStartedWakeup):       {Kind: api.EntryResumed, Detail: "woken up"},
	},
	golibvirt.DomainEventStopped: {
		int32(golibvirt.DomainEventStoppedShutdown):     {Kind: api.EntryStopped, Detail: "shut down"},
		int32(golibvirt.DomainEventStoppedDestroyed):    {Kind: api.EntryStopped, Detail: "destroyed by the host"},
		int32(golibvirt.DomainEventStoppedCrashed):      {Kind: api.EntryCrashed, Detail: "it crashed"},
		int32(golibvirt.DomainEventStoppedFailed):       {Kind: api.EntryCrashed, Detail: "its emulator failed"},
		int32(golibvirt.DomainEventStoppedMigrated):     {Kind: api.EntrySuspended, Detail: "migrated away"},
		int32(golibvirt.DomainEventStoppedSaved):        {Kind: api.EntrySuspended, Detail: "saved to a file"},
		int32(golibvirt.DomainEventStoppedFromSnapshot): {Kind: api.EntryStopped, Detail: "replaced by a snapshot"},
		int32(golibvirt.DomainEventStoppedRecreated):    {Kind: api.EntryStopped, Detail: "to be started again"},
	},
	golibvirt.DomainEventCrashed: {
		int32(golibvirt.DomainEventCrashedPanicked):    {Kind: api.EntryCrashed, Detail: "its kernel panicked"},
		int32(golibvirt.DomainEventCrashedCrashloaded): {Kind: api.EntryCrashed, Detail: "its kernel panicked and loaded a crash kernel"},
	},
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
			all[i].happened = append(all[i].happened, n.happened...)
			return all
		}
	}
	return append(all, n)
}
