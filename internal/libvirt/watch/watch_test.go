package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/libvirt/bridges"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/libvirttest"
	"mdserver/internal/logtest"
)

// recorder keeps what a watcher finds out, one line for each call.
type recorder struct {
	mu    sync.Mutex
	lines []string
	err   error // of each call

	doubted chan struct{}
}

func (r *recorder) note(format string, values ...any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, values...))
	return r.err
}

func describe(d Domain) string {
	text := d.Name
	if d.Running {
		text += " runs"
	}
	if d.Moving {
		text += " moves"
	}
	for _, nic := range d.Interfaces {
		text += " on " + nic.Bridge
	}
	return text
}

func (r *recorder) Listed(_ context.Context, began time.Time, domains []Domain, unreadable []Unreadable) error {
	var names []string
	for _, d := range domains {
		names = append(names, describe(d))
	}
	for _, u := range unreadable {
		names = append(names, "unreadable "+u.Name)
	}
	slices.Sort(names)
	if age := time.Since(began); age < 0 || age > time.Minute {
		return fmt.Errorf("the list began %v ago", age)
	}
	return r.note("listed: %s", strings.Join(names, ", "))
}

func (r *recorder) Doubted() <-chan struct{} { return r.doubted }
func (r *recorder) Doubts() []uuid.UUID      { return []uuid.UUID{{1}, {9}} }
func (r *recorder) Unread(u Unreadable) {
	why, _, _ := strings.Cut(u.Err.Error(), "; ")
	_ = r.note("unread: %v %q: %s", u.UUID[0], u.Name, why)
}
func (r *recorder) Seen(_ context.Context, d Domain) error { return r.note("seen: %s", describe(d)) }
func (r *recorder) Left(_ context.Context, id uuid.UUID, away bool) error {
	return r.note("left: %d, away %v", id[0], away)
}

func (r *recorder) happened(id uuid.UUID, h Happening) {
	if age := time.Since(h.At); age < 0 || age > time.Minute {
		h.Detail += " at another time"
	}
	_ = r.note("happened: %d %s %s", id[0], h.Kind, h.Detail)
}

