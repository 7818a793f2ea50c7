package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/etcd"
	"mdserver/internal/etcd/etcdtest"
)

// member is a host of a fleet that runs.
type member struct {
	*Fleet
	stop func()
}

// join makes a host take part until the end of the test.
func join(t *testing.T, cluster *etcdtest.Cluster, id, name string) *member {
	t.Helper()
	client, err := etcd.Open(context.Background(), cluster.Config(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f := New(Options{Client: client.Client, Prefix: "/mdserver/", ID: id, Name: name, Version: "1", Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	stop := sync.OnceFunc(func() {
		cancel()
		running.Wait()
		_ = client.Close()
	})
	t.Cleanup(stop)
	return &member{f, stop}
}

// has waits until a host knows these hosts.
func (m *member) has(t *testing.T, want string) {
	t.Helper()
	var got string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var list []string
		for _, h := range m.Hosts() {
			list = append(list, fmt.Sprint(h.ID, " ", h.Name, " ", h.Alive))
		}
		if got = strings.Join(list, ", "); got == want {
			return
		}
	}
	t.Fatalf("%s knows the hosts %q, want %q", m.ID, got, want)
}

func TestHosts(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	a, b := join(t, cluster, "1", "kvm1"), join(t, cluster, "2", "kvm2")
	a.has(t, "1 kvm1 true, 2 kvm2 true")
	b.has(t, "1 kvm1 true, 2 kvm2 true")
	if err := a.Trouble(); err != nil {
		t.Error(err)
	}
	if err := a.Forget(t.Context(), "2", false, leave); !errors.Is(err, ErrAlive) {
		t.Errorf("a host that is alive is forgotten: %v", err)
	}
	b.stop()
	a.has(t, "1 kvm1 true, 2 kvm2 false")
	if a.Alive("2") || !a.Alive("1") {
		t.Error("it counts as alive")
	}
	b = join(t, cluster, "2", "renamed")
	a.has(t, "1 kvm1 true, 2 renamed true")
	b.stop()
	a.has(t, "1 kvm1 true, 2 renamed false")
	if err := a.Forget(t.Context(), "2", false, leave); err != nil {
		t.Error(err)
	}
	a.has(t, "1 kvm1 true")
}

// TestRecord: what the hosts know of each other, and when they are told.
func TestRecord(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	before := time.Now().Add(-time.Second)
	a, b := join(t, cluster, "2", "kvm"), join(t, cluster, "1", "kvm")
	c := join(t, cluster, "0", "z")
	a.has(t, "1 kvm true, 2 kvm true, 0 z true")
	if since, err := c.SetDrained(t.Context(), "1", true); err != nil || since.Before(before) {
		t.Errorf("%v, %v", since, err)
	}
	drained := func(m *member) bool { since, _ := m.Drained(); return !since.IsZero() }
	for deadline := time.Now().Add(30 * time.Second); !drained(b) || a.Hosts()[0].Drained.IsZero(); {
		select {
		case <-a.Changed():
		case <-b.Changed():
		case <-time.After(time.Until(deadline)):
			t.Fatal("the hosts are not told that one is drained")
		}
	}
	for _, h := range a.Hosts() {
		if h.Version != "1" || h.Since.Before(before) || h.Since.After(time.Now()) || h.Drained.IsZero() == (h.ID == "1") {
			t.Errorf("%+v", h)
		}
	}
	if _, err := a.Client.Put(t.Context(), "/mdserver/hosts/9", "unreadable"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Client.Put(t.Context(), "/mdserver/hosts/8", `{"name":"by hand"}`); err != nil {
		t.Fatal(err)
	}
	a.has(t, "8 by hand false, 1 kvm true, 2 kvm true, 0 z true")
}

// TestStop: a host that stops counts as away at once, not when its lease ends.
func TestStop(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	a, b := join(t, cluster, "1", "kvm1"), join(t, cluster, "2", "kvm2")
	a.has(t, "1 kvm1 true, 2 kvm2 true")
	b.stop()
	resp, err := a.Client.Get(t.Context(), "/mdserver/alive/", clientv3.WithPrefix())
	if err != nil || resp.Count != 1 || string(resp.Kvs[0].Key) != "/mdserver/alive/1" {
		t.Errorf("%v: %v", err, resp)
	}
	a.has(t, "1 kvm1 true, 2 kvm2 false")
}

// TestLease: a host's lease is renewed, and it gets another one if it was lost.
func TestLease(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	a := join(t, cluster, "1", "kvm1")
	a.has(t, "1 kvm1 true")
	b := join(t, cluster, "2", "kvm2")
	b.has(t, "1 kvm1 true, 2 kvm2 true")
	b.stop()
	client, err := etcd.Open(t.Context(), cluster.Config(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	b.Client = client.Client
	// Its own key may be left, of a lease that it lost.
	if _, err := b.Client.Put(t.Context(), "/mdserver/alive/2", b.session); err != nil {
		t.Fatal(err)
	}
	lease, err := b.claim(t.Context())
	if err != nil || lease == nil {
		t.Fatalf("%v, %v", lease, err)
	}
	select {
	case resp, ok := <-lease.kept():
		if !ok || resp.TTL != int64(leaseTime/time.Second) {
			t.Errorf("%v, %v", resp, ok)
		}
	case <-time.After(30 * time.Second):
		t.Error("the lease is not renewed")
	}
	lease.end(t.Context(), b.Fleet)

	owned := func() clientv3.LeaseID {
		resp, err := a.Client.Get(t.Context(), "/mdserver/alive/1")
		if err != nil {
			t.Fatal(err)
		}
		if len(resp.Kvs) == 0 {
			return 0
		}
		return clientv3.LeaseID(resp.Kvs[0].Lease)
	}
	first := owned()
	if first == 0 {
		t.Fatal("the host is alive without a lease")
	}
	if _, err := a.Client.Revoke(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); owned() == 0 || owned() == first; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the host does not come back")
		}
	}
	a.has(t, "1 kvm1 true, 2 kvm2 false")
}

// TestListAgain: a host that has missed changes does not keep what is gone.
func TestListAgain(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	a := join(t, cluster, "1", "kvm1")
	a.has(t, "1 kvm1 true")
	a.mu.Lock()
	a.hosts["2"], a.alive["2"], a.drained["1"] = Host{ID: "2", Name: "gone"}, "x", time.Now()
	a.mu.Unlock()
	select {
	case <-a.Changed(): // by what happened before
	default:
	}
	if _, err := a.list(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-a.Changed():
	default:
		t.Error("a list of other hosts is not told of")
	}
	a.has(t, "1 kvm1 true")
	if since, _ := a.Drained(); !since.IsZero() || a.Alive("2") {
		t.Errorf("drained since %v, alive: %v", since, a.Alive("2"))
	}
}

// TestForgetAlive: a host that is alive is forgotten with force only.
func TestForgetAlive(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	a, b := join(t, cluster, "1", "kvm1"), join(t, cluster, "2", "kvm2")
	a.has(t, "1 kvm1 true, 2 kvm2 true")
	if _, err := a.SetDrained(t.Context(), "2", true); err != nil {
		t.Fatal(err)
	}
	if err := a.Forget(t.Context(), "2", false, leave); !errors.Is(err, ErrAlive) {
		t.Error(err)
	}
	a.has(t, "1 kvm1 true, 2 kvm2 true")
	if err := a.Forget(t.Context(), "2", true, leave); err != nil {
		t.Error(err)
	}
	a.has(t, "1 kvm1 true")
	if !a.Alive("2") {
		t.Error("a host that takes part counts as away when it is forgotten")
	}
	b.has(t, "1 kvm1 true")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if since, _ := b.Drained(); since.IsZero() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a host that is forgotten stays drained")
		}
	}
}

// TestDrain: a host stays drained over its restart, and until that is undone or the host
// is forgotten.
func TestDrain(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	a, b := join(t, cluster, "1", "kvm1"), join(t, cluster, "2", "kvm2")
	a.has(t, "1 kvm1 true, 2 kvm2 true")
	isDrained := func(m *member, want bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if since, known := m.Drained(); known && since.IsZero() != want {
				return
			}
		}
		t.Fatalf("%s does not know in time that it is drained or not, want %v", m.ID, want)
	}
	isDrained(b, false)
	first, err := a.SetDrained(t.Context(), "2", true)
	if err != nil || time.Since(first) > time.Minute {
		t.Errorf("%v, %v", first, err)
	}
	isDrained(b, true)
	isDrained(a, false)
	b.stop()
	if _, err := a.Client.Put(t.Context(), "/mdserver/drained/2", `{"since":"2024-01-02T03:04:05Z","future":1}`); err != nil {
		t.Fatal(err)
	}
	b = join(t, cluster, "2", "kvm2")
	isDrained(b, true)
	if again, err := a.SetDrained(t.Context(), "2", true); err != nil || again.Year() != 2024 {
		t.Errorf("drained again: %v, %v", again, err)
	}
	if since, err := a.SetDrained(t.Context(), "2", false); err != nil || !since.IsZero() {
		t.Errorf("undone: %v, %v", since, err)
	}
	isDrained(b, false)
	if _, err := a.Client.Put(t.Context(), "/mdserver/drained/2", "unreadable"); err != nil {
		t.Fatal(err)
	}
	isDrained(b, true)
	if _, err := a.SetDrained(t.Context(), "3", true); !errors.Is(err, ErrUnknown) {
		t.Errorf("a host that is not there: %v", err)
	}
	b.stop()
	a.has(t, "1 kvm1 true, 2 kvm2 false")
	if err := a.Forget(t.Context(), "2", false, leave); err != nil {
		t.Fatal(err)
	}
	b = join(t, cluster, "2", "kvm2")
	isDrained(b, false)
}

// TestOutage: without etcd, all hosts count as alive, and they are back when it is.
func TestOutage(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	a := join(t, cluster, "1", "kvm1")
	a.has(t, "1 kvm1 true")
	cluster.Members[0].Kill()
	for deadline := time.Now().Add(30 * time.Second); !a.Alive("none"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a host counts as away although etcd does not answer")
		}
	}
	cluster.Members[0].Start()
	cluster.Members[0].WaitUsable()
	b := join(t, cluster, "2", "kvm2")
	a.has(t, "1 kvm1 true, 2 kvm2 true")
	b.has(t, "1 kvm1 true, 2 kvm2 true")
}

