package etcdstore

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestState: what is told of etcd, while it answers and while it does not.
func TestState(t *testing.T) {
	cluster := startEtcd(t)
	client := connect(t, cluster)
	h := newHost(t, client, options("10.0.0.0/24"))
	within(t, 10*time.Second, h.store.Link)
	if _, err := h.Register(t.Context(), dom(1, "web")); err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	state := h.store.State()
	if state.Err != nil || state.NotSaved != nil || state.Revision != resp.Header.Revision {
		t.Errorf("%+v, and etcd has the revision %d", state, resp.Header.Revision)
	}
	within(t, 10*time.Second, func() error { // it is asked every few seconds
		if now := h.store.State().Current; !now.After(state.Current) {
			return fmt.Errorf("current at %v, and before at %v", now, state.Current)
		}
		return nil
	})
	cluster.stop()
	within(t, 10*time.Second, func() error {
		if h.store.State().Err == nil {
			return errors.New("nothing is told")
		}
		return nil
	})
	lost := h.store.State()
	cluster.start()
	within(t, 20*time.Second, func() error {
		state := h.store.State()
		if state.Err == nil && !state.Current.After(lost.Current) {
			t.Errorf("it answers, and was current at %v", state.Current)
		}
		return state.Err
	})
}

// TestSharedNotes: a note is replaced only if it is as it was read.
func TestSharedNotes(t *testing.T) {
	s := newHost(t, connect(t, startEtcd(t)), options("10.0.0.0/24")).store
	read := func(want string) int64 {
		t.Helper()
		text, revision, err := s.SharedNote(t.Context(), "keys")
		if text != want || (revision == 0) != (want == "") || err != nil {
			t.Errorf("%q of revision %d, %v; want %q", text, revision, err, want)
		}
		return revision
	}
	swap := func(text string, revision int64, want bool) {
		t.Helper()
		if swapped, err := s.SwapNote(t.Context(), "keys", text, revision); swapped != want || err != nil {
			t.Errorf("%q in place of revision %d: %v, %v", text, revision, swapped, err)
		}
	}
	none := read("")
	swap("early", none+1, false)
	swap("first", none, true)
	swap("late", none, false)
	first := read("first")
	swap("early", first+1, false)
	swap("second", first, true)
	swap("late", first, false)
	read("second")
	if note, err := s.Note(t.Context(), "keys"); note != "second" || err != nil {
		t.Errorf("%q, %v", note, err)
	}
}
