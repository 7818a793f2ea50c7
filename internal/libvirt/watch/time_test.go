package watch

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/libvirttest"
	"mdserver/internal/logtest"
)

// pass lets time pass, and then waits for what happens at its end.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A quiet connection is tried, and all domains are listed, from time to time. A
// connection that fails then is replaced.
func TestFromTimeToTime(t *testing.T) {
	for name, tt := range map[string]struct {
		call  libvirttest.Procedure
		every time.Duration
	}{
		"tried":  {libvirttest.GetLibVersion, 30 * time.Second},
		"listed": {libvirttest.ListAllDomains, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := libvirttest.InMemory(t), &recorder{}
				w, _ := follow(t, s, r)
				synctest.Wait()
				began := s.Calls(tt.call)
				for n := range 3 {
					pass(tt.every - 1)
					if got := s.Calls(tt.call) - began; got != n {
						t.Errorf("%d times just before %d times %v", got, n+1, tt.every)
					}
					pass(1)
					if got := s.Calls(tt.call) - began; got != n+1 {
						t.Errorf("%d times after %d times %v", got, n+1, tt.every)
					}
				}
				if n := s.Calls(libvirttest.ConnectOpen); n != 1 || !w.Status().Connected {
					t.Errorf("%d connections, %+v", n, w.Status())
				}
				s.Refuse(tt.call, golibvirt.ErrInternalError)
				pass(tt.every)
				if st := w.Status(); st.Connected || !strings.HasSuffix(st.Error, "refused by the test") {
					t.Errorf("%+v", st)
				}
				s.Refuse(tt.call, 0)
				pass(2 * firstWait)
				if n := s.Calls(libvirttest.ConnectOpen); n != 2 || !w.Status().Connected {
					t.Errorf("%d connections, %+v", n, w.Status())
				}
			})
		})
	}
}

// attempts returns when libvirt was asked for the next n connections, as pauses.
func attempts(s *libvirttest.Server, n int) (pauses []time.Duration) {
	last, before := time.Now(), s.Calls(libvirttest.AuthList)
	for len(pauses) < n {
		pass(time.Millisecond)
		if now := s.Calls(libvirttest.AuthList); now > before {
			pauses = append(pauses, time.Since(last))
			last, before = time.Now(), now
		}
	}
	return pauses
}

// A watcher tries again soon at first, and then every ten seconds or so. After a
// connection that listed all domains it begins again.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := libvirttest.InMemory(t), &recorder{}
		s.Refuse(libvirttest.ConnectOpen, golibvirt.ErrInternalError)
		w, _ := follow(t, s, r)
		synctest.Wait()
		check := func(waits ...time.Duration) {
			t.Helper()
			for i, got := range attempts(s, len(waits)) {
				if got < waits[i]/2 || got > waits[i]*3/2+time.Millisecond {
					t.Errorf("pause %d is %v, want about %v", i, got, waits[i])
				}
			}
		}
		check(firstWait, 2*firstWait, 4*firstWait, 8*firstWait, 16*firstWait, 32*firstWait, longWait, longWait, longWait)
		s.Refuse(libvirttest.ConnectOpen, 0)
		check(longWait)
		synctest.Wait()
		if !w.Status().Connected {
			t.Fatalf("%+v", w.Status())
		}
		s.Refuse(libvirttest.ConnectOpen, golibvirt.ErrInternalError)
		s.HangUp()
		synctest.Wait()
		check(firstWait, 2*firstWait)
		s.Refuse(libvirttest.ConnectOpen, 0)
		s.Refuse(libvirttest.ListAllDomains, golibvirt.ErrInternalError) // a connection without a list does not count
		check(4*firstWait, 8*firstWait)
	})
}

// endOf starts a watcher, ends its context and returns how long it still ran.
func endOf(t *testing.T, s *libvirttest.Server, r *recorder) time.Duration {
	ctx, stop := context.WithCancel(t.Context())
	w, ended := newWatcher(t, s, r, &logtest.Buffer{}), make(chan time.Time)
	go func() {
		w.Run(ctx)
		ended <- time.Now()
	}()
	synctest.Wait()
	before := time.Now()
	stop()
	return (<-ended).Sub(before)
}

// A watcher whose context ends waits for nothing.
func TestEndOfPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := libvirttest.InMemory(t), &recorder{}
		s.Refuse(libvirttest.ConnectOpen, golibvirt.ErrInternalError)
		if took := endOf(t, s, r); took != 0 {
			t.Errorf("Run ended after %v", took)
		}
	})
}

