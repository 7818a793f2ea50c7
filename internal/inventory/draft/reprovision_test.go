package draft_test

import (
	"errors"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storetest"
)

func TestReprovisionGivesANewInstanceIDForGood(t *testing.T) {
	store := storetest.NewMemory()
	l := labOn(t, store)
	old := l.MustRegister(dom(1, "web1", "rack", "four")).Instance
	l.Clock.Advance(time.Hour)

	changed, err := l.Reprovision(t.Context(), "web1")
	if err != nil {
		t.Fatal(err)
	}
	if changed.ID == old.ID || len(changed.ID) != len(old.ID) || changed.ID[:2] != "i-" {
		t.Errorf("the instance-id went from %s to %s", old.ID, changed.ID)
	}
	if changed.IPv4 != old.IPv4 || changed.Hostname != old.Hostname || changed.Metadata.Values["rack"] != "four" || changed.FirstSeen != old.FirstSeen {
		t.Errorf("more than the instance-id changed: %+v", changed)
	}
	if _, err := l.Snapshot().Find(old.ID); !errors.Is(err, denied.ErrNotFound) {
		t.Errorf("the old instance-id still finds a guest: %v", err)
	}
	if again := l.MustRegister(dom(1, "web1")).Instance; again.ID != changed.ID {
		t.Errorf("its next start gives it %s, want %s", again.ID, changed.ID)
	}
	table, err := store.Load(t.Context())
	if err != nil || len(table.Instances) != 1 || table.Instances[0].ID != changed.ID {
		t.Errorf("the store has %+v, %v", table.Instances, err)
	}
	l.MustRelease(changed.ID)
	if back := l.MustRegister(dom(1, "web1")).Instance; back.ID != changed.ID {
		t.Errorf("back from its rest it has %s, want %s", back.ID, changed.ID)
	}
}

func TestReprovisionForgetsThePassword(t *testing.T) {
	l := newLab(t)
	l.MustRegister(dom(1, "win1"))
	if err := l.SetPassword(t.Context(), uid(1), "c2VjcmV0"); err != nil {
		t.Fatal(err)
	}
	if changed, err := l.Reprovision(t.Context(), "win1"); err != nil || changed.Password != "" {
		t.Errorf("the password is %q, %v", changed.Password, err)
	}
	if err := l.SetPassword(t.Context(), uid(1), "bmV3"); err != nil {
		t.Errorf("the new system cannot post its own: %v", err)
	}
}

func TestReprovisionOfNobody(t *testing.T) {
	l := newLab(t)
	before := l.Snapshot().Revision()
	if _, err := l.Reprovision(t.Context(), instance.DeriveID(uid(1))); !errors.Is(err, denied.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if l.Snapshot().Revision() != before {
		t.Error("the inventory changed")
	}
}
