package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/etcd/etcdfake"
	"mdserver/internal/instance"
	"mdserver/internal/logtest"
)

// site is an etcd in memory with hosts, in a synctest bubble.
type site struct {
	*etcdfake.Etcd
	t     *testing.T
	log   *slog.Logger
	lines logtest.Buffer
}

// onSite runs a test on a site.
func onSite(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{Etcd: etcdfake.New(), t: t}
		s.log = slog.New(slog.NewTextHandler(&s.lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
		test(t, s)
	})
}

// host makes a host that does not take part yet.
func (s *site) host(id, name string) *Fleet {
	return New(Options{Client: s.Client(s.t.Context()), Prefix: "/p/", ID: id, Name: name, Version: "1", Log: s.log})
}

// run makes a host take part until stop is called.
func (s *site) run(f *Fleet) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	synctest.Wait()
	return func() { cancel(); running.Wait() }
}

// join makes a host that takes part until stop is called or the test ends.
func (s *site) join(id, name string) (f *Fleet, stop func()) {
	f = s.host(id, name)
	stop = sync.OnceFunc(s.run(f))
	s.t.Cleanup(stop)
	return f, stop
}

// put writes a key.
func (s *site) put(key, value string) {
	s.t.Helper()
	if _, err := s.Client(s.t.Context()).Put(s.t.Context(), "/p/"+key, value); err != nil {
		s.t.Fatal(err)
	}
}

// has lists the keys of a kind.
func (s *site) has(kind string) string {
	s.t.Helper()
	resp, err := s.Client(s.t.Context()).Get(s.t.Context(), "/p/"+kind, clientv3.WithPrefix())
	if err != nil {
		s.t.Fatal(err)
	}
	var list []string
	for _, kv := range resp.Kvs {
		list = append(list, strings.TrimPrefix(string(kv.Key), "/p/"))
	}
	return strings.Join(list, " ")
}

// knows lists the hosts that a host knows, with their states.
func knows(f *Fleet) string {
	synctest.Wait()
	var list []string
	for _, h := range f.Hosts() {
		state := "away"
		if h.Alive {
			state = "alive"
		}
		if !h.Drained.IsZero() {
			state += " drained"
		}
		list = append(list, fmt.Sprint(h.ID, " ", h.Name, " ", state))
	}
	return strings.Join(list, ", ")
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// on returns a fault of requests of one kind whose first key has a suffix.
func on(kind, suffix string, err error) etcdfake.Fault {
	return func(k, key string) error {
		if k == kind && strings.HasSuffix(key, suffix) {
			return err
		}
		return nil
	}
}

var errDown = errors.New("etcd is down")

// TestTakesPart checks that a host sees when another one joins, stops, returns and is killed.
func TestTakesPart(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		a, _ := s.join("1", "kvm1")
		b, stop := s.join("2", "kvm2")
		check(t, "both, by the first", knows(a), "1 kvm1 alive, 2 kvm2 alive")
		check(t, "both, by the second", knows(b), "1 kvm1 alive, 2 kvm2 alive")
		time.Sleep(time.Hour)
		check(t, "later", knows(a), "1 kvm1 alive, 2 kvm2 alive")
		stop()
		check(t, "one has stopped", knows(a), "1 kvm1 alive, 2 kvm2 away")
		if a.Alive("2") || !a.Alive("1") || a.Alive("9") {
			t.Error("the wrong hosts count as alive")
		}
		check(t, "keys", s.has(""), "alive/1 hosts/1 hosts/2")
		_, stop = s.join("2", "renamed")
		check(t, "it is back", knows(a), "1 kvm1 alive, 2 renamed alive")
		s.Refuse(on("revoke", "", errDown))
		stop() // as if it were killed
		check(t, "killed", knows(a), "1 kvm1 alive, 2 renamed alive")
		s.Refuse(nil)
		time.Sleep(leaseTime - time.Second)
		check(t, "before the end of its lease", knows(a), "1 kvm1 alive, 2 renamed alive")
		time.Sleep(2 * time.Second)
		check(t, "after the end of its lease", knows(a), "1 kvm1 alive, 2 renamed away")
	})
}

// TestStopNeedsNoEtcd checks that a host stops within a second if etcd does not answer.
func TestStopNeedsNoEtcd(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		f := s.host("1", "kvm1")
		stop := s.run(f)
		inner := f.Client.Lease
		f.Client.Lease = hung{inner}
		before := time.Now()
		stop()
		if took := time.Since(before); took != time.Second {
			t.Errorf("stopping took %v", took)
		}
	})
}

// hung never answers Revoke.
type hung struct{ clientv3.Lease }

