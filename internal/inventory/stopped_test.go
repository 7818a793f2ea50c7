package inventory_test

import (
	"errors"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// A domain that stops changes nothing on a host that shares its inventory with none, and
// becomes no guest.
func TestStoppedAlone(t *testing.T) {
	l := newLab(t)
	hooked := dom(1, "web1")
	hooked.Source = instance.ByHook
	before := l.MustRegister(hooked).Instance
	for n := 1; n < 3; n++ {
		if err := l.Stopped(background(), uid(n), "shutdown"); err != nil {
			t.Error(err)
		}
	}
	if after, ok := l.Snapshot().ByUUID(uid(1)); !ok || after.Home != before.Home || !after.LastUpdate.Equal(before.LastUpdate) {
		t.Errorf("it has become %+v", after)
	}
	if count := l.Snapshot().Len(); count != 1 {
		t.Errorf("%d guests", count)
	}
}

// Nothing is written for a stop that is known.
func TestStoppedTwice(t *testing.T) {
	l := newLab(t, func(o *inventory.Options) { o.HostID, o.HostName = "1", "kvm1" })
	l.MustObserve(dom(1, "web1"), true)
	for n := range 2 {
		changes := l.Subscribe()
		if err := l.Stopped(background(), uid(1), "-"); err != nil {
			t.Fatal(err)
		}
		guest, _ := l.Snapshot().ByUUID(uid(1))
		if guest.Run != instance.NotRunning || guest.HostID != "1" || guest.Epoch != 1 || guest.Presence.State != instance.Present {
			t.Errorf("after stop %d: %+v, %s", n+1, guest.Home, guest.Presence.State)
		}
		if n == 1 && l.Snapshot().Revision() != changes.Start().Revision() {
			t.Error("the second stop has changed something")
		}
		changes.Close()
	}
	if err := l.Stopped(background(), uid(2), "shutdown"); err != nil || l.Snapshot().Len() != 1 {
		t.Errorf("a domain that is no guest: %v; %d guests", err, l.Snapshot().Len())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Stopped(background(), uid(1), "shutdown"); !errors.Is(err, inventory.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
