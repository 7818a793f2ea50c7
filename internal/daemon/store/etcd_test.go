package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/build"
	"mdserver/internal/config"
	"mdserver/internal/etcd"
	"mdserver/internal/etcd/etcdfake"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/fleet"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/etcdstore"
	"mdserver/internal/inventory/migrate"
	"mdserver/internal/logtest"
	"mdserver/internal/pace"
	"mdserver/internal/sealed"
)

// inventoryNote and hostNote are notes that etcdstore keeps in a database that caches an
// inventory in etcd.
const inventoryNote, hostNote = "etcd/inventory", "etcd/writer"

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// etcdConfig returns the configuration of a host with a new directory.
func etcdConfig(t *testing.T, backend string) *config.Config {
	t.Helper()
	dir, cfg := t.TempDir(), config.Default()
	cfg.Server.Database, cfg.Server.Identity = filepath.Join(dir, "inventory.db"), filepath.Join(dir, "identity.pem")
	cfg.Service.Hostname, cfg.Store.Host, cfg.Store.Backend = "kvm1", "host of the test", backend
	return cfg
}

func guest(n byte, hostID string) instance.Instance {
	return instance.Instance{ID: "i-" + string('0'+rune(n)), Name: "guest" + string('0'+rune(n)), UUID: uuid.UUID{15: n}, Home: instance.Home{HostID: hostID}}
}

