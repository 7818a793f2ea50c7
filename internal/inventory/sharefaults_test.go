package inventory_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/logtest"
)

// script decides how the calls of a store end.
type script struct {
	commit       func(n int, make func() int64) (int64, error) // n counts from 1
	large        bool                                          // no change fits
	keep, forget error
}

// made is a commit that succeeds.
func made(_ int, make func() int64) (int64, error) { return make(), nil }

// scripted is a shared store whose calls follow a script.
type scripted struct {
	*sharedStore
	weight float64

	scriptMu sync.Mutex // guards what follows
	script   script
	commits  []int         // changes of each
	limit    time.Duration // of the last commit
}

func (s *scripted) set(next script) {
	s.scriptMu.Lock()
	defer s.scriptMu.Unlock()
	s.script = next
}

func (s *scripted) get() script {
	s.scriptMu.Lock()
	defer s.scriptMu.Unlock()
	return s.script
}

// tried returns the number of changes of each commit, and the time limit of the last one.
func (s *scripted) tried() (commits []int, limit time.Duration) {
	s.scriptMu.Lock()
	defer s.scriptMu.Unlock()
	return slices.Clone(s.commits), s.limit
}

func (s *scripted) Fits([]instance.Change) bool { return !s.get().large }

func (s *scripted) Weight(instance.Change) float64 { return s.weight }

func (s *scripted) Commit(ctx context.Context, changes []instance.Change) (int64, error) {
	end, _ := ctx.Deadline()
	s.scriptMu.Lock()
	s.limit = time.Until(end)
	s.commits = append(s.commits, len(changes))
	n, commit := len(s.commits), s.script.commit
	s.scriptMu.Unlock()
	return commit(n, func() int64 { return s.make("a", changes...) })
}

func (s *scripted) Keep(ctx context.Context, u storage.Unshared) error {
	if err := s.get().keep; err != nil {
		return err
	}
	return s.sharedStore.Keep(ctx, u)
}

func (s *scripted) Forget(ctx context.Context, id uuid.UUID) error {
	if err := s.get().forget; err != nil {
		return err
	}
	return s.sharedStore.Forget(ctx, id)
}

// onScripted runs a test on host a with a scripted store, in a synctest bubble.
func onScripted(t *testing.T, test func(t *testing.T, s *scripted, l *lab, log *logtest.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{sharedStore: newSharedStore(), weight: 0.3, script: script{commit: made}}
		log := &logtest.Buffer{}
		l := labOn(t, s, func(o *inventory.Options) {
			o.HostID, o.HostName, o.Log = "a", hostName("a"), slog.New(slog.NewTextHandler(log, nil))
		})
		test(t, s, l, log)
	})
}

// TestFailedCommit checks that a registration whose commit fails is worked out again, kept on
// this host, or refused.
func TestFailedCommit(t *testing.T) {
	disk := errors.New("the disk is full")
	for name, tt := range map[string]struct {
		commit    func(n int, make func() int64) (int64, error)
		large     bool
		keep      error
		want      []error
		kept      bool // on this host, unshared
		commits   int  // 0: any, since the record is shared at the same time
		conflicts uint64
		took      time.Duration // 0: any
	}{
		"conflicts that end": {commit: func(n int, make func() int64) (int64, error) {
			if n <= 3 {
				return 0, storage.ErrConflict
			}
			return make(), nil
		}, commits: 4, conflicts: 3},
		"conflicts without end": {commit: func(int, func() int64) (int64, error) { return 0, storage.ErrConflict },
			kept: true, commits: 50, conflicts: 49},
		"conflicts of a large change": {commit: func(int, func() int64) (int64, error) { return 0, storage.ErrConflict },
			large: true, want: []error{inventory.ErrStore, storage.ErrConflict}, commits: 50, conflicts: 49},
		"the store is away": {commit: func(int, func() int64) (int64, error) { return 0, storage.ErrAway }, kept: true, commits: 1},
		"away, and a large change": {commit: func(int, func() int64) (int64, error) { return 0, storage.ErrAway },
			large: true, want: []error{inventory.ErrStore, storage.ErrAway}, commits: 1},
		"away, and the disk is full": {commit: func(int, func() int64) (int64, error) { return 0, storage.ErrAway },
			keep: disk, want: []error{inventory.ErrStore, disk, storage.ErrAway}, commits: 1},
		"made, and the answer is lost": {commit: func(_ int, make func() int64) (int64, error) {
			make()
			return 0, storage.ErrUncertain
		}, commits: 1},
		"made, and never reported": {commit: func(int, func() int64) (int64, error) { return 1000, nil },
			kept: true, took: time.Second},
		"a large one, never reported": {commit: func(int, func() int64) (int64, error) { return 1000, nil },
			large: true, want: []error{inventory.ErrStore, storage.ErrUncertain}, commits: 1, took: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			onScripted(t, func(t *testing.T, s *scripted, l *lab, _ *logtest.Buffer) {
				s.set(script{commit: tt.commit, large: tt.large, keep: tt.keep})
				before := time.Now()
				reg, err := l.Register(t.Context(), started(1, "web"))
				if (err == nil) != (tt.want == nil) {
					t.Fatalf("%v, want %v", err, tt.want)
				}
				for _, want := range tt.want {
					if !errors.Is(err, want) {
						t.Errorf("%v, want %v", err, want)
					}
				}
				if took := time.Since(before); tt.took != 0 && took != tt.took {
					t.Errorf("it took %v, want %v", took, tt.took)
				}
				commits, limit := s.tried()
				if want := map[bool]time.Duration{false: time.Second, true: time.Minute}[tt.large]; limit > want || limit < want/100 {
					t.Errorf("the time limit of a commit is %v, want up to %v", limit, want)
				}
				if tt.commits != 0 && len(commits) != tt.commits || l.Conflicts() != tt.conflicts {
					t.Errorf("%d commits and %d conflicts, want %d and %d", len(commits), l.Conflicts(), tt.commits, tt.conflicts)
				}
				guest, known := l.Snapshot().ByUUID(uid(1))
				if known != (err == nil) || known && (guest.Unshared != tt.kept || reg.Instance.Unshared != tt.kept) {
					t.Errorf("the guest is %+v, known: %v", guest, known)
				}
				if kept := s.kept() > 0; kept != tt.kept {
					t.Errorf("it is kept on this host: %v", kept)
				}
				synctest.Wait() // until the failure is reported, which is after the answer
				if failed := l.WriteFailure() != nil; failed != (err != nil) {
					t.Errorf("the reported failure: %+v", l.WriteFailure())
				}

				s.set(script{commit: made})
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if guest, ok := l.Snapshot().ByUUID(uid(1)); ok != (err == nil) || ok && guest.Unshared || s.kept() > 0 {
					t.Errorf("when the store is back, the guest is %+v, and %d records are kept", guest, s.kept())
				}
				if _, err := l.Register(t.Context(), started(2, "db")); err != nil || l.WriteFailure() != nil {
					t.Errorf("the next guest: %v, %+v", err, l.WriteFailure())
				}
			})
		})
	}
}