// has waits for a line, and returns and forgets all up to it.
func (r *recorder) has(t *testing.T, want string) []string {
	t.Helper()
	for range 1000 {
		if lines := r.upTo(want); lines != nil {
			return lines
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Fatalf("there is no %q in %q", want, r.lines)
	return nil
}

func (r *recorder) upTo(want string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.lines, want)
	if i < 0 {
		return nil
	}
	lines := r.lines[:i+1]
	r.lines = r.lines[i+1:]
	return lines
}

func web(n byte, running bool) libvirttest.Domain {
	name := fmt.Sprint("web", n)
	return libvirttest.Domain{UUID: uuid.UUID{n}, Name: name, Running: running, XML: fmt.Sprintf(
		`<domain><name>%s</name><uuid>%s</uuid><devices><interface type='network'><mac address='52:54:00:00:00:%02x'/><source network='lan'/></interface></devices></domain>`,
		name, uuid.UUID{n}, n)}
}

// newWatcher makes a watcher of a libvirt.
func newWatcher(t *testing.T, s *libvirttest.Server, r *recorder, log io.Writer) *Watcher {
	logger := slog.New(slog.NewTextHandler(log, nil))
	e := connection.Endpoint{Socket: s.Socket, Dialer: s}
	resolver := bridges.New(e, func(string) bool { return false }, logger)
	t.Cleanup(resolver.Close)
	return New(e, r, r.happened, resolver, logger)
}

// follow runs a watcher until the end of the test.
func follow(t *testing.T, s *libvirttest.Server, r *recorder) (*Watcher, *logtest.Buffer) {
	t.Helper()
	log := &logtest.Buffer{}
	w := newWatcher(t, s, r, log)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return w, log
}

const (
	evStopped = golibvirt.DomainEventStopped
	evDefined = golibvirt.DomainEventDefined
)

// TestDoubts: domains that are doubted are looked up, and what was not asked for is
// not reported.
func TestDoubts(t *testing.T) {
	s, r := libvirttest.New(t), &recorder{doubted: make(chan struct{})}
	s.Define(web(1, true))
	follow(t, s, r)
	r.has(t, "listed: web1 runs on ")
	incoming := web(1, true)
	incoming.Moving = true
	s.Define(incoming)
	r.doubted <- struct{}{}
	r.has(t, "seen: web1 runs moves on ")
	r.has(t, "left: 9, away false")
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := libvirttest.InMemory(t), &recorder{}
		s.SetBridge("lan", "br-lan")
		s.Define(web(1, true))
		s.Define(web(2, false))
		s.Define(libvirttest.Domain{UUID: uuid.UUID{3}, Name: "broken", XML: "<domain"})
		w, log := follow(t, s, r)
		r.has(t, "listed: unreadable broken, web1 runs on br-lan, web2 on br-lan")
		r.has(t, "happened: 2 stopped it was found off")

		s.Define(web(2, true))
		s.Lifecycle(uuid.UUID{2}, golibvirt.DomainEventStarted, 0)
		r.has(t, "seen: web2 runs on br-lan")
		r.has(t, "happened: 2 started ")
		if st := w.Status(); !st.Connected || st.Domains != 3 || st.Socket != s.Socket || st.Since.IsZero() || st.Error != "" || st.Events != 1 {
			t.Errorf("%+v", st)
		}

		s.Undefine(uuid.UUID{1})
		s.Lifecycle(uuid.UUID{1}, evStopped, int32(golibvirt.DomainEventStoppedShutdown))
		r.has(t, "left: 1, away false")
		r.has(t, "happened: 1 stopped shut down")

		s.Lifecycle(uuid.UUID{1}, evStopped, int32(golibvirt.DomainEventStoppedMigrated))
		r.has(t, "left: 1, away true")
		s.Lifecycle(uuid.UUID{1}, evStopped, int32(golibvirt.DomainEventStoppedSaved))
		r.has(t, "left: 1, away true")

		s.Lifecycle(uuid.UUID{2}, evStopped, int32(golibvirt.DomainEventStoppedMigrated)) // and it is back
		r.has(t, "seen: web2 runs on br-lan")
		r.has(t, "happened: 2 suspended migrated away")
		s.Define(web(2, false))
		s.Lifecycle(uuid.UUID{2}, evStopped, int32(golibvirt.DomainEventStoppedMigrated)) // its definition stays
		r.has(t, "seen: web2 on br-lan")
		r.has(t, "left: 2, away true")
		s.Lifecycle(uuid.UUID{2}, evStopped, int32(golibvirt.DomainEventStoppedShutdown))
		for _, line := range r.has(t, "happened: 2 stopped shut down") {
			if strings.HasPrefix(line, "left: ") {
				t.Errorf("a domain that was shut down is %q", line)
			}
		}
		s.Define(web(2, true))
		s.Lifecycle(uuid.UUID{2}, evStopped, int32(golibvirt.DomainEventStoppedMigrated)) // and back before it was looked up
		r.has(t, "seen: web2 runs on br-lan")

		s.Lifecycle(uuid.UUID{3}, evDefined, 0)
		for _, line := range r.has(t, `unread: 3 "broken": broken: broken XML: XML syntax error on line 1: unexpected EOF`) {
			if strings.HasPrefix(line, "left: ") {
				t.Errorf("a domain that libvirt has is %q", line)
			}
		}
		if text := log.String(); !strings.Contains(text, `level=WARN msg="a domain cannot be read"`) ||
			!strings.Contains(text, `msg="following libvirt's domains" socket=`) {
			t.Errorf("the log: %s", text)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 2 { // of the domain that is broken, at the list and at the look
			t.Errorf("%d warnings:\n%s", n, log)
		}
		if n := s.Calls(libvirttest.ListAllDomains); n != 1 {
			t.Errorf("all domains were listed %d times", n)
		}
	})
}

// A connection that ends is made again, and all domains are listed again.
func TestInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := libvirttest.InMemory(t), &recorder{}
		w, log := follow(t, s, r)
		r.has(t, "listed: ")
		for n := range 2 {
			s.Define(web(1, true))
			s.HangUp()
			r.has(t, "listed: web1 runs on ")
			s.Lifecycle(uuid.UUID{1}, evDefined, 0)
			r.has(t, "seen: web1 runs on ")
			if st := w.Status(); !st.Connected || st.Error != "" || st.Events != uint64(n+1) {
				t.Errorf("%+v", st)
			}
		}
		if n := strings.Count(log.String(), `level=WARN msg="no connection to libvirt`); n != 2 {
			t.Errorf("%d warnings of two interruptions:\n%s", n, log)
		}
	})
}