// fill writes guests and notes into a host's database.
func fill(t *testing.T, cfg *config.Config, notes map[string]string, guests ...instance.Instance) {
	t.Helper()
	database, err := boltstore.Open(cfg.Server.Database, discard())
	if err != nil {
		t.Fatal(err)
	}
	err = database.Apply(t.Context(), []instance.Change{{Put: guests}})
	for key, text := range notes {
		err = errors.Join(err, database.SetNote(t.Context(), key, text))
	}
	if err := errors.Join(err, database.Close(), os.WriteFile(cfg.Server.Identity, []byte("identity of the host"), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func order(t *testing.T, cfg *config.Config, o migrate.Order) {
	t.Helper()
	if err := o.Write(cfg.Server.Database); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, s *Store) string {
	t.Helper()
	table, err := s.Inventory.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, g := range table.Instances {
		list = append(list, g.Name)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// mustHaveFormer checks the backup that a host makes before it changes to another backend.
func mustHaveFormer(t *testing.T, cfg *config.Config, to string, guests int) {
	t.Helper()
	path := migrate.Former(cfg.Server.Database, to)
	b, err := backup.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.Header.Host != "kvm1" || b.Header.Mdserver != build.Version || len(b.Table.Instances) != guests || b.Notes["note"] != "kept" || b.Identity != "identity of the host" {
		t.Errorf("the backup is %+v with %d guests, notes %v and the identity %q", b.Header, len(b.Table.Instances), b.Notes, b.Identity)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the backup has keys, and its mode is %v (%v)", info.Mode(), err)
	}
}

func mustHaveNoFormer(t *testing.T, cfg *config.Config, to string) {
	t.Helper()
	if _, err := os.Stat(migrate.Former(cfg.Server.Database, to)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a backup (%v)", err)
	}
}

// TestLeaveEtcd checks that a cache of etcd becomes the database of this host alone.
func TestLeaveEtcd(t *testing.T) {
	cache := map[string]string{inventoryNote: "inventory", hostNote: "me", "note": "kept"}
	for _, tt := range []struct {
		name    string
		notes   map[string]string
		order   migrate.Order
		guests  string
		former  bool // whether a backup was made
		ordered bool // whether the order is still there
	}{
		{"without an order", cache, migrate.Order{}, "guest1 guest2 guest3", false, false},
		{"as ordered", cache, migrate.Order{To: config.BackendBolt}, "guest1 guest3", true, false},
		{"with all guests", cache, migrate.Order{To: config.BackendBolt, All: true}, "guest1 guest2 guest3", true, false},
		{"with an order for the other direction", cache, migrate.Order{To: config.BackendEtcd}, "guest1 guest2 guest3", false, false},
		{"a database of its own", map[string]string{hostNote: "me", "note": "kept"}, migrate.Order{To: config.BackendEtcd}, "guest1 guest2 guest3", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := etcdConfig(t, config.BackendBolt)
			fill(t, cfg, tt.notes, guest(1, "me"), guest(2, "other"), guest(3, ""))
			if tt.order.To != "" {
				order(t, cfg, tt.order)
			}
			log := &logtest.Buffer{}
			s, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Inventory.Close()
			told := fmt.Sprintf("removed=%d backup=%s\n", 3-len(strings.Fields(tt.guests)), migrate.Former(cfg.Server.Database, config.BackendBolt))
			if strings.Contains(log.String(), "the guests of this host alone from now on") != tt.former || tt.former && !strings.Contains(log.String(), told) {
				t.Errorf("the log lacks %q:\n%s", told, log)
			}
			if got := names(t, s); got != tt.guests {
				t.Errorf("guests are %s, want %s", got, tt.guests)
			}
			if id, err := etcdstore.Inventory(t.Context(), s.Database); id != "" || err != nil {
				t.Errorf("it is still the cache of %q (%v)", id, err)
			}
			if _, err := os.Stat(migrate.OrderFile(cfg.Server.Database)); (err == nil) != tt.ordered {
				t.Errorf("the order: %v, want it there: %v", err, tt.ordered)
			}
			if tt.former {
				mustHaveFormer(t, cfg, config.BackendBolt, 3)
			} else {
				mustHaveNoFormer(t, cfg, config.BackendBolt)
			}
		})
	}
}

// TestLeaveEtcdFails checks that a cache that cannot be left stays a cache and is not held
// open.
func TestLeaveEtcdFails(t *testing.T) {
	for name, harm := range map[string]func(cfg *config.Config) error{
		"an order that cannot be read": func(cfg *config.Config) error {
			return os.WriteFile(migrate.OrderFile(cfg.Server.Database), []byte("{"), 0o600)
		},
		"an identity authority that cannot be read": func(cfg *config.Config) error {
			return errors.Join(os.Remove(cfg.Server.Identity), os.Mkdir(cfg.Server.Identity, 0o700))
		},
		"a backup that cannot be written": func(cfg *config.Config) error {
			return os.MkdirAll(filepath.Join(migrate.Former(cfg.Server.Database, config.BackendBolt), "in the way"), 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := etcdConfig(t, config.BackendBolt)
			fill(t, cfg, map[string]string{inventoryNote: "inventory", hostNote: "me"}, guest(1, "me"), guest(2, "other"))
			order(t, cfg, migrate.Order{To: config.BackendBolt})
			if err := harm(cfg); err != nil {
				t.Fatal(err)
			}
			if s, err := Open(t.Context(), cfg, discard()); err == nil {
				t.Fatalf("Open succeeded with %s", names(t, s))
			}
			database, err := boltstore.Open(cfg.Server.Database, discard())
			if err != nil {
				t.Fatal(err)
			}
			defer database.Close()
			if id, err := etcdstore.Inventory(t.Context(), database); id != "inventory" || err != nil {
				t.Errorf("it is a cache of %q (%v)", id, err)
			}
			if got := names(t, &Store{Inventory: database}); got != "guest1 guest2" {
				t.Errorf("guests are %s", got)
			}
		})
	}
}

// TestJoin checks that guests move into etcd only by an order, and only with a backup.
func TestJoin(t *testing.T) {
	complete := migrate.Order{To: config.BackendEtcd, Prefix: "/mdserver/", Inventory: "inventory", Complete: true}
	other, incomplete := complete, complete
	other.Prefix, incomplete.Complete = "/other/", false
	for _, tt := range []struct {
		name  string
		order migrate.Order
		joins bool
	}{
		{"as ordered", complete, true},
		{"without an order", migrate.Order{}, false},
		{"copied in part", incomplete, false},
		{"copied elsewhere", other, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := etcdConfig(t, config.BackendEtcd)
			cfg.Store.Prefix = "/mdserver/"
			fill(t, cfg, map[string]string{"note": "kept"}, guest(1, ""))
			if tt.order.To != "" {
				order(t, cfg, tt.order)
			}
			database, err := boltstore.Open(cfg.Server.Database, discard())
			if err != nil {
				t.Fatal(err)
			}
			defer database.Close()
			s := &Store{Database: database, HostID: "me", Etcd: &etcd.Client{}, log: discard()}
			shared := s.shared(cfg)
			if shared.Prefix != "/mdserver/" || shared.Cache != database {
				t.Errorf("the inventory has the options %+v", shared)
			}
			ours, err := database.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			joining, err := shared.Join(t.Context(), ours)
			if !tt.joins {
				if !errors.Is(err, migrate.ErrNoOrder) {
					t.Errorf("error %v", err)
				}
				mustHaveNoFormer(t, cfg, config.BackendEtcd)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			mustHaveFormer(t, cfg, config.BackendEtcd, 1)
			change, err := joining.Decide("inventory", instance.Table{})
			if err != nil || len(change.Put) != 1 || change.Put[0].HostID != "me" || change.Put[0].Host != cfg.Store.Host {
				t.Errorf("the host brings %+v (%v)", change.Put, err)
			}
		})
	}
}

// TestJoinWithoutBackup checks that guests do not move into etcd if the backup fails.
func TestJoinWithoutBackup(t *testing.T) {
	cfg := etcdConfig(t, config.BackendEtcd)
	fill(t, cfg, nil, guest(1, ""))
	order(t, cfg, migrate.Order{To: config.BackendEtcd, Prefix: cfg.Store.Prefix, Inventory: "inventory", Complete: true})
	if err := os.MkdirAll(filepath.Join(migrate.Former(cfg.Server.Database, config.BackendEtcd), "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	database, err := boltstore.Open(cfg.Server.Database, discard())
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	s := &Store{Database: database, HostID: "me", log: discard()}
	if _, err := s.join(t.Context(), cfg, instance.Table{Instances: []instance.Instance{guest(1, "")}}); err == nil {
		t.Error("the guests may move")
	}
}

// TestDrained checks that a host knows whether it is out of service.
func TestDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		s := &Store{Fleet: fleet.New(fleet.Options{ID: "me", Client: etcdfake.New().Client(ctx), Log: discard()})}
		var following sync.WaitGroup
		following.Go(func() { s.Fleet.Run(ctx) })
		time.Sleep(time.Minute)
		for _, drained := range []bool{false, true, false} {
			if _, err := s.Fleet.SetDrained(ctx, "me", drained); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if s.Drained() != drained {
				t.Errorf("drained %v, want %v", s.Drained(), drained)
			}
		}
		stop()
		following.Wait()
	})
}

// TestHostID checks that a host keeps its ID, and that one without an ID takes the ID of the
// order by which its guests were copied into etcd.
func TestHostID(t *testing.T) {
	for _, tt := range []struct{ name, known, ordered, want string }{
		{"known", "known", "", "known"},
		{"known and ordered", "known", "ordered", "known"},
		{"ordered", "", "ordered", "ordered"},
		{"neither", "", "", ""},
		{"an order that cannot be read", "", "{", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := etcdConfig(t, config.BackendEtcd)
			fill(t, cfg, map[string]string{hostNote: tt.known})
			if tt.ordered != "{" {
				order(t, cfg, migrate.Order{To: config.BackendEtcd, HostID: tt.ordered})
			} else if err := os.WriteFile(migrate.OrderFile(cfg.Server.Database), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
			database, err := boltstore.Open(cfg.Server.Database, discard())
			if err != nil {
				t.Fatal(err)
			}
			defer database.Close()
			id, err := openHostID(t.Context(), cfg, database)
			if err != nil || tt.want != "" && id != tt.want || uuid.Validate(id) != nil && tt.want == "" {
				t.Errorf("the ID is %q (%v), want %q", id, err, tt.want)
			}
			if again, err := openHostID(t.Context(), cfg, database); again != id || err != nil {
				t.Errorf("the ID is %q later (%v)", again, err)
			}
		})
	}
}

// TestOpenEtcd checks that a host with etcd starts before etcd answers.
func TestOpenEtcd(t *testing.T) {
	cfg := etcdConfig(t, config.BackendEtcd)
	cfg.Store.Endpoints, cfg.Store.Prefix = []string{"http://127.0.0.1:1"}, "/test/"
	order(t, cfg, migrate.Order{To: config.BackendEtcd, HostID: "ordered"})
	s, err := Open(t.Context(), cfg, discard())
	if err != nil {
		t.Fatal(err)
	}
	if s.Inventory != s.Shared || s.HostID != "ordered" || s.Shared.ID() != s.HostID || s.Drained() {
		t.Errorf("a host with etcd has %+v", s)
	}
	if f := s.Fleet; f.ID != s.HostID || f.Name != cfg.Store.Host || f.Prefix != "/test/" || f.Version != build.Version || f.Client != s.Etcd.Client {
		t.Errorf("the fleet is %+v", f.Options)
	}
	if err := errors.Join(s.Inventory.Close(), s.CloseEtcd()); err != nil {
		t.Error(err)
	}
	if err := s.Etcd.Client.Ctx().Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("the connection is still open (%v)", err)
	}
}

// TestMoveIntoEtcd checks that a host moves into etcd as ordered, and can be drained there.
func TestMoveIntoEtcd(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	openHost := func(cfg *config.Config) *Store {
		t.Helper()
		cfg.Store.Endpoints, cfg.Store.Prefix = cluster.Endpoints(), "/test/"
		s, err := Open(ctx, cfg, discard())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(s.Inventory.Close(), s.CloseEtcd()); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	first := openHost(etcdConfig(t, config.BackendEtcd))
	inventory := ""
	await(ctx, t, "the first host makes no inventory", func() bool {
		inventory, _ = etcdstore.Inventory(ctx, first.Database)
		return inventory != ""
	})
	cfg := etcdConfig(t, config.BackendEtcd)
	fill(t, cfg, map[string]string{"note": "kept"}, guest(1, ""))
	order(t, cfg, migrate.Order{To: config.BackendEtcd, Prefix: "/test/", Inventory: inventory, HostID: "mover", Complete: true})
	s := openHost(cfg)
	await(ctx, t, "the order is still there", func() bool {
		_, err := os.Stat(migrate.OrderFile(cfg.Server.Database))
		return errors.Is(err, fs.ErrNotExist)
	})
	mustHaveFormer(t, cfg, config.BackendEtcd, 1)

	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { s.Fleet.Run(ctx) })
	await(ctx, t, "the host cannot be drained", func() bool {
		_, err := s.Fleet.SetDrained(ctx, s.HostID, true)
		return err == nil
	})
	await(ctx, t, "a host that is drained does not know it", s.Drained)
}

// await waits until so returns true. otherwise is the message if it never does.
func await(ctx context.Context, t *testing.T, otherwise string, so func() bool) {
	t.Helper()
	for !so() {
		if ctx.Err() != nil {
			t.Fatal(otherwise)
		}
		pace.Sleep(ctx, 5*time.Millisecond)
	}
}

// TestCheck checks that the configuration is checked before anything is opened.
func TestCheck(t *testing.T) {
	key := filepath.Join(t.TempDir(), "store.key")
	if err := os.WriteFile(key, []byte(sealed.NewKey()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		backend string
		change  func(s *config.Store)
		want    []string // parts of the error's text
	}{
		{"no files", config.BackendEtcd, func(*config.Store) {}, nil},
		{"a key", config.BackendEtcd, func(s *config.Store) { s.Key = key }, nil},
		{"no key", config.BackendEtcd, func(s *config.Store) { s.Key = key + ".none" }, []string{"store.key: "}},
		{"no certificates", config.BackendEtcd, func(s *config.Store) { s.CAFile, s.Endpoints = key+".none", []string{"https://[::1]:1"} }, []string{"store.ca_file: "}},
		{"neither", config.BackendEtcd, func(s *config.Store) {
			s.Key, s.CAFile, s.Endpoints = key+".none", key+".none", []string{"https://[::1]:1"}
		}, []string{"store.key: ", "store.ca_file: "}},
		{"files that are not used", config.BackendBolt, func(s *config.Store) { s.Key, s.CAFile = key+".none", key+".none" }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := etcdConfig(t, tt.backend)
			tt.change(&cfg.Store)
			err := Check(cfg)
			if (err != nil) != (tt.want != nil) {
				t.Fatalf("error %v", err)
			}
			for _, text := range tt.want {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q lacks %q", err, text)
				}
			}
			if err == nil {
				return
			}
			if _, err := Open(t.Context(), cfg, discard()); err == nil {
				t.Error("Open succeeded")
			}
			if _, err := os.Stat(cfg.Server.Database); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a database was made (%v)", err)
			}
		})
	}
}

func TestHostName(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"rack4": "rack4", "": own} {
		cfg := config.Default()
		cfg.Store.Host = host
		if got := HostName(cfg); got != want {
			t.Errorf("store.host %q: the name is %q, want %q", host, got, want)
		}
	}
}
