package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"mdserver/internal/libvirt/bridges"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/libvirttest"
)

// recorder keeps what a watcher finds out, one line for each call.
type recorder struct {
	mu    sync.Mutex
	lines []string
	err   error // of each call
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

func (r *recorder) Unread(u Unreadable) {
	_ = r.note("unread: %v %q: %v", u.UUID[0], u.Name, u.Err != nil)
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

// syncBuffer is a log that a test reads while others write.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// follow runs a watcher with these changes until the end of the test.
func follow(t *testing.T, s *libvirttest.Server, r *recorder, changes ...func(*Watcher)) (*Watcher, *syncBuffer) {
	t.Helper()
	log := &syncBuffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	e := connection.Endpoint{Socket: s.Socket}
	resolver := bridges.New(e, func(string) bool { return false }, logger)
	w := New(e, r, r.happened, resolver, logger)
	for _, change := range changes {
		change(w)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		resolver.Close()
	})
	return w, log
}

const (
	evStopped = golibvirt.DomainEventStopped
	evDefined = golibvirt.DomainEventDefined
)

func TestFollow(t *testing.T) {
	s, r := libvirttest.New(t), &recorder{}
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
	for _, line := range r.has(t, `unread: 3 "broken": true`) {
		if strings.HasPrefix(line, "left: ") {
			t.Errorf("a domain that libvirt has is %q", line)
		}
	}
	if text := log.String(); !strings.Contains(text, `level=WARN msg="a domain cannot be read"`) ||
		!strings.Contains(text, `msg="following libvirt's domains" socket=`) {
		t.Errorf("the log: %s", text)
	}
	if n := s.Calls(libvirttest.ListAllDomains); n != 1 {
		t.Errorf("all domains were listed %d times", n)
	}
}

// A connection that ends is made again, and all domains are listed again.
func TestInterruption(t *testing.T) {
	s, r := libvirttest.New(t), &recorder{}
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
}

// What libvirt refuses while a session begins ends the session, and is tried again.
func TestRefusals(t *testing.T) {
	for call, want := range map[libvirttest.Procedure]string{
		libvirttest.ConnectOpen:    "connecting to libvirt: ",
		libvirttest.RegisterEvents: "asking for events: refused by the test",
		libvirttest.ListAllDomains: "listing the domains: refused by the test",
	} {
		t.Run(want, func(t *testing.T) {
			s, r := libvirttest.New(t), &recorder{}
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
	}
}

// A domain whose definition libvirt does not give is unreadable, and others go on.
func TestUnreadable(t *testing.T) {
	s, r := libvirttest.New(t), &recorder{}
	s.Refuse(libvirttest.DomainGetXML, golibvirt.ErrInternalError)
	s.Define(web(1, true))
	_, _ = follow(t, s, r)
	r.has(t, "listed: unreadable web1")
	s.Lifecycle(uuid.UUID{1}, evDefined, 0)
	r.has(t, `unread: 1 "web1": true`)
	s.Refuse(libvirttest.DomainGetXML, 0)
	s.Lifecycle(uuid.UUID{1}, evDefined, 0)
	r.has(t, "seen: web1 runs on ")
}

// A guest that cannot be updated holds up no other.
func TestErrorsOfGuests(t *testing.T) {
	s, r := libvirttest.New(t), &recorder{}
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
}

// What cannot be taken of a list is tried again.
func TestListThatIsNotTaken(t *testing.T) {
	s, r := libvirttest.New(t), &recorder{err: errors.New("the disk is full")}
	w, _ := follow(t, s, r)
	r.has(t, "listed: ")
	r.has(t, "listed: ")
	if st := w.Status(); st.Connected || st.Error != "the disk is full" {
		t.Errorf("%+v", st)
	}
}

// A quiet connection is tried, and all domains are listed, from time to time. One
// that fails is replaced.
func TestFromTimeToTime(t *testing.T) {
	for call, change := range map[libvirttest.Procedure]func(*Watcher){
		libvirttest.GetLibVersion:  func(w *Watcher) { w.ping = 10 * time.Millisecond },
		libvirttest.ListAllDomains: func(w *Watcher) { w.again = 10 * time.Millisecond },
	} {
		s, r := libvirttest.New(t), &recorder{}
		follow(t, s, r, change)
		r.has(t, "listed: ")
		wait := func(what string, done func() bool) {
			t.Helper()
			for range 1000 {
				if done() {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Fatalf("%d: not %s", call, what)
		}
		before := s.Calls(call)
		wait("called again", func() bool { return s.Calls(call) > before+1 })
		if n := s.Calls(libvirttest.ConnectOpen); n != 1 {
			t.Errorf("%d: %d connections", call, n)
		}
		s.Refuse(call, golibvirt.ErrInternalError)
		wait("connected again", func() bool { return s.Calls(libvirttest.ConnectOpen) > 1 })
		s.Refuse(call, 0)
		before = s.Calls(call)
		wait("called after that", func() bool { return s.Calls(call) > before })
	}
	if w := New(connection.Endpoint{}, nil, nil, nil, nil); w.ping != 30*time.Second || w.again != 5*time.Minute {
		t.Errorf("a connection is tried every %v, domains are listed every %v", w.ping, w.again)
	}
}

// A connection that ends while it is opened is replaced.
func TestEndWhileConnecting(t *testing.T) {
	s, r := libvirttest.New(t), &recorder{}
	s.Define(web(1, true))
	s.Silence(true)
	w, _ := follow(t, s, r)
	for range 1000 {
		if s.Calls(libvirttest.AuthList) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	s.HangUp()
	for range 1000 {
		if w.Status().Error != "" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if st := w.Status(); st.Connected || st.Error == "" {
		t.Errorf("%+v", st)
	}
	s.Silence(false)
	r.has(t, "listed: web1 runs on ")
}

// tryOut asks libvirt for something cheap.
func TestTryOut(t *testing.T) {
	s := libvirttest.New(t)
	conn, err := connection.Dial(t.Context(), connection.Endpoint{Socket: s.Socket}, connection.QEMU)
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
}
