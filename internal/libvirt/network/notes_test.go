package network

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
)

// notes are Notes in memory.
type notes map[string]string

func (n notes) Note(_ context.Context, key string) (string, error) { return n[key], nil }

func (n notes) SetNote(_ context.Context, key, text string) error {
	n[key] = text
	return nil
}

// broken are notes that cannot be read or written.
type broken struct {
	notes
	read, write error
}

func (b broken) Note(ctx context.Context, key string) (string, error) {
	if b.read != nil {
		return "", b.read
	}
	return b.notes.Note(ctx, key)
}

func (b broken) SetNote(ctx context.Context, key, text string) error {
	if b.write != nil {
		return b.write
	}
	return b.notes.SetNote(ctx, key, text)
}

// What cannot be noted is not added: nothing would remove it.
func TestBrokenNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := errors.New("input/output error")
		server := newServer(t)
		settings := Settings{Name: "lan", Endpoint: connection.Endpoint{Socket: server.Socket, Dialer: server}}
		log := &strings.Builder{}
		s := New(settings, broken{notes{}, nil, failure}, make(chan struct{}, 1), slog.New(slog.NewTextHandler(log, nil)))
		t.Cleanup(func() { _ = s.Close() })
		if err := s.Start(t.Context(), []instance.Instance{machine(2, "web")}); err != nil {
			t.Fatal(err)
		}
		if st := s.Status(); st.LastError != "noting the network's entries: input/output error" {
			t.Errorf("%+v", st)
		}
		if n := server.Network("lan"); len(n.Live)+len(n.Config) != 0 {
			t.Errorf("live %q, config %q", n.Live, n.Config)
		}
		if text := log.String(); !strings.Contains(text, "noting the network's state: input/output error") {
			t.Errorf("logged %q", text)
		}
		for want, kept := range map[string]Notes{
			"input/output error":           broken{notes{}, failure, nil},
			"invalid character":            notes{"libvirt_network/lan": "x"},
			"reading the note libvirt_vie": notes{"libvirt_view/lan": "x"},
		} {
			s := New(settings, kept, make(chan struct{}, 1), slog.New(slog.DiscardHandler))
			if err := s.Start(t.Context(), nil); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "reading the note libvirt_") {
				t.Errorf("%v, want %q", err, want)
			}
		}
	})
}

// noting starts a service for one guest, and returns what keeps its notes.
func noting(t *testing.T) (setup, *failing) {
	t.Helper()
	kept := &failing{notes: notes{}}
	s := prepare(t, newServer(t), nil)
	s.Service.notes = kept
	s.must(t, s.Start(t.Context(), []instance.Instance{machine(2, "web")}))
	synctest.Wait()
	return s, kept
}

// If the note cannot be written after entries are removed, that is an error, and they
// are taken out of the note later.
func TestNoteAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, kept := noting(t)
		kept.err = errors.New("input/output error")
		if err := s.Retire(t.Context()); err == nil || err.Error() != "noting the network's entries: input/output error" {
			t.Errorf("%v", err)
		}
		if !strings.Contains(kept.notes["libvirt_network/lan"], "198.51.100.2") {
			t.Errorf("noted: %v", kept.notes)
		}
		kept.err = nil
		s.must(t, s.bring(t.Context(), callTime))
		if got := kept.notes["libvirt_network/lan"]; strings.Contains(got, "198.51.100.2") {
			t.Errorf("noted: %v", got)
		}
		s.holds(t)
	})
}

// Looks that find nothing new write nothing.
func TestNotesAreWrittenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, kept := noting(t)
		written := kept.writes
		time.Sleep(3 * period)
		synctest.Wait()
		if kept.writes != written {
			t.Errorf("written %d times", kept.writes-written)
		}
	})
}

// failing are notes that cannot be written at times.
type failing struct {
	notes
	err    error
	writes int
}

func (f *failing) SetNote(ctx context.Context, key, text string) error {
	f.writes++
	if f.err != nil {
		return f.err
	}
	return f.notes.SetNote(ctx, key, text)
}