// The end of a watcher removes no event, and cuts libvirt short in adding one only
// after a second: libvirtd 9.0 may crash otherwise.
func TestParting(t *testing.T) {
	for name, tt := range map[string]struct {
		silent bool
		took   time.Duration
	}{
		"following":                           {false, 0},
		"asking for events without an answer": {true, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := libvirttest.InMemory(t), &recorder{}
				s.Ignore(libvirttest.RegisterEvents, tt.silent)
				if took := endOf(t, s, r); took != tt.took {
					t.Errorf("Run ended after %v, want %v", took, tt.took)
				}
				synctest.Wait()
				if n := s.Calls(libvirttest.DeregisterEvents); n != 0 {
					t.Errorf("events were removed %d times", n)
				}
			})
		})
	}
}

// A libvirt that does not answer is given up after a time. The status says so.
func TestSilence(t *testing.T) {
	for name, tt := range map[string]struct {
		call  libvirttest.Procedure
		after time.Duration // since the start
		begin func(*libvirttest.Server)
	}{
		"opening":           {libvirttest.AuthList, 20 * time.Second, nil},
		"asking for events": {libvirttest.RegisterEvents, 20 * time.Second, nil},
		"listing":           {libvirttest.ListAllDomains, 2 * time.Minute, nil},
		"a definition":      {libvirttest.DomainGetXML, 2 * time.Minute, nil},
		"a domain":          {libvirttest.DomainLookup, 20 * time.Second, func(s *libvirttest.Server) { s.Lifecycle(uuid.UUID{1}, evDefined, 0) }},
		"trying":            {libvirttest.GetLibVersion, 30*time.Second + 20*time.Second, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := libvirttest.InMemory(t), &recorder{}
				s.Define(web(1, true))
				s.Ignore(tt.call, true)
				w, _ := follow(t, s, r)
				synctest.Wait()
				if tt.begin != nil {
					tt.begin(s)
				}
				pass(tt.after - 1)
				if st := w.Status(); st.Error != "" {
					t.Errorf("too soon: %+v", st)
				}
				pass(1)
				if st := w.Status(); st.Connected || !strings.Contains(st.Error, "did not answer: context deadline exceeded") {
					t.Errorf("%+v", st)
				}
				s.Ignore(tt.call, false)
				pass(2 * firstWait)
				if st := w.Status(); !st.Connected || st.Error != "" {
					t.Errorf("%+v", st)
				}
				if n := s.Connections(); n > 2 { // one of them is the resolver's
					t.Errorf("%d connections are open", n)
				}
			})
		})
	}
}

// The status says since when it is so, and counts the events.
func TestStatusOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := libvirttest.InMemory(t), &recorder{}
		w, log := follow(t, s, r)
		synctest.Wait()
		began := time.Now()
		pass(time.Second)
		for range 3 {
			s.Lifecycle(uuid.UUID{1}, evDefined, 0)
			synctest.Wait()
		}
		if st := w.Status(); !st.Since.Equal(began) || st.Events != 3 || st.Domains != 0 {
			t.Errorf("%+v", st)
		}
		s.Refuse(libvirttest.ConnectOpen, golibvirt.ErrInternalError)
		lost := time.Now()
		s.HangUp()
		pass(time.Minute) // many attempts
		if st := w.Status(); st.Connected || !st.Since.Equal(lost) || st.Events != 3 || st.Socket != s.Socket {
			t.Errorf("%+v", st)
		}
		if n := strings.Count(log.String(), "no connection to libvirt"); n != 1 {
			t.Errorf("%d lines of one interruption: %s", n, log)
		}
	})
}

// What a watcher started ends with it.
func TestNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := libvirttest.InMemory(t), &recorder{}
		ctx, stop := context.WithCancel(t.Context())
		w, ended := newWatcher(t, s, r, &logtest.Buffer{}), make(chan struct{})
		go func() {
			defer close(ended)
			w.Run(ctx)
		}()
		synctest.Wait()
		if n := s.Connections(); n != 1 {
			t.Errorf("%d connections while it runs", n)
		}
		stop()
		<-ended
		synctest.Wait()
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}

// A connection that ends while it is opened is replaced.
func TestEndWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := libvirttest.InMemory(t), &recorder{}
		s.Define(web(1, true))
		s.Silence(true)
		w, _ := follow(t, s, r)
		synctest.Wait()
		s.HangUp()
		synctest.Wait()
		if st := w.Status(); st.Connected || st.Error == "" {
			t.Errorf("%+v", st)
		}
		s.Silence(false)
		r.has(t, "listed: web1 runs on ")
	})
}

// tryOut asks libvirt for something cheap.
func TestTryOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := libvirttest.InMemory(t)
		conn, err := connection.Dial(t.Context(), connection.Endpoint{Socket: s.Socket, Dialer: s}, connection.QEMU)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := tryOut(t.Context(), conn); err != nil || s.Calls(libvirttest.GetLibVersion) != 1 {
			t.Errorf("%v after %d calls", err, s.Calls(libvirttest.GetLibVersion))
		}
		s.Silence(true)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := tryOut(ctx, conn); err == nil {
			t.Error("a libvirt that is silent answers")
		}
	})
}
