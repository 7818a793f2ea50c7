package boltstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

var errFault = errors.New("a fault")

// TestWriteFails checks that a write which fails was made or not made as it says, and that
// the next one is made.
func TestWriteFails(t *testing.T) {
	for name, tt := range map[string]struct {
		fault  func(s *Store, w *writer) error // after the change, before its commit
		mend   func(path string) error
		want   error // nil: it was made
		unsure bool
		log    string
	}{
		"nothing": {fault: func(*Store, *writer) error { return nil }},
		"before the commit": {fault: func(*Store, *writer) error { return errFault },
			want: errFault},
		"in the commit": {fault: func(s *Store, _ *writer) error { return s.file.Close() },
			want: fs.ErrClosed, log: "the change was not made, and the database was reopened"},
		"bbolt panics": {fault: func(*Store, *writer) error { panic("a fault") },
			want: ErrDamaged, log: "the change was not made, and the database was reopened"},
		"bbolt panics after the commit": {fault: func(_ *Store, w *writer) error { w.tx.OnCommit(func() { panic("a fault") }); return nil },
			log: "reported an error, but the database contains the change"},
		"the file is gone, too": {fault: func(s *Store, _ *writer) error { return errors.Join(s.file.Close(), os.Rename(s.path, s.path+".away")) },
			mend: func(path string) error { return os.Rename(path+".away", path) },
			want: fs.ErrClosed, unsure: true, log: "the database cannot be reopened"},
	} {
		path, _ := filled(t)
		var log strings.Builder
		store, err := Open(path, slog.New(slog.NewTextHandler(&log, nil)))
		must(t, err)
		putting := func(name string) instance.Change {
			return instance.Change{Put: []instance.Instance{{UUID: uuid.New(), Name: name}}}
		}
		err = store.write(func(w *writer) error {
			return errors.Join(w.guests(putting("web")), tt.fault(store, w))
		})
		if !errors.Is(err, tt.want) || errors.Is(err, storage.ErrUncertain) != tt.unsure {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if tt.want == fs.ErrClosed && (strings.Contains(err.Error(), ".new") || !strings.Contains(err.Error(), path)) {
			t.Errorf("%s: the error does not name the file: %v", name, err)
		}
		if !strings.Contains(log.String(), tt.log) || tt.log == "" && strings.Contains(log.String(), "a write to the database") {
			t.Errorf("%s: logged %s", name, &log)
		}
		if tt.mend != nil {
			must(t, tt.mend(path))
		}
		must(t, store.Apply(t.Context(), []instance.Change{putting("db")}))
		must(t, store.Close())
		table, findings := readAll(t, path)
		made := slices.ContainsFunc(table.Instances, func(guest instance.Instance) bool { return guest.Name == "web" })
		if made != (tt.want == nil) || !slices.ContainsFunc(table.Instances, func(guest instance.Instance) bool { return guest.Name == "db" }) {
			t.Errorf("%s: the change was made: %v", name, made)
		}
		if len(findings) > 0 {
			t.Errorf("%s: %v", name, findings)
		}
	}
}

// TestNoNewFile checks that a sound database is served as it is where no new file can be
// written, and that a damaged one is left alone.
func TestNoNewFile(t *testing.T) {
	for name, damaged := range map[string]bool{"sound": false, "damaged": true} {
		path, content := filled(t)
		if damaged {
			copy(content[strings.Index(string(content), "hhhh"):], "x")
			must(t, os.WriteFile(path, content, 0o600))
		}
		must(t, os.MkdirAll(filepath.Join(path+".new", "in its place"), 0o700))
		var log strings.Builder
		store, err := Open(path, slog.New(slog.NewTextHandler(&log, nil)))
		if (err != nil) != damaged || strings.Contains(log.String(), "the existing file is used") == damaged {
			t.Errorf("%s: %v; logged %s", name, err, &log)
		}
		if err != nil {
			if now := readFile(t, path); string(now) != string(content) {
				t.Errorf("%s: the file was changed", name)
			}
			continue
		}
		must(t, store.Apply(t.Context(), []instance.Change{{Put: []instance.Instance{{UUID: uuid.New(), Name: "web"}}}}))
		must(t, store.Close())
		if table, findings := readAll(t, path); len(table.Instances) != guestsInFile+1 || len(findings) > 0 {
			t.Errorf("%s: %d guests, %v", name, len(table.Instances), findings)
		}
	}
}

// TestAlteredAtTheEnd checks that a file which another program has written to does not keep
// the server from ending, which says so.
func TestAlteredAtTheEnd(t *testing.T) {
	path, _ := filled(t)
	var log strings.Builder
	store, err := Open(path, slog.New(slog.NewTextHandler(&log, nil)))
	must(t, err)
	later := time.Now().Add(time.Second)
	must(t, os.Chtimes(path, later, later))
	if err := store.Close(); err != nil || !strings.Contains(log.String(), "another program has written") {
		t.Errorf("%v; logged %s", err, &log)
	}
	closeStore(t, open(t, path)) // its lock is gone
}

func TestUnchanged(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(path string) error
		want   bool
	}{
		"as it was":    {func(string) error { return nil }, true},
		"removed":      {os.Remove, false},
		"longer":       {func(path string) error { return os.WriteFile(path, []byte("longer"), 0o600) }, false},
		"written over": {func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(2, 0)) }, false},
		"replaced": {func(path string) error {
			return errors.Join(os.WriteFile(path+".other", []byte("text"), 0o600), os.Rename(path+".other", path))
		}, false},
	} {
		path := filepath.Join(t.TempDir(), "file")
		begin := time.Unix(1, 0)
		must(t, errors.Join(os.WriteFile(path, []byte("text"), 0o600), os.Chtimes(path, begin, begin)))
		seen, err := os.Stat(path)
		must(t, errors.Join(err, tt.change(path)))
		if name == "longer" || name == "replaced" {
			must(t, os.Chtimes(path, begin, begin))
		}
		if got := unchanged(path, seen); got != tt.want {
			t.Errorf("%s: unchanged %v, want %v", name, got, tt.want)
		}
	}
}

