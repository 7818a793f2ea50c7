package sharedkeys

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/sealed"
)

// shelf is what the hosts of a test share.
type shelf struct {
	key      string // of the note
	text     string
	revision int64
	before   func() // is called before each swap
}

func (s *shelf) SharedNote(_ context.Context, key string) (string, int64, error) {
	if key != s.key {
		return "", 0, nil
	}
	return s.text, s.revision, nil
}

func (s *shelf) SwapNote(_ context.Context, key, text string, revision int64) (bool, error) {
	if s.before != nil {
		s.before()
	}
	if revision != s.revision {
		return false, nil
	}
	s.key, s.text, s.revision = key, text, s.revision+1
	return true, nil
}

// host is a host with its secrets.
type host struct {
	sharer Sharer
	own    Secrets
	last   State
}

func newHost(t *testing.T, notes Notes, keys string, own Secrets) *host {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := sealed.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &host{sharer: Sharer{Notes: notes, Keys: k, Changes: func(name string) bool { return name == "ca" }}, own: own}
}

func (h *host) sync(t *testing.T) error {
	t.Helper()
	own, last, err := h.sharer.Sync(t.Context(), h.own, h.last)
	if err == nil {
		h.own, h.last = own, last
	}
	return err
}

func (h *host) mustHave(t *testing.T, want Secrets) {
	t.Helper()
	if err := h.sync(t); err != nil || !maps.Equal(h.own, want) {
		t.Errorf("%v, %v; want %v", h.own, err, want)
	}
}

func TestSync(t *testing.T) {
	notes, key := &shelf{}, sealed.NewKey()
	a := newHost(t, notes, key, Secrets{"tokens": "token of a", "ca": "a2", "former": ""})
	b := newHost(t, notes, key, Secrets{"tokens": "b1", "ca": "b2", "more": "b3"})
	a.mustHave(t, Secrets{"tokens": "token of a", "ca": "a2"})
	if strings.Contains(notes.text, "token of a") {
		t.Errorf("in clear: %s", notes.text)
	}
	b.mustHave(t, Secrets{"tokens": "token of a", "ca": "a2", "more": "b3"})
	a.mustHave(t, b.own)
	written := notes.revision
	a.mustHave(t, b.own)
	if notes.revision != written {
		t.Error("a sync without a change writes")
	}

	b.own = maps.Clone(b.own)
	b.own["ca"], b.own["tokens"] = "rotated", "lost"
	b.mustHave(t, Secrets{"tokens": "token of a", "ca": "rotated", "more": "b3"})
	a.mustHave(t, b.own)

	a.own, a.last = Secrets{"tokens": "new", "ca": "new"}, nil // it has lost its database
	a.mustHave(t, b.own)

	a.own = maps.Clone(a.own)
	b.own = maps.Clone(b.own)
	a.own["ca"], b.own["ca"] = "by a", "by b" // the first one wins
	a.mustHave(t, Secrets{"tokens": "token of a", "ca": "by a", "more": "b3"})
	b.mustHave(t, a.own)

	a.own = Secrets{"tokens": "", "ca": ""} // it has lost them, and does not take them from others
	a.mustHave(t, b.own)
}

// failing are notes that cannot be read, or not be written.
type failing struct {
	shelf
	read, write error
}

func (f *failing) SharedNote(ctx context.Context, key string) (string, int64, error) {
	if f.read != nil {
		return "", 0, f.read
	}
	return f.shelf.SharedNote(ctx, key)
}

func (f *failing) SwapNote(ctx context.Context, key, text string, revision int64) (bool, error) {
	if f.write != nil {
		return false, f.write
	}
	return f.shelf.SwapNote(ctx, key, text, revision)
}

// TestSyncWithoutNotes: a host keeps what it has while the notes cannot be used.
func TestSyncWithoutNotes(t *testing.T) {
	broken := errors.New("etcd does not answer")
	for name, notes := range map[string]*failing{"read": {read: broken}, "write": {write: broken}} {
		h := newHost(t, notes, sealed.NewKey(), Secrets{"tokens": "1"})
		own, last, err := h.sharer.Sync(t.Context(), h.own, h.last)
		if !errors.Is(err, broken) || own != nil || last != nil {
			t.Errorf("%s: %v, %v, %v", name, own, last, err)
		}
	}
}

