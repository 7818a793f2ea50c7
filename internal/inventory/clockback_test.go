package inventory_test

import (
	"fmt"
	"testing"
	"time"

	"mdserver/internal/inventory"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/inventory/storetest"
)

// keptOpen is a store that outlives an inventory.
type keptOpen struct{ *storetest.Memory }

func (keptOpen) Close() error { return nil }

// TestClockSetBack: after a restart with the wall clock set back, addresses rest
// no longer than they should and are given out in the order of their release.
func TestClockSetBack(t *testing.T) {
	store := keptOpen{storetest.NewMemory()}
	before := labOn(t, store)
	addr := map[string]string{}
	for n := range 10 { // as many as there are addresses
		name := fmt.Sprint("web", n)
		addr[name] = before.MustRegister(dom(n, name)).Instance.IPv4.String()
	}
	released := []string{"web7", "web2", "web9", "web4"}
	for _, name := range released {
		before.MustRelease(name)
		before.Clock.Advance(time.Minute)
	}

	back := inventorytest.NewClock(before.Clock.Now().Add(-6 * time.Hour))
	after := labOn(t, store, func(o *inventory.Options) { o.Now = back.Now })
	for _, r := range after.Snapshot().Resting() {
		if r.Since.After(back.Now()) {
			t.Errorf("%s rests from %s on, which is to come", r.Addr, r.Since)
		}
	}
	for n, name := range released[:3] {
		back.Advance(time.Second)
		if got := after.MustRegister(dom(20+n, fmt.Sprint("new", n))).Instance.IPv4.String(); got != addr[name] {
			t.Errorf("new guest %d has %s, want %s, which was %s's", n, got, addr[name], name)
		}
	}
	back.Advance(day)
	if after.MustRegister(dom(30, "new3")); len(after.Snapshot().Resting()) != 0 {
		t.Errorf("addresses rest longer than the quarantine: %v", after.Snapshot().Resting())
	}
}