// TestLost checks which guests of a snapshot the findings may mean.
func TestLost(t *testing.T) {
	guests := []instance.Instance{{UUID: uuid.New(), Name: "web"}, {UUID: uuid.New(), Name: "db"}, {UUID: uuid.New(), Name: "mail"}}
	keyed := Finding{Bucket: Instances, Key: guests[0].UUID[:]}
	for name, tt := range map[string]struct {
		findings []Finding
		want     string
	}{
		"a record of a guest":              {[]Finding{keyed}, "web"},
		"one of a guest that is there":     {[]Finding{{Bucket: Instances, Key: guests[2].UUID[:]}}, ""},
		"records of guests":                {[]Finding{{Bucket: Instances}}, "web db"},
		"something of all":                 {[]Finding{{}}, "web db"},
		"records of addresses":             {[]Finding{{Bucket: Resting}}, ""},
		"an address":                       {[]Finding{{Bucket: Resting, Key: []byte{10, 0, 0, 1}}}, ""},
		"a note":                           {[]Finding{{Bucket: Meta, Key: []byte("key")}}, ""},
		"a key that no guest has":          {[]Finding{{Bucket: Instances, Key: []byte("key")}}, ""},
		"a record of a guest, and an note": {[]Finding{keyed, {Bucket: Meta, Key: []byte("key")}}, "web"},
	} {
		var names []string
		for _, guest := range (Aside{Findings: tt.findings}).lost(guests, guests[2:]) {
			names = append(names, guest.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: %q may be lost, want %q", name, got, tt.want)
		}
	}
}

// TestReasons checks that the file of records that were set aside says why each is in it.
func TestReasons(t *testing.T) {
	path, web, db := storeWith(t)
	store := open(t, path)
	must(t, store.SetAside(t.Context(), []instance.Instance{web, db}, []error{errors.New("one"), errors.New("two")}))
	closeStore(t, store)
	aside, err := readAside(Asides(path)[0])
	if err != nil || !slices.Equal(aside.Reasons, []string{"one", "two"}) || len(aside.Instances) != 2 || aside.Database != path {
		t.Errorf("%+v, %v", aside, err)
	}
}

// stateOf is the note of a change after which the database has some guests.
func stateOf(sequence uint64, guests int) *state {
	s := newState()
	s.Sequence = sequence
	s.Tallies[Instances].Count = guests
	return s
}

// TestNotesOfChanges checks which note of a change counts: that of the last one, unless two
// have its number.
func TestNotesOfChanges(t *testing.T) {
	for name, tt := range map[string]struct {
		notes    []*state
		sequence uint64
		rivals   bool
	}{
		"in order":                   {[]*state{stateOf(1, 1), stateOf(2, 2)}, 2, false},
		"out of order":               {[]*state{stateOf(2, 2), stateOf(1, 1)}, 2, false},
		"twice":                      {[]*state{stateOf(2, 2), stateOf(2, 2)}, 2, false},
		"two of one number":          {[]*state{stateOf(2, 2), stateOf(2, 3)}, 2, true},
		"two of one number, earlier": {[]*state{stateOf(2, 2), stateOf(2, 3), stateOf(3, 1)}, 3, false},
		"incomplete":                 {[]*state{stateOf(2, 2), {Sequence: 3}}, 2, false},
	} {
		var w wreck
		for _, note := range tt.notes {
			text, err := json.Marshal(note)
			must(t, err)
			w.addState(text)
		}
		if w.state == nil || w.state.Sequence != tt.sequence || w.rivals != tt.rivals {
			t.Errorf("%s: %+v, rivals: %v", name, w.state, w.rivals)
		}
	}
}

// TestProblemsOfTheLastChange checks what Salvage says of the last change.
func TestProblemsOfTheLastChange(t *testing.T) {
	for name, tt := range map[string]struct {
		marked           uint64
		state            *state
		rivals           bool
		want             string // part of the only problem
		sequence, missed uint64
	}{
		"as marked":          {marked: 7, state: stateOf(7, 0), sequence: 7},
		"no mark":            {state: stateOf(7, 0), want: "the database's mark is missing", sequence: 7},
		"no note":            {marked: 7, want: "the note of the last change is missing", sequence: 7},
		"two notes":          {marked: 7, state: stateOf(7, 0), rivals: true, want: "two changes have the number 7", sequence: 7},
		"a change is missed": {marked: 8, state: stateOf(7, 0), want: "the last change is missing", sequence: 7, missed: 1},
		"some are missed":    {marked: 9, state: stateOf(7, 0), want: "the last 2 changes are missing", sequence: 7, missed: 2},
		"more than marked":   {marked: 6, state: stateOf(7, 0), want: "the last 1 changes are not in the mark", sequence: 7},
		"a guest is missing": {marked: 7, state: stateOf(7, 1), want: `the bucket "instances" has 0 records, but 1 were written last`, sequence: 7},
	} {
		w := &wreck{state: tt.state, rivals: tt.rivals}
		s := w.salvage(tt.marked)
		if s.Sequence != tt.sequence || s.Missing != tt.missed || s.Sound() != (tt.want == "") {
			t.Errorf("%s: %+v", name, s)
		}
		if tt.want != "" && (len(s.Problems) != 1 || !strings.Contains(s.Problems[0], tt.want)) {
			t.Errorf("%s: %q, want %q", name, s.Problems, tt.want)
		}
		if s.content.sequence != max(tt.sequence, tt.marked) {
			t.Errorf("%s: the next change is after %d", name, s.content.sequence)
		}
	}
}

// TestCloser checks which of two sets of records is chosen if the sums of neither are right.
func TestCloser(t *testing.T) {
	of := func(n int) set {
		s := set{}
		for i := range n {
			s[fmt.Sprint(i)] = version{}
		}
		return s
	}
	for _, tt := range []struct {
		state   *state
		c, than int
		want    bool
	}{
		{nil, 2, 1, true}, {nil, 1, 2, false}, {nil, 2, 2, false},
		{stateOf(7, 3), 2, 1, true}, {stateOf(7, 3), 4, 1, true}, {stateOf(7, 3), 4, 2, false}, {stateOf(7, 3), 6, 1, false}, {stateOf(7, 3), 3, 9, true},
	} {
		w := &wreck{state: tt.state}
		if got := w.closer(Instances, of(tt.c), of(tt.than)); got != tt.want {
			t.Errorf("%d records and not %d: %v, want %v (%+v)", tt.c, tt.than, got, tt.want, tt.state)
		}
	}
}

// TestMayFollow checks which version of a record may be newer than another.
func TestMayFollow(t *testing.T) {
	guest := func(name string, minute int) version {
		text, err := json.Marshal(instance.Instance{Name: name, LastUpdate: time.Unix(int64(60*minute), 0).UTC()})
		must(t, err)
		return version{value: seal(instancesBucket, nil, text)}
	}
	for name, tt := range map[string]struct {
		bucket   string
		other, v version
		want     bool
	}{
		"the same":             {Instances, guest("web", 1), guest("web", 1), false},
		"later":                {Instances, guest("web", 2), guest("web", 1), true},
		"earlier":              {Instances, guest("web", 1), guest("web", 2), false},
		"at the same time":     {Instances, guest("web", 1), guest("www", 1), true},
		"an address":           {Resting, guest("web", 1), guest("web", 2), true},
		"the same, an address": {Resting, guest("web", 1), guest("web", 1), false},
	} {
		if got := mayFollow(tt.bucket, tt.other, tt.v); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