func (h hung) Revoke(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseRevokeResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestFaults checks that a host that has lost etcd counts every host as alive, tries again
// after a second, and then has its place and the right states. It leaves no lease behind.
func TestFaults(t *testing.T) {
	const places, watches = false, true
	end := func(s *site, watches bool, last clientv3.WatchResponse) {
		if watches {
			s.EndWatches(last)
		} else {
			s.EndLeases()
		}
	}
	for name, tt := range map[string]struct {
		lost   bool // places or watches
		last   clientv3.WatchResponse
		refuse etcdfake.Fault
		lose   etcdfake.Fault
	}{
		"the leases end":                               {lost: places},
		"no lease is granted":                          {lost: places, refuse: on("grant", "", errDown)},
		"a lease is granted, and the answer is lost":   {lost: places, lose: on("grant", "", errDown)},
		"the place cannot be written":                  {lost: places, refuse: on("txn", "alive/1", errDown)},
		"the place is written, and the answer is lost": {lost: places, lose: on("txn", "alive/1", errDown)},
		"the lease is not renewed":                     {lost: places, refuse: on("keepalive", "", errDown)},
		"the watches end":                              {lost: watches},
		"the watches fail":                             {lost: watches, last: clientv3.WatchResponse{Canceled: true, CancelReason: "no leader"}},
		"changes are missed":                           {lost: watches, last: clientv3.WatchResponse{CompactRevision: 7}},
		"the watches fail again":                       {lost: watches, refuse: on("watch", "", errDown)},
		"the hosts cannot be read":                     {lost: watches, refuse: on("txn", "hosts/", errDown)},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				a, _ := s.join("1", "kvm1")
				s.put("hosts/2", `{"name":"kvm2"}`)
				check(t, "before", knows(a), "1 kvm1 alive, 2 kvm2 away")
				s.Refuse(tt.refuse)
				s.Lose(tt.lose)
				end(s, tt.lost, tt.last)
				synctest.Wait()
				if tt.lost == watches && !a.Alive("2") {
					t.Error("a host counts as away although etcd is not followed")
				}
				s.put("hosts/3", `{"name":"kvm3"}`)
				if tt.refuse == nil && tt.lose == nil { // the next attempt succeeds
					time.Sleep(leaseTime/3 + tryAgain + tryAgain/10)
					check(t, "a moment later", knows(a), "1 kvm1 alive, 2 kvm2 away, 3 kvm3 away")
				}
				time.Sleep(2 * leaseTime)
				s.Refuse(nil)
				s.Lose(nil)
				time.Sleep(leaseTime/3 + tryAgain + tryAgain/10)
				check(t, "after", knows(a), "1 kvm1 alive, 2 kvm2 away, 3 kvm3 away")
				if a.Alive("2") {
					t.Error("a host counts as alive although etcd is followed")
				}
				time.Sleep(3 * leaseTime) // until leases whose answers were lost have ended
				check(t, "keys", s.has("alive/"), "alive/1")
				if n := s.Leases(); n != 1 {
					t.Errorf("%d leases", n)
				}
				if err := a.Trouble(); err != nil {
					t.Error(err)
				}
				if !strings.Contains(s.lines.String(), "level=DEBUG") || strings.Contains(s.lines.String(), "ERROR") {
					t.Errorf("the log:\n%s", &s.lines)
				}
			})
		})
	}
}

// TestNoLeaseIsLeft checks that a host revokes a lease at once if it gets no place with it.
func TestNoLeaseIsLeft(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(s *site)
		wrong   bool
		refused bool
	}{
		"the place is taken meanwhile": {func(s *site) { s.put("alive/1", "another") }, false, true},
		"it cannot be written":         {func(s *site) { s.Refuse(on("txn", "alive/1", errDown)) }, true, false},
		"it cannot be renewed":         {func(s *site) { s.Refuse(on("keepalive", "", errDown)) }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				f := s.host("1", "kvm1")
				tt.prepare(s)
				l, err := f.claim(t.Context())
				if l != nil || (err != nil) != tt.wrong || f.refused.IsZero() == tt.refused {
					t.Errorf("%v, %v, refused since %v", l, err, f.refused)
				}
				if n := s.Leases(); n != 0 {
					t.Errorf("%d leases are left", n)
				}
			})
		})
	}
}

