package etcdstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"mdserver/internal/etcd/etcdfake"
	"mdserver/internal/inventory/storage"
)

// TestNotesFail checks that an error says whether a note may have been written.
func TestNotesFail(t *testing.T) {
	for name, tt := range map[string]struct {
		key, text    string
		refuse, lose etcdfake.Fault
		want         error
		not          error
		written      string
	}{
		"written":              {key: "k", text: "new", written: "new"},
		"removed":              {key: "k"},
		"no key":               {text: "new", not: storage.ErrUncertain, written: "old", want: errAny},
		"refused":              {key: "k", text: "new", refuse: on("put", rpctypes.ErrGRPCNoSpace), want: rpctypes.ErrNoSpace, not: storage.ErrUncertain, written: "old"},
		"lost":                 {key: "k", text: "new", refuse: on("put", errAway), want: storage.ErrUncertain, written: "old"},
		"the answer is lost":   {key: "k", text: "new", lose: on("put", errAway), want: storage.ErrUncertain, written: "new"},
		"removed, answer lost": {key: "k", lose: on("delete", errAway), want: storage.ErrUncertain},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				store := s.open()
				if err := store.SetNote(t.Context(), "k", "old"); err != nil {
					t.Fatal(err)
				}
				s.Refuse(tt.refuse)
				s.Lose(tt.lose)
				err := store.SetNote(t.Context(), tt.key, tt.text)
				s.Refuse(nil)
				s.Lose(nil)
				if (err != nil) != (tt.want != nil) || tt.want != errAny && !errors.Is(err, tt.want) || tt.not != nil && errors.Is(err, tt.not) {
					t.Errorf("%v, want %v", err, tt.want)
				}
				notes, err := store.Notes(t.Context())
				if notes["k"] != tt.written || len(notes) > 1 || err != nil {
					t.Errorf("%v, %v, want %q", notes, err, tt.written)
				}
				s.Refuse(func(string, string) error { return errAway })
				_, noteErr := store.Note(t.Context(), "k")
				_, notesErr := store.Notes(t.Context())
				_, _, sharedErr := store.SharedNote(t.Context(), "k")
				swapped, swapErr := store.SwapNote(t.Context(), "k", "x", 1)
				for _, err := range []error{noteErr, notesErr, sharedErr, swapErr} {
					if !errors.Is(err, errAway) || !strings.Contains(err.Error(), "below "+prefix) || swapped {
						t.Errorf("etcd is away: %v", err)
					}
				}
			})
		})
	}
}

// TestPages checks that notes that need several answers are read, once each.
func TestPages(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		client := s.Client(t.Context())
		for n := range 2*pageSize + 1 {
			if _, err := client.Put(t.Context(), fmt.Sprintf("%snotes/%05d", prefix, n), "x"); err != nil {
				t.Fatal(err)
			}
		}
		reads := 0
		s.Lose(func(kind, _ string) error {
			if kind == "range" {
				reads++
			}
			return nil
		})
		var revisions []int64
		err := pages(t.Context(), client, prefix+notesKey, 0, func(_ string, kv *keyValue) { revisions = append(revisions, kv.ModRevision) })
		if err != nil || len(revisions) != 2*pageSize+1 || reads != 3 {
			t.Errorf("%d keys in %d reads, %v", len(revisions), reads, err)
		}
		s.Refuse(func(kind, key string) error {
			if kind == "range" && key != prefix+notesKey {
				return errAway
			}
			return nil
		})
		if notes, err := NewReader(client, prefix).Notes(t.Context()); !errors.Is(err, errAway) || notes != nil {
			t.Errorf("the second read fails: %d notes, %v", len(notes), err)
		}
	})
}
