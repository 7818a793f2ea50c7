package watch

import (
	"reflect"
	"slices"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/api"
)

func TestRead(t *testing.T) {
	dom := golibvirt.Domain{Name: "web1", UUID: golibvirt.UUID{1}}
	lifecycle := func(event golibvirt.DomainEventType, detail int32) any {
		return &golibvirt.DomainEventCallbackLifecycleMsg{Msg: golibvirt.DomainEventLifecycleMsg{Dom: dom, Event: int32(event), Detail: detail}}
	}
	for name, tt := range map[string]struct {
		event           any
		migrated, saved bool
		happened        api.EntryKind
	}{
		"defined":            {lifecycle(golibvirt.DomainEventDefined, 0), false, false, ""},
		"shut down":          {lifecycle(golibvirt.DomainEventStopped, int32(golibvirt.DomainEventStoppedShutdown)), false, false, api.EntryStopped},
		"migrated":           {lifecycle(golibvirt.DomainEventStopped, int32(golibvirt.DomainEventStoppedMigrated)), true, false, api.EntrySuspended},
		"saved":              {lifecycle(golibvirt.DomainEventStopped, int32(golibvirt.DomainEventStoppedSaved)), false, true, api.EntrySuspended},
		"crashed":            {lifecycle(golibvirt.DomainEventStopped, int32(golibvirt.DomainEventStoppedCrashed)), false, false, api.EntryCrashed},
		"panicked":           {lifecycle(golibvirt.DomainEventCrashed, int32(golibvirt.DomainEventCrashedPanicked)), false, false, api.EntryCrashed},
		"started":            {lifecycle(golibvirt.DomainEventStarted, 0), false, false, api.EntryStarted},
		"of a newer libvirt": {lifecycle(golibvirt.DomainEventStarted, 99), false, false, ""},
		"rebooted":           {&golibvirt.DomainEventCallbackRebootMsg{Msg: golibvirt.DomainEventRebootMsg{Dom: dom}}, false, false, api.EntryRebooted},
		// the same numbers as "migrated", of another event
		"started from a snapshot": {lifecycle(golibvirt.DomainEventStarted, 3), false, false, api.EntryResumed},
		"new metadata":            {&golibvirt.DomainEventCallbackMetadataChangeMsg{Dom: dom}, false, false, ""},
		"plugged":                 {&golibvirt.DomainEventCallbackDeviceAddedMsg{Dom: dom}, false, false, ""},
		"unplugged":               {&golibvirt.DomainEventCallbackDeviceRemovedMsg{Msg: golibvirt.DomainEventDeviceRemovedMsg{Dom: dom}}, false, false, ""},
	} {
		n, ok := read(tt.event)
		if !ok || n.id != uuid.UUID(dom.UUID) || n.migrated != tt.migrated || n.saved != tt.saved || kindOf(n) != tt.happened {
			t.Errorf("%s: %+v %v", name, n, ok)
		}
	}
	if _, ok := read(&golibvirt.DomainEventCallbackRtcChangeMsg{}); ok {
		t.Error("a change of the clock is of interest")
	}
}

// The client subscribes to all events that it reads.
func TestTopics(t *testing.T) {
	want := []golibvirt.DomainEventID{
		golibvirt.DomainEventIDLifecycle, golibvirt.DomainEventIDReboot, golibvirt.DomainEventIDMetadataChange,
		golibvirt.DomainEventIDDeviceAdded, golibvirt.DomainEventIDDeviceRemoved,
	}
	if !slices.Equal(topics, want) {
		t.Errorf("asked for are %v, want %v", topics, want)
	}
}

func kindOf(n notice) api.EntryKind {
	if len(n.happened) == 0 {
		return ""
	}
	return n.happened[0].Kind
}

// TestTogether: a start makes three events, and one look is enough.
func TestTogether(t *testing.T) {
	a, b := uuid.UUID{1}, uuid.UUID{2}
	waiting := make(chan notice, 4)
	started, stopped := Happening{Kind: api.EntryStarted}, Happening{Kind: api.EntryStopped}
	for _, n := range []notice{{id: b, happened: []Happening{started}}, {id: a, migrated: true}, {id: b, saved: true, happened: []Happening{stopped}}} {
		waiting <- n
	}
	want := []notice{{id: a, migrated: true}, {id: b, saved: true, happened: []Happening{started, stopped}}}
	if got := together(notice{id: a}, waiting); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// The log of a boot shows these texts.
func TestHappenings(t *testing.T) {
	type event struct {
		kind   golibvirt.DomainEventType
		detail int32
	}
	tests := map[event]string{
		{golibvirt.DomainEventStarted, 0}: "started ",
		{golibvirt.DomainEventStarted, 1}: "resumed migrated to this host",
		{golibvirt.DomainEventStarted, 2}: "resumed restored from a file",
		{golibvirt.DomainEventStarted, 3}: "resumed restored from a snapshot",
		{golibvirt.DomainEventStarted, 4}: "resumed woken up",
		{golibvirt.DomainEventStarted, 5}: "started ",
		{golibvirt.DomainEventStopped, 0}: "stopped shut down",
		{golibvirt.DomainEventStopped, 1}: "stopped destroyed by the host",
		{golibvirt.DomainEventStopped, 2}: "crashed it crashed",
		{golibvirt.DomainEventStopped, 3}: "suspended migrated away",
		{golibvirt.DomainEventStopped, 4}: "suspended saved to a file",
		{golibvirt.DomainEventStopped, 5}: "crashed its emulator failed",
		{golibvirt.DomainEventStopped, 6}: "stopped replaced by a snapshot",
		{golibvirt.DomainEventStopped, 7}: "stopped to be started again",
		{golibvirt.DomainEventCrashed, 0}: "crashed its kernel panicked",
		{golibvirt.DomainEventCrashed, 1}: "crashed its kernel panicked and loaded a crash kernel",
	}
	count := 0
	for _, details := range happenings {
		count += len(details)
	}
	if count != len(tests) {
		t.Errorf("%d happenings, and %d tests", count, len(tests))
	}
	now := time.Now()
	for e, want := range tests {
		n := lifecycle(golibvirt.DomainEventLifecycleMsg{Event: int32(e.kind), Detail: e.detail}, now)
		if len(n.happened) != 1 || string(n.happened[0].Kind)+" "+n.happened[0].Detail != want || !n.happened[0].At.Equal(now) {
			t.Errorf("event %d with %d: %+v, want %q", e.kind, e.detail, n.happened, want)
		}
	}
}

// What one of several events of a domain says is not lost.
func TestAddKeepsBoth(t *testing.T) {
	id := uuid.UUID{1}
	for _, first := range []bool{true, false} {
		for _, second := range []bool{true, false} {
			got := add([]notice{{id: id, migrated: first, saved: first}}, notice{id: id, migrated: second, saved: second})
			if want := first || second; len(got) != 1 || got[0].migrated != want || got[0].saved != want {
				t.Errorf("%v and %v make %+v", first, second, got)
			}
		}
	}
}
