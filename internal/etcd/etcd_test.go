package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/config"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/logtest"
	"mdserver/internal/roottest"
)

func TestMain(m *testing.M) { os.Exit(roottest.InNamespace(m)) }

// open opens a client whose log the test can read.
func open(t *testing.T, cfg config.Store) (*Client, *logtest.Buffer) {
	t.Helper()
	log := &logtest.Buffer{}
	c, err := Open(context.Background(), cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if strings.Contains(log.String(), etcdtest.Password) {
			t.Errorf("the log has the password:\n%s", log)
		}
	})
	return c, log
}

// put writes a key below the prefix.
func put(c *Client, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err := c.Put(ctx, "/mdserver/key", time.Now().String())
	return err
}

// within waits until f returns nil.
func within(t *testing.T, limit time.Duration, f func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("after %v: %v", limit, err)
}

func allUsable(c *Client) func() error {
	return func() error {
		for _, m := range c.Members() {
			if !m.Usable() {
				return fmt.Errorf("%+v", m)
			}
		}
		if asked := len(c.Members()); asked < len(c.endpoints) {
			return fmt.Errorf("%d members were asked", asked)
		}
		return nil
	}
}

func TestOpenWithoutMembers(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{TLS: true, Users: true})
	cluster.Members[0].Kill()
	begin := time.Now()
	c, log := open(t, cluster.Config())
	if took := time.Since(begin); took > time.Second {
		t.Errorf("opening took %v", took)
	}
	if err := put(c, 500*time.Millisecond); err == nil {
		t.Error("a change without a member")
	}
	within(t, 3*time.Second, func() error {
		if !strings.Contains(log.String(), "does not answer") {
			return errors.New("nothing in the log")
		}
		return nil
	})
	cluster.Members[0].Start()
	within(t, 10*time.Second, func() error { return put(c, time.Second) })
}

// TestEnd checks that a client asks no member after the end of its context, or after Close.
func TestEnd(t *testing.T) {
	for name, end := range map[string]func(c *Client, cancel func()) error{
		"of the context": func(c *Client, cancel func()) error {
			cancel()
			c.done.Wait()
			return c.Close()
		},
		"by Close": func(c *Client, _ func()) error { return c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c, err := Open(ctx, config.Store{Endpoints: []string{"http://127.0.0.1:1"}}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if err := end(c, cancel); err != nil || c.Ctx().Err() == nil {
				t.Errorf("close: %v; its context: %v", err, c.Ctx().Err())
			}
			c.done.Wait()
		})
	}
}

func TestUser(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{Users: true})
	c, _ := open(t, cluster.Config())
	ctx := t.Context()
	if err := put(c, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(ctx, "/other/key", "x"); !errors.Is(err, rpctypes.ErrPermissionDenied) {
		t.Errorf("a key of others: %v", err)
	}

	t.Run("token that etcd has forgotten", func(t *testing.T) {
		cluster.Members[0].Kill()
		cluster.Members[0].Start()
		cluster.Members[0].WaitUsable()
		within(t, 5*time.Second, func() error { return put(c, time.Second) })
	})

	t.Run("watch after a restart", func(t *testing.T) {
		cluster.Members[0].Kill()
		cluster.Members[0].Start()
		cluster.Members[0].WaitUsable()
		within(t, 5*time.Second, allUsable(c)) // no request has noticed that the token is gone
		watch := c.Watch(clientv3.WithRequireLeader(ctx), "/mdserver/", clientv3.WithPrefix())
		within(t, 10*time.Second, func() error {
			if err := put(c, time.Second); err != nil {
				return err
			}
			select {
			case got := <-watch:
				return got.Err()
			case <-time.After(time.Second):
				return errors.New("nothing was seen")
			}
		})
	})

	t.Run("new password", func(t *testing.T) {
		if _, err := cluster.Root().UserChangePassword(ctx, etcdtest.User, "new"); err != nil {
			t.Fatal(err)
		}
		err := put(c, 5*time.Second)
		if err == nil || !strings.Contains(err.Error(), "authentication failed") || strings.Contains(err.Error(), etcdtest.Password) {
			t.Errorf("the old password: %v", err)
		}
		if err := os.WriteFile(cluster.Config().PasswordFile, []byte("new\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := put(c, 5*time.Second); err != nil {
			t.Errorf("the new password: %v", err)
		}
	})

	t.Run("authentication disabled", func(t *testing.T) {
		if _, err := cluster.Root().AuthDisable(ctx); err != nil {
			t.Fatal(err)
		}
		if err := put(c, 5*time.Second); err != nil {
			t.Error(err)
		}
	})
}

// Without a user in the configuration, the certificate's common name is the user.
func TestCommonName(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{TLS: true, Users: true})
	cfg := cluster.Config()
	cfg.User, cfg.PasswordFile = "", ""
	c, _ := open(t, cfg)
	if err := put(c, 5*time.Second); err != nil {
		t.Error(err)
	}
	if _, err := c.Put(t.Context(), "/other/key", "x"); !errors.Is(err, rpctypes.ErrPermissionDenied) {
		t.Errorf("a key of others: %v", err)
	}
}