// TestRotation replaces the sealing key, one host after the other.
func TestRotation(t *testing.T) {
	notes, first, second := &shelf{}, sealed.NewKey(), sealed.NewKey()
	secrets := Secrets{"tokens": "1"}
	newHost(t, notes, first, secrets).mustHave(t, secrets)
	for _, keys := range []string{first + second, second + first, first + second, second} {
		if keys == second { // the last step needs a host that seals with the second one
			newHost(t, notes, second+first, Secrets{"tokens": "other"}).mustHave(t, secrets)
		}
		newHost(t, notes, keys, Secrets{"tokens": "other"}).mustHave(t, secrets)
	}
	if err := newHost(t, notes, first, Secrets{}).sync(t); !errors.Is(err, sealed.ErrOtherKey) {
		t.Errorf("the old key: %v", err)
	}
}

func TestSyncFails(t *testing.T) {
	key := sealed.NewKey()
	notes := &shelf{}
	newHost(t, notes, key, Secrets{"tokens": "1"}).mustHave(t, Secrets{"tokens": "1"})
	good := notes.text
	stranger := newHost(t, notes, sealed.NewKey(), Secrets{"tokens": "2"})
	if err := stranger.sync(t); !errors.Is(err, sealed.ErrOtherKey) || notes.text != good {
		t.Errorf("another key: %v", err)
	}
	notes.text = "junk"
	if err := newHost(t, notes, key, Secrets{"tokens": "2"}).sync(t); !errors.Is(err, sealed.ErrDamaged) || notes.text != "junk" {
		t.Errorf("junk: %v", err)
	}
	notes.text = newHost(t, notes, key, nil).sharer.Keys.Seal(note, []byte("secret"))
	if err := newHost(t, notes, key, Secrets{}).sync(t); !errors.Is(err, sealed.ErrDamaged) || strings.Contains(err.Error(), "secret") {
		t.Errorf("no secrets: %v", err)
	}
}

// TestSyncAtTheSameTime: a host that is slower takes what the other one has shared.
func TestSyncAtTheSameTime(t *testing.T) {
	notes, key := &shelf{}, sealed.NewKey()
	other := newHost(t, notes, key, Secrets{"tokens": "other"})
	notes.before = func() {
		notes.before = nil
		other.mustHave(t, Secrets{"tokens": "other"})
	}
	newHost(t, notes, key, Secrets{"tokens": "mine"}).mustHave(t, Secrets{"tokens": "other"})
}

// TestSyncAmongBusyHosts: a host tries often enough, and not for ever.
func TestSyncAmongBusyHosts(t *testing.T) {
	for _, tt := range []struct {
		conflicts, swaps int
		err              error
	}{{maxAttempts - 1, maxAttempts, nil}, {maxAttempts, maxAttempts, ErrBusy}, {maxAttempts + 9, maxAttempts, ErrBusy}} {
		notes, key, swaps := &shelf{}, sealed.NewKey(), 0
		newHost(t, notes, key, Secrets{"tokens": "1"}).mustHave(t, Secrets{"tokens": "1"})
		notes.before = func() {
			if swaps++; swaps <= tt.conflicts {
				notes.revision++
			}
		}
		err := newHost(t, notes, key, Secrets{"new": "x"}).sync(t)
		if !errors.Is(err, tt.err) || swaps != tt.swaps {
			t.Errorf("%d conflicts: tried %d times, want %d; %v", tt.conflicts, swaps, tt.swaps, err)
		}
	}
}

// TestSyncOfNothing: where no host has a secret, none writes a note.
func TestSyncOfNothing(t *testing.T) {
	notes := &shelf{}
	newHost(t, notes, sealed.NewKey(), Secrets{"former": ""}).mustHave(t, Secrets{})
	if notes.revision != 0 {
		t.Error("a note without secrets is written")
	}
}

// TestStateOfAnEarlierVersion: a host that was upgraded still tells a secret that it has
// changed from one that another host has.
func TestStateOfAnEarlierVersion(t *testing.T) {
	notes, key := &shelf{}, sealed.NewKey()
	newHost(t, notes, key, Secrets{"ca": "first"}).mustHave(t, Secrets{"ca": "first"})
	upgraded := newHost(t, notes, key, Secrets{"ca": "rotated"})
	upgraded.last = State{"ca": "a7937b64b8caa58f03721bb6bacf5c78"}
	upgraded.mustHave(t, Secrets{"ca": "rotated"})
}
