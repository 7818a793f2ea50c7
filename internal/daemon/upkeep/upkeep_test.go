package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/health"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
)

// host is a host with its database. The database holds the inventory unless a test gives
// another store.
type host struct {
	*Upkeep
	t         *testing.T
	cfg       *config.Config
	path      string // of the database
	database  *boltstore.Store
	inventory *inventorytest.Lab
	log       bytes.Buffer
}

// newHost makes a host. Its inventory is kept in other, or in the database if other is nil.
func newHost(t *testing.T, other storage.Store, change ...func(*inventory.Options)) *host {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "my files")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, cfg: &config.Config{}, path: filepath.Join(dir, "mdserver.db")}
	h.cfg.Server.Database, h.cfg.Server.Identity, h.cfg.Service.Hostname = h.path, filepath.Join(dir, "identity.pem"), "kvm1"
	h.cfg.Server.Snapshots = 7
	log := slog.New(slog.NewTextHandler(&h.log, nil))
	var err error
	if h.database, err = boltstore.Open(h.path, log); err != nil {
		t.Fatal(err)
	}
	if other == nil {
		other = h.database
	} else {
		t.Cleanup(func() { _ = h.database.Close() })
	}
	h.inventory = inventorytest.On(t, other, change...)
	h.Upkeep = New(h.inventory.Inventory, h.database, func() *config.Config { return h.cfg }, log)
	return h
}

// during runs KeepDatabase for a time.
func (h *host) during(d time.Duration) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), d)
	defer cancel()
	h.KeepDatabase(ctx)
}

// mustTell checks the troubles of the host. Each message must begin as wanted.
func (h *host) mustTell(want ...string) {
	h.t.Helper()
	troubles := h.Trouble()
	if len(troubles) != len(want) {
		h.t.Fatalf("troubles %+v, want %q", troubles, want)
	}
	for i, trouble := range troubles {
		if !strings.HasPrefix(trouble.Message, want[i]) || trouble.State != health.Wrong {
			h.t.Errorf("trouble %+v, want %q", trouble, want[i])
		}
	}
}

// TestKeepDatabase checks that a missing file is put back within seconds, and that a failure
// to do so is reported once, until it is over.
func TestKeepDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, nil)
		if err := os.Remove(h.path); err != nil {
			t.Fatal(err)
		}
		h.during(3 * time.Second)
		if _, err := os.Stat(h.path); err != nil {
			t.Fatalf("the file was not put back: %v", err)
		}
		h.mustTell()

		for times := 1; times <= 2; times++ {
			if err := errors.Join(os.Remove(h.path), os.MkdirAll(filepath.Join(h.path, "in the way"), 0o700)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			h.during(11 * time.Second)
			h.mustTell(boltstore.ErrDisplaced.Error())
			trouble := h.Trouble()[0]
			if trouble.Part != "database" || !slices.Equal(trouble.Look, []string{"ls -la '" + filepath.Dir(h.path) + "'"}) || trouble.Since.Sub(began) != 2*time.Second {
				t.Errorf("trouble %+v", trouble)
			}
			if said := strings.Count(h.log.String(), "the database is not in its place"); said != times {
				t.Errorf("logged %d times after %d failures: %s", said, times, &h.log)
			}
			if err := os.RemoveAll(h.path); err != nil {
				t.Fatal(err)
			}
			h.during(3 * time.Second)
			h.mustTell()
		}
	})
}

// TestKeepDatabaseReads checks that the file is read again after another program wrote to it,
// and replaced if it is damaged.
func TestKeepDatabaseReads(t *testing.T) {
	for name, tt := range map[string]struct {
		alter   func(path string) error
		damaged bool
	}{
		"sound":   {func(path string) error { return os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)) }, false},
		"damaged": {func(path string) error { return os.WriteFile(path, []byte("another's"), 0o600) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, nil)
				h.inventory.MustRegister(inventorytest.Domain(1, "web"))
				if err := tt.alter(h.path); err != nil {
					t.Fatal(err)
				}
				h.during(7 * time.Second)
				if said := strings.Count(h.log.String(), "another program has written to the database's file, which is read again"); said != 1 {
					t.Errorf("logged %d times: %s", said, &h.log)
				}
				if said := strings.Contains(h.log.String(), "was written again from memory"); said != tt.damaged {
					t.Errorf("written again %v: %s", said, &h.log)
				}
				h.mustTell()
				if table, err := h.database.Load(t.Context()); err != nil || len(table.Instances) != 1 {
					t.Errorf("the database has %+v (%v)", table, err)
				}
			})
		})
	}
}