// TestTrouble: hosts with one name are told apart by their ID, and count while they are alive.
func TestTrouble(t *testing.T) {
	const twice = `another host, with the ID 2, has the name "kvm1", too; give one of them another one by store.host`
	for name, tt := range map[string]struct {
		hosts   []Host
		refused time.Duration // for how long
		want    string
	}{
		"none":           {nil, 0, ""},
		"itself":         {[]Host{{ID: "1", Name: "kvm1", Alive: true}}, 0, ""},
		"another name":   {[]Host{{ID: "2", Name: "kvm2", Alive: true}}, 0, ""},
		"one name":       {[]Host{{ID: "1", Name: "kvm1", Alive: true}, {ID: "2", Name: "kvm1", Alive: true}}, 0, twice},
		"one is away":    {[]Host{{ID: "1", Name: "kvm1", Alive: true}, {ID: "2", Name: "kvm1"}}, 0, ""},
		"restarted":      {nil, twinTime / 2, ""},
		"refused":        {nil, 2 * twinTime, ErrTwin.Error() + ", 1; if this host is a copy of another one, stop mdserver and move mdserver.database away"},
		"for both, once": {[]Host{{ID: "2", Name: "kvm1", Alive: true}}, twinTime / 2, twice},
	} {
		f := New(Options{ID: "1", Name: "kvm1"})
		for _, h := range tt.hosts {
			f.hosts[h.ID] = h
			if h.Alive {
				f.alive[h.ID] = "session"
			}
		}
		if tt.refused > 0 {
			f.refused = time.Now().Add(-tt.refused)
		}
		if err := f.Trouble(); (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestReceive: a host starts over if another server has its place, or if it may have
// missed something.
func TestReceive(t *testing.T) {
	for name, tt := range map[string]struct {
		held    string // by whom its place is
		refused bool
		resp    clientv3.WatchResponse
		ended   bool
		want    string
	}{
		"its own":           {held: "own"},
		"nobody's":          {held: ""},
		"another's":         {held: "other", want: ErrTwin.Error() + ": other"},
		"still another's":   {held: "other", refused: true},
		"an end":            {ended: true, want: "the watch has ended"},
		"what is missed":    {resp: clientv3.WatchResponse{CompactRevision: 7}, want: "etcdserver: mvcc: required revision has been compacted"},
		"a cancelled watch": {resp: clientv3.WatchResponse{Canceled: true}, want: "etcdserver: mvcc: required revision is a future revision"},
	} {
		f := New(Options{Prefix: "/", ID: "1"})
		if f.session = "own"; tt.refused {
			f.refused = time.Now()
		}
		if tt.held != "" {
			tt.resp.Events = []*clientv3.Event{{Kv: &mvccpb.KeyValue{Key: []byte("/alive/1"), Value: []byte(tt.held)}}}
		}
		if err := f.receive(tt.resp, !tt.ended); (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestRefusedSince: it counts since when another server has had the place.
func TestRefusedSince(t *testing.T) {
	f := New(Options{ID: "1"})
	first := time.Now().Add(-time.Hour)
	f.refused = first
	if f.noteRefused(true); !f.refused.Equal(first) {
		t.Errorf("since %v, want %v", f.refused, first)
	}
	if f.noteRefused(false); !f.refused.IsZero() {
		t.Errorf("since %v, although it has its place", f.refused)
	}
	if f.noteRefused(true); f.refused.IsZero() {
		t.Error("it is not refused")
	}
}

// TestTwins: hosts that cannot be told apart are found.
func TestTwins(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	a := join(t, cluster, "1", "kvm1")
	a.has(t, "1 kvm1 true")
	same := join(t, cluster, "2", "kvm1")
	same.has(t, "1 kvm1 true, 2 kvm1 true")
	if err := same.Trouble(); err == nil || !strings.Contains(err.Error(), "store.host") {
		t.Errorf("two hosts with one name: %v", err)
	}
	clone := join(t, cluster, "1", "clone")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		clone.mu.Lock()
		refused := clone.refused
		clone.mu.Unlock()
		if !refused.IsZero() {
			clone.mu.Lock()
			clone.refused = refused.Add(-twinTime)
			clone.mu.Unlock()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a host with the ID of another one took its place")
		}
	}
	if err := clone.Trouble(); !errors.Is(err, ErrTwin) {
		t.Errorf("two hosts with one ID: %v", err)
	}
	if err := a.Trouble(); err == nil || errors.Is(err, ErrTwin) {
		t.Errorf("the one that was first: %v", err)
	}
	a.stop()
	clone.has(t, "1 clone true, 2 kvm1 true")
	if err := clone.Trouble(); err != nil {
		t.Errorf("after the other one has stopped: %v", err)
	}
}
