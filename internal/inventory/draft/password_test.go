package draft_test

import (
	"errors"
	"testing"

	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storetest"
)

func TestPasswordIsSetOnceAndKept(t *testing.T) {
	store := storetest.NewMemory()
	l := labOn(t, store)
	l.MustRegister(dom(1, "win1"))
	if err := l.SetPassword(t.Context(), uid(1), "c2VjcmV0"); err != nil {
		t.Fatal(err)
	}
	if err := l.SetPassword(t.Context(), uid(1), "other"); !errors.Is(err, denied.ErrPasswordSet) {
		t.Errorf("a second time: %v", err)
	}
	l.MustRegister(dom(1, "renamed"))
	guest, err := l.Snapshot().Find("renamed")
	if err != nil || guest.Password != "c2VjcmV0" {
		t.Errorf("after another registration: %q, %v", guest.Password, err)
	}
	if shown := guest.WithoutSecrets(); shown.Password != "" || guest.Password == "" {
		t.Errorf("shown %q, kept %q", shown.Password, guest.Password)
	}
	table, err := store.Load(t.Context())
	if err != nil || len(table.Instances) != 1 || table.Instances[0].Password != "c2VjcmV0" {
		t.Errorf("the store has %+v, %v", table.Instances, err)
	}
}

func TestPasswordGoesWithItsGuest(t *testing.T) {
	l := newLab(t)
	if err := l.SetPassword(t.Context(), uid(1), "x"); !errors.Is(err, denied.ErrNotFound) {
		t.Errorf("of an unknown guest: %v", err)
	}
	l.MustRegister(dom(1, "win1"))
	if err := l.SetPassword(t.Context(), uid(1), "x"); err != nil {
		t.Fatal(err)
	}
	l.MustRelease("win1")
	if again := l.MustRegister(dom(1, "win1")); again.Instance.Password != "" {
		t.Error("the password outlived its guest")
	}
	if other := l.MustRegister(dom(2, "win1")); other.Instance.Password != "" {
		t.Error("the password was inherited with the name")
	}
}