// faulty is a store whose writes fail or hang.
type faulty struct {
	*storetest.Memory
	err  error
	hang chan struct{}
}

func (f *faulty) Apply(ctx context.Context, changes []instance.Change) error {
	if f.hang != nil {
		<-f.hang
	}
	if f.err != nil {
		return f.err
	}
	return f.Memory.Apply(ctx, changes)
}

var errFull = errors.New("no space left on device")

// TestFailedWrite checks that a failed write is reported until the server knows the state of
// the store again.
func TestFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Memory: storetest.NewMemory(), err: fmt.Errorf("%w: %w", storage.ErrUncertain, errFull)}
		h := newHost(t, store)
		if _, err := h.inventory.Register(t.Context(), inventorytest.Domain(1, "web")); !errors.Is(err, errFull) {
			t.Fatalf("error %v", err)
		}
		h.mustTell("the last change was not written: ")
		trouble := h.Trouble()[0]
		if trouble.Part != "database" || !strings.Contains(trouble.Message, errFull.Error()) || !trouble.Since.Equal(h.inventory.Now()) ||
			!slices.Equal(trouble.Look, []string{"df -h '" + filepath.Dir(h.path) + "'", "journalctl -k -n 50"}) {
			t.Errorf("trouble %+v", trouble)
		}
		store.err = nil
		h.during(3 * time.Second)
		h.mustTell()
	})
}

// TestDisplacedFileIsReportedOnce checks that a file that is displaced is reported once, even
// if a write fails because of it.
func TestDisplacedFileIsReportedOnce(t *testing.T) {
	for _, tt := range []struct {
		name           string
		write, keeping error
		want           []string
	}{
		{"both", boltstore.ErrDisplaced, boltstore.ErrDisplaced, []string{boltstore.ErrDisplaced.Error()}},
		{"the write alone", boltstore.ErrDisplaced, nil, []string{"the last change was not written: "}},
		{"two different failures", errFull, boltstore.ErrDisplaced, []string{"the last change was not written: ", boltstore.ErrDisplaced.Error()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, &faulty{Memory: storetest.NewMemory(), err: tt.write})
			if _, err := h.inventory.Register(t.Context(), inventorytest.Domain(1, "web")); err == nil {
				t.Fatal("the write succeeded")
			}
			if tt.keeping != nil {
				h.databaseFailure.Store(&health.Trouble{Part: "database", State: health.Wrong, Message: tt.keeping.Error()})
			}
			h.mustTell(tt.want...)
		})
	}
}

// TestLongWrite checks that a long write is reported until it ends.
func TestLongWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Memory: storetest.NewMemory(), hang: make(chan struct{})}
		h := newHost(t, store)
		began, done := time.Now(), make(chan error)
		go func() {
			_, err := h.inventory.Register(t.Context(), inventorytest.Domain(1, "web"))
			done <- err
		}()
		time.Sleep(5 * time.Second)
		h.mustTell()
		time.Sleep(2 * time.Second)
		h.mustTell("a write has taken 7s so far: guests are served, but changes wait")
		if trouble := h.Trouble()[0]; trouble.Part != "database" || !trouble.Since.Equal(began) || len(trouble.Look) != 2 {
			t.Errorf("trouble %+v", trouble)
		}
		close(store.hang)
		if err := <-done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		h.mustTell()
	})
}

// TestWithheld checks that guests whose records were set aside are listed with their names, or
// with their UUIDs if they have none.
func TestWithheld(t *testing.T) {
	named := storage.Withheld{UUID: uuid.UUID{15: 7}, Name: "web", Hostname: "web-1", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.9")}, File: "aside.json"}
	nameless := storage.Withheld{UUID: uuid.UUID{15: 8}}
	h := newHost(t, nil, func(o *inventory.Options) { o.Withheld = []storage.Withheld{named, nameless} })
	want := api.Withheld{UUID: named.UUID, Name: "web", Hostname: "web-1", Addrs: named.Addrs, File: "aside.json"}
	if got := h.Withheld(); len(got) != 2 || got[0].UUID != want.UUID || got[0].Name != want.Name || got[0].Hostname != want.Hostname || !slices.Equal(got[0].Addrs, want.Addrs) || got[0].File != want.File {
		t.Errorf("withheld %+v, want %+v", got, want)
	}
	h.mustTell("2 guests are not served, because their records were set aside; their addresses and names are reserved: web, " + nameless.UUID.String() + "; see `mdserver explain NAME`")
	if h := newHost(t, nil); h.Withheld() != nil {
		t.Errorf("withheld without any: %+v", h.Withheld())
	}
}