func TestRenewedCertificate(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{TLS: true})
	c, _ := open(t, cluster.Config())
	within(t, 5*time.Second, func() error { return put(c, time.Second) })

	cluster.RenewClient(time.Now().Add(-time.Minute)) // it has expired
	c.conns.drop(address(c.endpoints[0]))
	within(t, 5*time.Second, func() error {
		if err := put(c, time.Second); err == nil {
			return errors.New("etcd accepts a certificate that has expired")
		}
		return nil
	})
	cluster.RenewClient(time.Now().Add(time.Hour))
	within(t, 5*time.Second, func() error { return put(c, time.Second) })
}

// TestFaultyMember breaks the leader of three members. Changes and watches go on
// with the others.
func TestFaultyMember(t *testing.T) {
	roottest.Need(t, "cuts off members")
	cluster := etcdtest.Start(t, etcdtest.Options{Members: 3, Isolated: true})
	for name, fault := range map[string]struct {
		breakIt, mend func(*etcdtest.Member)
	}{
		"killed":      {(*etcdtest.Member).Kill, (*etcdtest.Member).Start},
		"paused":      {(*etcdtest.Member).Pause, (*etcdtest.Member).Resume},
		"cut off":     {func(m *etcdtest.Member) { m.Cut(true, true) }, func(m *etcdtest.Member) { m.Cut(false, false) }},
		"cannot hear": {func(m *etcdtest.Member) { m.Cut(true, false) }, func(m *etcdtest.Member) { m.Cut(false, false) }},
		"cannot send": {func(m *etcdtest.Member) { m.Cut(false, true) }, func(m *etcdtest.Member) { m.Cut(false, false) }},
	} {
		t.Run(name, func(t *testing.T) {
			testFault(t, cluster, cluster.Leader(), fault.breakIt, fault.mend)
		})
	}
}

func testFault(t *testing.T, cluster *etcdtest.Cluster, victim *etcdtest.Member, breakIt, mend func(*etcdtest.Member)) {
	t.Helper()
	c, log := open(t, cluster.Config())
	within(t, 10*time.Second, allUsable(c))
	if err := put(c, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	reply, err := c.Get(t.Context(), "/mdserver/key")
	if err != nil {
		t.Fatal(err)
	}
	seen := follow(t, c, reply.Header.Revision)
	breakIt(victim)
	begin := time.Now()
	within(t, 10*time.Second, func() error { // the rest may have to elect a leader as well
		if time.Since(begin) < 2*time.Second {
			return errors.New("too early")
		}
		for range 6 { // each member would have its turn twice
			if err := put(c, time.Second); err != nil {
				return err
			}
		}
		return nil
	})
	t.Logf("%s: served again after %v", victim.Endpoint, time.Since(begin).Round(10*time.Millisecond))
	if reply, err = c.Get(t.Context(), "/mdserver/key"); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, func() error {
		if got, want := seen.Load(), reply.Kvs[0].ModRevision; got < want {
			return fmt.Errorf("the watch is at %d, want %d", got, want)
		}
		return nil
	})
	for _, m := range c.Members() {
		if m.Endpoint == victim.Endpoint && m.Err == nil {
			t.Errorf("the member still answers: %+v", m)
		}
	}
	mend(victim)
	within(t, 10*time.Second, allUsable(c))
	if t.Failed() {
		t.Log(log)
	}
}

