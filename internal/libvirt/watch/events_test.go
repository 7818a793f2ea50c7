package watch

import (
	"slices"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"
)

func TestRead(t *testing.T) {
	dom := golibvirt.Domain{Name: "web1", UUID: golibvirt.UUID{1}}
	lifecycle := func(event golibvirt.DomainEventType, detail int32) any {
		return &golibvirt.DomainEventCallbackLifecycleMsg{Msg: golibvirt.DomainEventLifecycleMsg{Dom: dom, Event: int32(event), Detail: detail}}
	}
	for name, tt := range map[string]struct {
		event           any
		migrated, saved bool
	}{
		"defined":   {lifecycle(golibvirt.DomainEventDefined, 0), false, false},
		"shut down": {lifecycle(golibvirt.DomainEventStopped, int32(golibvirt.DomainEventStoppedShutdown)), false, false},
		"migrated":  {lifecycle(golibvirt.DomainEventStopped, int32(golibvirt.DomainEventStoppedMigrated)), true, false},
		"saved":     {lifecycle(golibvirt.DomainEventStopped, int32(golibvirt.DomainEventStoppedSaved)), false, true},
		// the same numbers as "migrated", of another event
		"started from a snapshot": {lifecycle(golibvirt.DomainEventStarted, 3), false, false},
		"new metadata":            {&golibvirt.DomainEventCallbackMetadataChangeMsg{Dom: dom}, false, false},
		"plugged":                 {&golibvirt.DomainEventCallbackDeviceAddedMsg{Dom: dom}, false, false},
		"unplugged":               {&golibvirt.DomainEventCallbackDeviceRemovedMsg{Msg: golibvirt.DomainEventDeviceRemovedMsg{Dom: dom}}, false, false},
	} {
		if n, ok := read(tt.event); !ok || n.id != uuid.UUID(dom.UUID) || n.migrated != tt.migrated || n.saved != tt.saved {
			t.Errorf("%s: %+v %v", name, n, ok)
		}
	}
	if _, ok := read(&golibvirt.DomainEventCallbackRebootMsg{}); ok {
		t.Error("a reboot is of interest")
	}
}

// TestTogether: a start makes three events, and one look is enough.
func TestTogether(t *testing.T) {
	a, b := uuid.UUID{1}, uuid.UUID{2}
	waiting := make(chan notice, 4)
	for _, n := range []notice{{id: b}, {id: a, migrated: true}, {id: b, saved: true}} {
		waiting <- n
	}
	if got, want := together(notice{id: a}, waiting), []notice{{id: a, migrated: true}, {id: b, saved: true}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