// TestTwin checks that a second server with an ID waits for the place of the first one, and
// reports ErrTwin once the first one cannot be an earlier run of the second.
func TestTwin(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		_, stop := s.join("1", "kvm1")
		twin, _ := s.join("1", "twin")
		check(t, "the record", knows(twin), "1 kvm1 alive")
		granted := 0
		s.Lose(func(kind, _ string) error {
			if kind == "grant" {
				granted++
			}
			return nil
		})
		time.Sleep(twinTime)
		if granted > 0 {
			t.Errorf("%d leases for a place that is taken", granted)
		}
		if err := twin.Trouble(); err != nil {
			t.Errorf("while it may be an earlier run: %v", err)
		}
		time.Sleep(time.Second)
		if err := twin.Trouble(); !errors.Is(err, ErrTwin) {
			t.Errorf("after that: %v", err)
		}
		if n := s.Leases(); n != 1 {
			t.Errorf("%d leases, want that of the first one", n)
		}
		stop()
		time.Sleep(tryAgain + tryAgain/10)
		check(t, "the first one has stopped", knows(twin), "1 twin alive")
		if err := twin.Trouble(); err != nil {
			t.Errorf("it has its place: %v", err)
		}
		s.put("alive/1", "a thief")
		synctest.Wait()
		if strings.Contains(s.lines.String(), ErrTwin.Error()+": a thief") == false {
			t.Errorf("its place was taken, and the log is:\n%s", &s.lines)
		}
		time.Sleep(2 * twinTime)
		if err := twin.Trouble(); !errors.Is(err, ErrTwin) {
			t.Errorf("its place was taken: %v", err)
		}
		check(t, "the place of the thief", s.has("alive/"), "alive/1")
	})
}

// TestPublish checks that a host publishes its networks when it gets a place, or at once if
// it has one, and that it tries again after a failure.
func TestPublish(t *testing.T) {
	ours := Publishable([]instance.Network{lan(false, "10.0.0.0/24", "10.0.0.1")})
	onSite(t, func(t *testing.T, s *site) {
		a := s.host("1", "kvm1")
		watcher, _ := s.join("2", "kvm2")
		published := func(what string, want bool) {
			t.Helper()
			synctest.Wait()
			if h := watcher.Hosts()[0]; h.ID != "1" || len(h.Networks) > 0 != want || h.Version != "1" || h.Since.IsZero() {
				t.Errorf("%s: %+v", what, h)
			}
		}
		a.SetNetworks(ours)
		t.Cleanup(s.run(a))
		published("before its start", true)
		revision := func() int64 {
			resp, err := a.Client.Get(t.Context(), "/p/hosts/1")
			if err != nil {
				t.Fatal(err)
			}
			return resp.Kvs[0].ModRevision
		}
		before := revision()
		a.SetNetworks(ours)
		synctest.Wait()
		if revision() != before {
			t.Error("unchanged networks are written again")
		}
		a.SetNetworks(nil)
		published("none", false)
		s.Refuse(on("txn", "hosts/1", errDown))
		a.SetNetworks(ours)
		published("while it fails", false)
		s.Refuse(nil)
		time.Sleep(2 * tryAgain)
		published("after that", true)
		if !strings.Contains(s.lines.String(), errDown.Error()) {
			t.Errorf("the log:\n%s", &s.lines)
		}
	})
}

// TestDrained checks that a host stays drained until the drain is undone, and knows it.
func TestDrained(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		a, _ := s.join("1", "kvm1")
		b := s.host("2", "kvm2")
		if _, known := b.Drained(); known {
			t.Error("it claims to know before it has read anything")
		}
		stop := s.run(b)
		drained := func(what string, want time.Time) {
			t.Helper()
			synctest.Wait()
			if since, known := b.Drained(); !known || !since.Equal(want) {
				t.Errorf("%s: %v, %v, want %v", what, since, known, want)
			}
		}
		set := func(id string, to bool, want time.Time, wantErr error) {
			t.Helper()
			if since, err := a.SetDrained(t.Context(), id, to); !since.Equal(want) || !errors.Is(err, wantErr) {
				t.Errorf("set to %v: %v, %v, want %v, %v", to, since, err, want, wantErr)
			}
		}
		time.Sleep(1500 * time.Millisecond)
		first := time.Now().Truncate(time.Second)
		drained("at first", time.Time{})
		set("2", true, first, nil)
		drained("drained", first)
		check(t, "the other", knows(a), "1 kvm1 alive, 2 kvm2 alive drained")
		time.Sleep(time.Minute)
		set("2", true, first, nil)
		drained("again", first)
		s.Refuse(on("txn", "drained/2", errDown))
		set("2", false, time.Time{}, errDown)
		s.Refuse(nil)
		drained("not undone", first)
		stop()
		check(t, "it has stopped", knows(a), "1 kvm1 alive, 2 kvm2 away drained")
		t.Cleanup(s.run(b))
		drained("restarted", first)
		set("2", false, time.Time{}, nil)
		drained("undone", time.Time{})
		set("2", false, time.Time{}, nil)
		set("3", true, time.Time{}, ErrUnknown)
		set("3", false, time.Time{}, ErrUnknown)
		for _, text := range []string{"unreadable", `{}`} {
			s.put("drained/2", text)
			drained(text, time.Unix(0, 0))
		}
		check(t, "keys", s.has("drained/"), "drained/2")
	})
}