// follow watches the keys and returns the newest revision that it has seen. A
// watch that requires a leader ends when its member loses the leader.
func follow(t *testing.T, c *Client, revision int64) *atomic.Int64 {
	t.Helper()
	var seen atomic.Int64
	seen.Store(revision)
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	t.Cleanup(func() { stop(); done.Wait() })
	done.Go(func() {
		for ctx.Err() == nil {
			for got := range c.Watch(clientv3.WithRequireLeader(ctx), "/mdserver/", clientv3.WithPrefix(), clientv3.WithRev(seen.Load()+1)) {
				for _, e := range got.Events {
					if e.Kv.ModRevision <= seen.Load() {
						t.Errorf("revision %d after %d", e.Kv.ModRevision, seen.Load())
					}
					seen.Store(e.Kv.ModRevision)
				}
			}
		}
	})
	return &seen
}

func TestWithoutMajority(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{Members: 3})
	c, log := open(t, cluster.Config())
	within(t, 10*time.Second, allUsable(c))
	for _, m := range cluster.Members[1:] {
		m.Kill()
	}
	within(t, 10*time.Second, func() error {
		if m := c.Members()[0]; m.Err != nil || m.Leader {
			return fmt.Errorf("%+v", m)
		}
		return nil
	})
	if err := put(c, time.Second); err == nil {
		t.Error("a change without a majority")
	}
	if !strings.Contains(log.String(), "knows no leader") {
		t.Errorf("log:\n%s", log)
	}
	cluster.Members[1].Start()
	within(t, 10*time.Second, func() error { return put(c, time.Second) })
}

func TestFullDisk(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{Members: 3, DiskSize: 140 << 20})
	c, _ := open(t, cluster.Config())
	within(t, 10*time.Second, allUsable(c))
	victim := cluster.Leader()
	victim.FillDisk()
	large := strings.Repeat("x", 1<<20)
	within(t, 60*time.Second, func() error { // it has space set aside for its log
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = c.Put(ctx, "/mdserver/large", large)
		if victim.Alive() {
			return errors.New("the member still runs")
		}
		return nil
	})
	within(t, 10*time.Second, func() error { return put(c, time.Second) })
	victim.FreeDisk()
	victim.Start()
	within(t, 20*time.Second, allUsable(c))
}

func TestAlarm(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{Args: []string{"--quota-backend-bytes", "1048576"}})
	c, log := open(t, cluster.Config())
	large := strings.Repeat("x", 500000)
	within(t, 20*time.Second, func() error {
		_, err := c.Put(t.Context(), "/mdserver/large", large)
		if !errors.Is(err, rpctypes.ErrNoSpace) {
			return fmt.Errorf("no alarm: %v", err)
		}
		return nil
	})
	within(t, 5*time.Second, func() error {
		if m := c.Members()[0]; !m.Usable() || !strings.Contains(fmt.Sprint(m.Alarms), "NOSPACE") || m.Size < 500_000 {
			return fmt.Errorf("%+v", m)
		}
		return nil
	})
	within(t, time.Second, func() error {
		if !strings.Contains(log.String(), "NOSPACE") {
			return errors.New("nothing in the log")
		}
		return nil
	})
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tls := []string{"https://a:2379"}
	for want, cfg := range map[string]config.Store{
		"store.ca_file: open /absent":       {Endpoints: tls, CAFile: "/absent"},
		"empty has no certificate":          {Endpoints: tls, CAFile: file("empty", "")},
		"store.cert_file /absent":           {Endpoints: tls, CertFile: "/absent", KeyFile: "/absent"},
		"store.password_file: open /absent": {Endpoints: tls, User: "u", PasswordFile: "/absent"},
		"lines is not a password":           {Endpoints: tls, User: "u", PasswordFile: file("lines", "hunter2\nhunter3\n")},
		"blank is not a password":           {Endpoints: tls, User: "u", PasswordFile: file("blank", "\n")},
	} {
		err := CheckFiles(cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%v, want %q", err, want)
		}
		if _, opened := Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); fmt.Sprint(opened) != fmt.Sprint(err) {
			t.Errorf("Open: %v, want %v", opened, err)
		}
	}
	for _, cfg := range []config.Store{
		{Endpoints: tls},
		{Endpoints: []string{"http://a:2379"}, CAFile: "/absent"}, // it has no effect
		{Endpoints: tls, User: "u", PasswordFile: file("good", "secret\r\n")},
	} {
		if err := CheckFiles(cfg); err != nil {
			t.Error(err)
		}
	}
}