// TestSharingFails checks that a record that cannot be shared is tried again every second, and
// that the log names a shared record that cannot be removed from the disk.
func TestSharingFails(t *testing.T) {
	onScripted(t, func(t *testing.T, s *scripted, l *lab, log *logtest.Buffer) {
		s.isAway.Store(true)
		l.MustRegister(started(1, "web"))
		s.isAway.Store(false)
		s.set(script{commit: func(int, func() int64) (int64, error) { return 0, storage.ErrAway }})
		time.Sleep(10*time.Second + time.Second/2)
		synctest.Wait()
		if commits, _ := s.tried(); len(commits) < 9 || len(commits) > 11 {
			t.Errorf("it was tried %d times in ten seconds", len(commits))
		}
		if failure := l.WriteFailure(); failure == nil || !errors.Is(failure.Err, storage.ErrAway) {
			t.Errorf("the reported failure: %+v", failure)
		}
		s.set(script{commit: made, forget: errors.New("the disk is full")})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		guest, ok := l.Snapshot().ByUUID(uid(1))
		if !ok || guest.Unshared || l.WriteFailure() != nil {
			t.Errorf("%+v, %+v", guest, l.WriteFailure())
		}
		if text := log.String(); !strings.Contains(text, "cannot be removed") || !strings.Contains(text, "guest=web") || !strings.Contains(text, "the disk is full") {
			t.Errorf("the log:\n%s", text)
		}
		before, _ := s.tried()
		time.Sleep(time.Minute)
		if after, _ := s.tried(); len(after) != len(before) {
			t.Error("the record is shared again and again")
		}
	})
}

// TestKeptAtStart checks that records that an earlier run kept are served at once, and shared
// when the store is back.
func TestKeptAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{sharedStore: newSharedStore(), weight: 0.6, script: script{commit: made}}
		s.isAway.Store(true)
		for n, name := range map[int]string{1: "web", 2: "db", 3: "mail"} {
			guest := given(n, name, addrs("10.0.0.2", "10.0.0.2").First, addrs("fd00::2", "fd00::2").First)
			guest.IPv4 = guest.IPv4.Next()
			for range n {
				guest.IPv4 = guest.IPv4.Next()
			}
			guest.Home, guest.Unshared = instance.Home{Host: hostName("a"), HostID: "a", Epoch: 1}, true
			s.unshared[uid(n)] = storage.Unshared{Record: guest}
		}
		l := labOn(t, s, func(o *inventory.Options) { o.HostID, o.HostName = "a", hostName("a") })
		if l.Snapshot().Len() != 3 {
			t.Errorf("%d guests are served at the start", l.Snapshot().Len())
		}
		time.Sleep(5 * time.Second)
		if commits, _ := s.tried(); len(commits) > 0 {
			t.Error("a record is written to a store that is away")
		}
		s.isAway.Store(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if commits, _ := s.tried(); s.kept() > 0 || len(commits) != 3 || commits[0] != 1 {
			t.Errorf("%d records are kept; commits of %v changes, want one each, since two weigh too much", s.kept(), commits)
		}
	})
}