// TestForget checks that Forget removes a host and its drain, and needs force for a live host.
func TestForget(t *testing.T) {
	for name, tt := range map[string]struct {
		away, force bool
		fault       error
		want        error
	}{
		"away":              {away: true},
		"away, with force":  {away: true, force: true},
		"alive":             {want: ErrAlive},
		"alive, with force": {force: true},
		"etcd is away":      {away: true, fault: errDown, want: errDown},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				a, _ := s.join("1", "kvm1")
				_, stop := s.join("2", "kvm2")
				if _, err := a.SetDrained(t.Context(), "2", true); err != nil {
					t.Fatal(err)
				}
				if tt.away {
					stop()
				}
				if tt.fault != nil {
					s.Refuse(on("txn", "hosts/2", tt.fault))
				}
				if err := a.Forget(t.Context(), "2", tt.force, leave); !errors.Is(err, tt.want) {
					t.Errorf("%v, want %v", err, tt.want)
				}
				hosts, drained := "hosts/1", ""
				if tt.want != nil {
					hosts, drained = "hosts/1 hosts/2", "drained/2"
				}
				check(t, "hosts", s.has("hosts/"), hosts)
				check(t, "drained", s.has("drained/"), drained)
			})
		})
	}
}

// leave takes nothing from a host that is forgotten.
func leave(context.Context) error { return nil }

// TestForgetReturning checks that nothing is taken from a host that has just come alive, and
// that a host that comes back meanwhile waits until it is forgotten.
func TestForgetReturning(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		asked := s.host("1", "kvm1") // follows nothing, so it takes no host for alive
		b, stop := s.join("2", "kvm2")
		err := asked.Forget(t.Context(), "2", false, func(context.Context) error {
			t.Error("something is taken from a host that is alive")
			return nil
		})
		if !errors.Is(err, ErrAlive) || s.Leases() != 1 {
			t.Errorf("%v, and %d leases; want %v, and 1", err, s.Leases(), ErrAlive)
		}
		stop()
		released := time.Time{}
		err = asked.Forget(t.Context(), "2", false, func(context.Context) error {
			t.Cleanup(s.run(b))
			time.Sleep(3 * leaseTime)
			check(t, "hosts while it is forgotten", s.has("hosts/"), "hosts/2")
			if !b.isTaken() {
				t.Error("it is back before it is forgotten")
			}
			released = time.Now()
			return nil
		})
		if err != nil || time.Since(released) != 0 {
			t.Errorf("%v after %v", err, time.Since(released))
		}
		check(t, "hosts", s.has("hosts/"), "")
		time.Sleep(2 * tryAgain)
		check(t, "hosts later", knows(b), "2 kvm2 alive")
	})
}

// TestForgetFails checks that a host from which nothing could be taken stays in the list, and
// can come back.
func TestForgetFails(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		asked := s.host("1", "kvm1")
		b, stop := s.join("2", "kvm2")
		stop()
		for _, force := range []bool{false, true} {
			if err := asked.Forget(t.Context(), "2", force, func(context.Context) error { return errDown }); !errors.Is(err, errDown) {
				t.Errorf("force %v: %v, want %v", force, err, errDown)
			}
		}
		check(t, "keys", s.has(""), "hosts/2")
		t.Cleanup(s.run(b))
		check(t, "it comes back", knows(b), "2 kvm2 alive")
	})
}

// TestForgetLate checks that a host is not removed if its place was lost meanwhile.
func TestForgetLate(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		asked := s.host("1", "kvm1")
		b, stop := s.join("2", "kvm2")
		stop()
		err := asked.Forget(t.Context(), "2", false, func(context.Context) error {
			s.EndLeases()
			t.Cleanup(s.run(b))
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "may be alive again") {
			t.Errorf("%v", err)
		}
		check(t, "it is back", knows(b), "2 kvm2 alive")
	})
}

