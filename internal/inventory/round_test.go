package inventory_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storage"
)

// forgetfulStore is a shared store that does not say what became of a commit.
type forgetfulStore struct {
	*sharedStore
	commit func(changes []instance.Change) // in place of the next commit, whose outcome is unknown then
}

func (s *forgetfulStore) Commit(ctx context.Context, changes []instance.Change) (int64, error) {
	if commit := s.commit; commit != nil {
		s.commit = nil
		commit(changes)
		return 0, storage.ErrUncertain
	}
	return s.sharedStore.Commit(ctx, changes)
}

// TestTried: what a host has changed by a commit with an unknown outcome is answered as
// done once the host knows that it was.
func TestTried(t *testing.T) {
	register := func(name string) func(*lab) error {
		return func(l *lab) error {
			reg, err := l.Register(background(), started(1, name))
			if err == nil && reg.Instance.Name != name {
				err = errors.New("answered: " + reg.Instance.Name)
			}
			return err
		}
	}
	release := func(l *lab) error {
		guest, err := l.Release(background(), "web")
		if err == nil && guest.UUID != uid(1) {
			err = errors.New("answered: " + guest.Name)
		}
		return err
	}
	reprovision := func(l *lab) error {
		guest, err := l.Reprovision(background(), "web")
		if now, _ := l.Snapshot().ByUUID(uid(1)); err == nil && now.ID != guest.ID {
			err = errors.New("answered: " + guest.ID)
		}
		return err
	}
	again := given(1, "web", netip.MustParseAddr("10.0.0.9"), netip.Addr{})
	byOther := instance.Change{Put: []instance.Instance{again}}
	for name, tt := range map[string]struct {
		ask     func(*lab) error
		made    bool
		then    *instance.Change // of another host
		refused bool
	}{
		"a release, made":                          {release, true, nil, false},
		"a release, not made":                      {release, false, nil, true},
		"a release, not made, but by another host": {release, false, &instance.Change{Delete: []uuid.UUID{uid(1)}}, false},
		"a release, made, and registered again":    {release, true, &byOther, true},
		"a name, made":                             {register("renamed"), true, nil, false},
		"a name, not made":                         {register("renamed"), false, nil, true},
		"the same name":                            {register("web"), false, nil, false},
		"an instance-id, made":                     {reprovision, true, nil, false},
		"an instance-id, not made":                 {reprovision, false, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			store := &forgetfulStore{sharedStore: newSharedStore()}
			l := labOn(t, store, func(o *inventory.Options) { o.HostID, o.HostName = "a", hostName("a") })
			l.MustRegister(started(1, "web"))
			store.commit = func(changes []instance.Change) {
				if tt.made {
					store.make("a", changes...)
				}
				if tt.then != nil {
					store.make("b", *tt.then)
				}
			}
			err := tt.ask(l)
			if refused := errors.Is(err, inventory.ErrStore); refused != tt.refused || err != nil && !refused {
				t.Errorf("%v, want refused: %v", err, tt.refused)
			}
		})
	}
}
