package keys

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/hostkeys"
	"mdserver/internal/identity"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/sealed"
)

// sshNote is one of the keys that hosts share and may replace.
var sshNote = hostkeys.SecretNotes()[0]

var errAway = errors.New("etcd does not answer")

// shelf stands in for etcd. It holds what the hosts of a test share.
type shelf struct {
	text     string
	revision int64
	away     bool // it answers with errAway
	mute     bool // it does not answer at all
	reads    int
	hosts    int // how many hosts were made for it
}

func (s *shelf) answer(ctx context.Context) error {
	if s.mute {
		<-ctx.Done()
		return ctx.Err()
	}
	if s.away {
		return errAway
	}
	return nil
}

func (s *shelf) SharedNote(ctx context.Context, _ string) (string, int64, error) {
	s.reads++
	return s.text, s.revision, s.answer(ctx)
}

func (s *shelf) SwapNote(ctx context.Context, _, text string, revision int64) (bool, error) {
	if err := s.answer(ctx); err != nil || revision != s.revision {
		return false, err
	}
	s.text, s.revision = text, s.revision+1
	return true, nil
}

// host is a host with its database. It keeps both when its server starts again.
type host struct {
	keys     *Keys // the keys of the server that started last
	t        *testing.T
	cfg      *config.Config
	database *boltstore.Store
	shelf    *shelf
	key      string // the file store.key
	log      bytes.Buffer

	refreshed  int    // how often the key of ssh host certificates was read
	read       string // the key as it was read last
	unreadable error  // what the next reads of that key fail with
}

// newHost makes a host with a key of its own for ssh host certificates, and an identity
// authority if it shares keys. Its server has not started yet.
func newHost(t *testing.T, shared *shelf, key string) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{t: t, cfg: config.Default(), shelf: shared, key: key}
	h.cfg.Server.Database, h.cfg.Server.Identity = filepath.Join(dir, "inventory.db"), filepath.Join(dir, "identity.pem")
	database, err := boltstore.Open(h.cfg.Server.Database, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := database.Close(); err != nil {
			t.Error(err)
		}
	})
	h.database = database
	h.set(sshNote, "ssh key of "+dir)
	if shared != nil {
		shared.hosts++
		h.setIdentity(authorities()[shared.hosts-1])
	}
	return h
}

// authorities returns the identity authorities of a shelf's hosts. It makes them once, since
// that takes a while.
var authorities = sync.OnceValue(func() (list [3]string) {
	dir, err := os.MkdirTemp("", "identity-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for i := range list {
		path := filepath.Join(dir, strconv.Itoa(i))
		if _, _, err := identity.Open(path, "kvm1"); err != nil {
			panic(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		list[i] = string(text)
	}
	return list
})

// open starts the host's server with the host's own keys.
func (h *host) open() {
	h.t.Helper()
	h.log.Reset()
	var err error
	if h.keys, err = Open(h.t.Context(), h.cfg, h.database, slog.New(slog.NewTextHandler(&h.log, nil))); err != nil {
		h.t.Fatal(err)
	}
}

// start starts the host's server with the keys that the hosts share.
func (h *host) start() {
	h.t.Helper()
	h.open()
	if err := h.shareKeys(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) shareKeys(ctx context.Context) error {
	return h.keys.share(ctx, h.key, h.shelf, func(context.Context) error {
		h.refreshed, h.read = h.refreshed+1, h.note(sshNote)
		return h.unreadable
	})
}

func (h *host) set(note, text string) {
	h.t.Helper()
	if err := h.database.SetNote(h.t.Context(), note, text); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) note(name string) string {
	h.t.Helper()
	text, err := h.database.Note(h.t.Context(), name)
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

func (h *host) setIdentity(text string) {
	h.t.Helper()
	if err := os.WriteFile(h.cfg.Server.Identity, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) identity() string {
	h.t.Helper()
	text, err := os.ReadFile(h.cfg.Server.Identity)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// newKeyFile writes a file store.key.
func newKeyFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "store.key")
	if err := os.WriteFile(file, []byte(sealed.NewKey()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