// TestChanged checks that Changed reports each change of the hosts, and nothing else.
func TestChanged(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		a, _ := s.join("1", "kvm1")
		changed := func() bool {
			synctest.Wait()
			select {
			case <-a.Changed():
				return true
			default:
				return false
			}
		}
		if !changed() {
			t.Error("its start is not reported")
		}
		time.Sleep(time.Hour)
		if changed() {
			t.Error("a change is reported although nothing has changed")
		}
		for _, key := range []string{"hosts/2", "alive/2", "drained/2"} {
			if s.put(key, `{"name":"kvm2"}`); !changed() {
				t.Errorf("%s is not reported", key)
			}
		}
		check(t, "the other", knows(a), "1 kvm1 alive, 2 kvm2 alive drained")
		if a.SetNetworks(Publishable([]instance.Network{lan(false, "10.0.0.0/24", "10.0.0.1")})); !changed() {
			t.Error("its own networks are not reported")
		}
		s.put("hosts/3", "unreadable")
		check(t, "a record that cannot be read", knows(a), "1 kvm1 alive, 2 kvm2 alive drained")
		if log := s.lines.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "key=/p/hosts/3") {
			t.Errorf("the log:\n%s", log)
		}
		if _, err := a.Client.Delete(t.Context(), "/p/", clientv3.WithPrefix()); err != nil {
			t.Fatal(err)
		}
		check(t, "all removed", knows(a), "")
	})
}

// TestOrder checks that hosts are sorted by name, and those with the same name by ID.
func TestOrder(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		for id, name := range map[string]string{"3": "a", "1": "b", "2": "b", "4": "c"} {
			s.put("hosts/"+id, `{"name":"`+name+`"}`)
		}
		f := s.host("9", "watcher")
		if _, err := f.list(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(t, "all", knows(f), "3 a away, 1 b away, 2 b away, 4 c away")
	})
}

// TestHung checks that each call ends after callTimeout if etcd does not answer.
func TestHung(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		f := s.host("1", "kvm1")
		s.put("hosts/2", "{}")
		s.Hang(true)
		for name, call := range map[string]func() error{
			"list":    func() error { _, err := f.list(t.Context()); return err },
			"claim":   func() error { _, err := f.claim(t.Context()); return err },
			"publish": func() error { return f.publishRecord(t.Context(), &lease{}) },
			"drain":   func() error { _, err := f.SetDrained(t.Context(), "2", true); return err },
			"forget":  func() error { return f.Forget(t.Context(), "2", true, leave) },
		} {
			before := time.Now()
			if err := call(); !errors.Is(err, context.DeadlineExceeded) || time.Since(before) != callTimeout {
				t.Errorf("%s: %v after %v", name, err, time.Since(before))
			}
		}
		s.Hang(false)
		check(t, "keys", s.has(""), "hosts/2")
	})
}

// TestPace checks that a host that cannot follow etcd tries once a second.
func TestPace(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		var asked atomic.Int64
		s.Refuse(func(kind, _ string) error {
			if kind == "txn" {
				asked.Add(1)
			}
			return errDown
		})
		s.join("1", "kvm1")
		time.Sleep(time.Minute + tryAgain/2)
		if want := int64(time.Minute/tryAgain) + 1; asked.Load() != want {
			t.Errorf("it tried %d times in a minute, want %d", asked.Load(), want)
		}
	})
}

// TestMissed checks that a host drops the keys that were removed while it did not follow
// etcd, and reports the change.
func TestMissed(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		a, _ := s.join("1", "kvm1")
		for _, id := range []string{"1", "2", "3"} {
			s.put("drained/"+id, "{}")
		}
		for _, key := range []string{"hosts/2", "alive/2", "hosts/3", "alive/3"} {
			s.put(key, `{"name":"other"}`)
		}
		check(t, "before", knows(a), "1 kvm1 alive drained, 2 other alive drained, 3 other alive drained")
		s.Refuse(on("txn", "hosts/", errDown))
		s.EndWatches(clientv3.WatchResponse{})
		for _, key := range []string{"drained/1", "hosts/2", "alive/2", "drained/2", "alive/3", "drained/3"} {
			if _, err := a.Client.Delete(t.Context(), "/p/"+key); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * tryAgain)
		check(t, "meanwhile", knows(a), "1 kvm1 alive drained, 2 other alive drained, 3 other alive drained")
		select {
		case <-a.Changed():
		default:
		}
		s.Refuse(func(kind, _ string) error { // only the hosts can be read
			if kind == "grant" {
				return errDown
			}
			return nil
		})
		time.Sleep(2 * tryAgain)
		check(t, "afterwards", knows(a), "1 kvm1 away, 3 other away")
		select {
		case <-a.Changed():
		default:
			t.Error("the change is not reported")
		}
		s.Refuse(nil)
		time.Sleep(2 * tryAgain)
		check(t, "in the end", knows(a), "1 kvm1 alive, 3 other away")
	})
}