// What libvirt refuses while a session begins ends the session, and is tried again.
func TestRefusals(t *testing.T) {
	for call, want := range map[libvirttest.Procedure]string{
		libvirttest.ConnectOpen:    "connecting to libvirt: ",
		libvirttest.RegisterEvents: "asking for events: refused by the test",
		libvirttest.ListAllDomains: "listing the domains: refused by the test",
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := libvirttest.InMemory(t), &recorder{}
				s.Refuse(call, golibvirt.ErrInternalError)
				w, log := follow(t, s, r)
				for range 1000 {
					if s.Calls(call) > 1 {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				if st := w.Status(); st.Connected || !strings.HasPrefix(st.Error, want) || st.Since.IsZero() {
					t.Errorf("%+v, want the error %q", st, want)
				}
				s.Refuse(call, 0)
				r.has(t, "listed: ")
				if n := strings.Count(log.String(), `level=WARN msg="no connection to libvirt`); n != 1 {
					t.Errorf("%d warnings of one interruption:\n%s", n, log)
				}
			})
		})
	}
}

// A domain whose definition libvirt does not give is unreadable, and others go on.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := libvirttest.InMemory(t), &recorder{}
		s.Refuse(libvirttest.DomainGetXML, golibvirt.ErrInternalError)
		s.Define(web(1, true))
		_, _ = follow(t, s, r)
		r.has(t, "listed: unreadable web1")
		s.Lifecycle(uuid.UUID{1}, evDefined, 0)
		r.has(t, `unread: 1 "web1": refused by the test`)
		s.Refuse(libvirttest.DomainGetXML, 0)
		s.Lifecycle(uuid.UUID{1}, evDefined, 0)
		r.has(t, "seen: web1 runs on ")
	})
}

// A guest that cannot be updated holds up no other.
func TestErrorsOfGuests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := libvirttest.InMemory(t), &recorder{}
		s.Define(web(1, true))
		_, log := follow(t, s, r)
		r.has(t, "listed: web1 runs on ")
		r.mu.Lock()
		r.err = errors.New("the disk is full")
		r.mu.Unlock()
		for range 2 {
			s.Lifecycle(uuid.UUID{1}, evDefined, 0)
			r.has(t, "seen: web1 runs on ")
		}
		s.Lifecycle(uuid.UUID{2}, evDefined, 0)
		r.has(t, "left: 2, away false")
		if !strings.Contains(log.String(), `msg="guest not updated from its domain"`) || s.Calls(libvirttest.ListAllDomains) != 1 {
			t.Errorf("the log: %s", log)
		}
	})
}

// What cannot be taken of a list is tried again.
func TestListThatIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := libvirttest.InMemory(t), &recorder{err: errors.New("the disk is full")}
		w, _ := follow(t, s, r)
		r.has(t, "listed: ")
		r.has(t, "listed: ")
		if st := w.Status(); st.Connected || st.Error != "the disk is full" {
			t.Errorf("%+v", st)
		}
	})
}

// A list without the definitions of some domains is not reported: the guests that it
// lacks would count as gone.
func TestEndDuringList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := libvirttest.InMemory(t), &recorder{}
		for n := range byte(9) {
			s.Define(web(n+1, true))
		}
		s.Break(libvirttest.DomainGetXML, true)
		w, _ := follow(t, s, r)
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := w.Status(); st.Connected || !strings.HasPrefix(st.Error, "listing the domains: ") {
			t.Errorf("%+v", st)
		}
		if len(r.lines) != 0 {
			t.Errorf("reported: %q", r.lines)
		}
		s.Break(libvirttest.DomainGetXML, false)
		time.Sleep(2 * longWait)
		synctest.Wait()
		if st := w.Status(); !st.Connected || st.Domains != 9 || len(r.lines) != 1 {
			t.Errorf("%+v, reported %q", st, r.lines)
		}
	})
}

// An update that fails because the server stops is no fault of the guest.
func TestEndDuringUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r, log := libvirttest.InMemory(t), &recorder{}, &logtest.Buffer{}
		s.Define(web(1, true))
		ctx, stop := context.WithCancel(t.Context())
		w := newWatcher(t, s, r, log)
		w.guests = stopping{r, stop}
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		synctest.Wait()
		s.Lifecycle(uuid.UUID{1}, evDefined, 0)
		running.Wait()
		if r.upTo("seen: web1 runs on ") == nil {
			t.Errorf("reported: %q", r.lines)
		}
		if text := log.String(); strings.Contains(text, "not updated") {
			t.Errorf("the log: %s", text)
		}
	})
}

// stopping is a recorder that stops the watcher when a domain is seen, and fails.
type stopping struct {
	*recorder
	stop func()
}

func (s stopping) Seen(ctx context.Context, d Domain) error {
	_ = s.recorder.Seen(ctx, d)
	s.stop()
	return ctx.Err()
}
