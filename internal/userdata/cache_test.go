package userdata

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A guest gets the file that the next request would find, also if that is a
// new one that comes before an included file.
func TestAFileBeforeAnIncludedOne(t *testing.T) {
	for name, tt := range map[string]struct{ template, included, before string }{
		"a root before":               {"% include('part')\n", "views/part.tpl", "part.tpl"},
		"another suffix":              {"% include('part')\n", "part.stpl", "part.tpl"},
		"in a directory of each root": {"% include('d/part')\n", "views/d/part.tpl", "d/part.tpl"},
		"a layout":                    {"% rebase('part')\n", "views/part.tpl", "part.tpl"},
		"included by an included one": {"% include('first')\n", "views/part.tpl", "part.tpl"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "")
			s.write("d/other", "")
			s.write("first.tpl", "% include('part')\n")
			s.write("web", tt.template)
			s.write(tt.included, "old")
			waitSettled(t, filepath.Join(s.dir, "web"))
			waitSettled(t, filepath.Join(s.dir, tt.included))
			r, now := settledRenderer(t, s)
			web := guest("web", nil)
			if got := s.render(r, web); got != "old" && got != "old\n" {
				t.Fatalf("%q before the change", got)
			}
			if _, kept := r.cache.Get(document{"user-data", false, web.UUID}); !kept {
				t.Fatal("the result is not kept")
			}
			s.write(tt.before, "new")
			*now = now.Add(recheck)
			if got := s.render(r, web); got != "new" && got != "new\n" {
				t.Errorf("%q after the change", got)
			}
		})
	}
}

// A change of any file that a document was made of is seen.
func TestEveryFileIsWatched(t *testing.T) {
	s := newSite(t, "default_template = /nothere\n")
	s.conf = "vendordata_template = " + s.dir + "/vendor\n"
	for _, name := range []string{"web", "a", "b", "vendor", "inc.tpl"} {
		s.write(name, name+" 1 {{!include('inc') or ''}}")
	}
	s.write("inc.tpl", "inc 1")
	waitSettled(t, filepath.Join(s.dir, "inc.tpl"))
	r, now := settledRenderer(t, s)
	web, parts := guest("web", nil), guest("parts", map[string]string{"userdata_parts": "a,b"})
	documents := func() [3]string {
		t.Helper()
		vendor, err := r.Vendor(t.Context(), web, false)
		if err != nil {
			t.Fatal(err)
		}
		return [3]string{s.render(r, web), s.render(r, parts), string(vendor.Body)}
	}
	for _, step := range []struct {
		file    string
		changes [3]bool
	}{
		{"web", [3]bool{true, false, false}},
		{"a", [3]bool{false, true, false}},
		{"b", [3]bool{false, true, false}},
		{"vendor", [3]bool{false, false, true}},
		{"inc.tpl", [3]bool{true, true, true}},
	} {
		before := documents()
		s.write(step.file, step.file+" 22 {{!'' if '"+step.file+"' == 'inc.tpl' else include('inc') or ''}}")
		*now = now.Add(recheck)
		for i, after := range documents() {
			if changed := after != before[i]; changed != step.changes[i] {
				t.Errorf("%s was edited, document %d is %q, was %q", step.file, i, after, before[i])
			}
		}
		waitSettled(t, filepath.Join(s.dir, step.file))
	}
}

// A file that was changed a moment ago may change again without a sign of it.
func TestSettled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	there, absent := takeFingerprint(path), takeFingerprint(path+".absent")
	changed := time.Unix(there.file.ctime.Unix())
	for _, tt := range []struct {
		prints []fingerprint
		at     time.Time
		want   bool
	}{
		{nil, changed, true},
		{[]fingerprint{absent}, changed, true},
		{[]fingerprint{there}, changed, false},
		{[]fingerprint{there}, changed.Add(settling - 1), false},
		{[]fingerprint{there}, changed.Add(settling), true},
		{[]fingerprint{there}, changed.Add(-time.Hour), false},
		{[]fingerprint{absent, there}, changed, false},
	} {
		if got := settled(tt.prints, tt.at); got != tt.want {
			t.Errorf("%d files, %s later: settled %v", len(tt.prints), tt.at.Sub(changed), got)
		}
	}
}

// The state of a link is that of the link and of where it leads.
func TestFingerprintOfALink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(target, []byte("text"), 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	there, err := os.Lstat(link)
	if err != nil {
		t.Fatal(err)
	}
	if got := takeFingerprint(link); got.link != inodeOf(there) || got.file != takeFingerprint(target).file || got.file.size != 4 || got.missing != 0 {
		t.Errorf("%+v", got)
	}
	if got := takeFingerprint(target); got.link != (inode{}) {
		t.Errorf("%+v of a file", got)
	}
	if got := takeFingerprint(filepath.Join(dir, "a", "b")); got.missing != 2 || got.file != (inode{}) || got.link != (inode{}) {
		t.Errorf("%+v of nothing", got)
	}
}

func TestUnchanged(t *testing.T) {
	file := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte("first"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, change := range map[string]func(path string) error{
		"removed":    os.Remove,
		"appears":    func(path string) error { return os.WriteFile(path+".absent", nil, 0o600) },
		"longer":     func(path string) error { return os.WriteFile(path, []byte("second"), 0o600) },
		"other time": func(path string) error { return os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)) },
		"replaced": func(path string) error {
			if err := os.WriteFile(path+".new", []byte("first"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t)
			prints := []fingerprint{takeFingerprint(file(t)), takeFingerprint(path), takeFingerprint(path + ".absent")}
			if !unchanged(prints) {
				t.Fatal("changed before anything happened")
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			if unchanged(prints) {
				t.Error("the change goes unnoticed")
			}
		})
	}
}
