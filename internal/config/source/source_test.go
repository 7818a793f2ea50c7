package source

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// parts writes each part on a line, without the directory of the test.
func parts(f *Files, dir string) []string {
	var list []string
	for _, p := range f.Parts {
		line := ""
		switch {
		case p.File != nil:
			line = fmt.Sprintf("file %s included=%v", p.File.Path, p.File.Included)
			for _, s := range p.File.Sections {
				line += " [" + s.Name + "]"
				for _, e := range s.Entries {
					line += " " + e.Key
				}
			}
		case p.Warning != nil:
			line = fmt.Sprintf("%v %v", p.Warning.Level, *p.Warning)
		case p.Note != nil:
			line = "note " + p.Note.Name + "=" + p.Note.Text
		}
		list = append(list, strings.ReplaceAll(line, dir, ""))
	}
	return list
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/main", "[DEFAULT]\nx = 1\n[_include_]\ndirectories = '"+dir+"/two:"+dir+"/none:"+dir+"/main:one'\nfiles = "+dir+"/last:later:"+dir+"/one\n[service]\nname = a\nfiles = x\n")
	put(t, dir+"/two/10.conf", "[service]\nname = b\n")
	put(t, dir+"/one/20.conf", "[_include_]\nfiles = "+dir+"/hidden\n")
	put(t, dir+"/one/03.conf", "[dnsmasq]\n")
	put(t, dir+"/one/.hidden.conf", "[dnsmasq]\n")
	put(t, dir+"/one/readme", "text")
	put(t, dir+"/one/dir.conf/x", "text")
	if err := os.Symlink("missing", dir+"/one/dangling.conf"); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/last", "")
	put(t, dir+"/later", "")
	t.Chdir(dir)
	got := Read(dir + "/main")
	want := []string{
		"file /main included=false [_include_] x directories files [service] x name files",
		"note main=/main",
		"file /two/10.conf included=true [service] name",
		"note /two=10.conf",
		"DEBUG /main: _include_: /none does not exist and is ignored",
		"WARN /main: _include_: /main is not a directory and is ignored",
		"file /one/03.conf included=true [dnsmasq]",
		"file /one/20.conf included=true [_include_] files",
		"note /one=03.conf,20.conf",
		"file /last included=true",
		"file /later included=true",
		"WARN /main: _include_: /one is not a file and is ignored",
		"note files=/last,/later",
	}
	if lines := parts(got, dir); !slices.Equal(lines, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	paths := strings.ReplaceAll(strings.Join(got.Paths, " "), dir, "")
	if paths != "/main /two/10.conf /one/03.conf /one/20.conf /last /later" {
		t.Errorf("paths %s", paths)
	}
	directories := fmt.Sprint(got.Directories)
	if want := fmt.Sprintf("[{%s/two [10.conf]} {%s/one [03.conf 20.conf]}]", dir, dir); directories != want {
		t.Errorf("directories %s, want %s", directories, want)
	}
	if !slices.Equal(got.Included, []string{dir + "/last", dir + "/later"}) || len(got.Problems) > 0 {
		t.Errorf("included %v, problems %v", got.Included, got.Problems)
	}
}

func TestProblemsOfFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("loop", dir+"/loop"); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/full", strings.Repeat("\n", maxFile))
	put(t, dir+"/huge", strings.Repeat("\n", maxFile+1))
	put(t, dir+"/binary", "\x00")
	put(t, dir+"/syntax", "[a]\nx\nk = 1\nk = 2\n")
	put(t, dir+"/main", "[_include_]\nfiles = "+dir+"/loop:"+dir+"/full:"+dir+"/huge:"+dir+"/binary:"+dir+"/syntax\n")
	files := Read(dir + "/main")
	var got []string
	for _, p := range files.Problems {
		got = append(got, strings.ReplaceAll(p.Error(), dir, ""))
	}
	want := []string{
		"/loop: cannot stat the file: too many levels of symbolic links",
		"/huge: longer than 4 MiB, the limit for a configuration",
		"/binary: not a text file: it contains zero bytes",
		"/syntax:2: [a]: neither a section, a key nor a comment, accepted: ",
		"/syntax:4: a.k: set twice in this file, first on line 3, accepted: ",
	}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%s\nwant %s", got[i], want[i])
		}
	}
}

func TestUnreadableMainFile(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir + "/none": "cannot open the file: no such file", dir: "is a directory"} {
		f := Read(path)
		if len(f.Parts) > 0 || len(f.Problems) != 1 || !strings.Contains(f.Problems[0].Error(), want) {
			t.Errorf("%s: parts %v, problems %v", path, f.Parts, f.Problems)
		}
	}
	if p := Read(dir + "/none").Problems[0]; !errors.Is(p, os.ErrNotExist) {
		t.Errorf("%v wraps no error", p)
	}
}

func TestMessages(t *testing.T) {
	for want, got := range map[string]error{
		`f:3: a.b = "x": odd, accepted: y`: &Problem{File: "f", Line: 3, Key: "a.b", Value: "x", Shown: true, Reason: "odd", Accepted: "y"},
		`f:3: a.b = "": odd`:               &Problem{File: "f", Line: 3, Key: "a.b", Shown: true, Reason: "odd"},
		`f:3: a.b: odd`:                    &Problem{File: "f", Line: 3, Key: "a.b", Reason: "odd"},
		`f: odd`:                           &Problem{File: "f", Reason: "odd"},
		`default: "a\x1b.b": odd`:          &Problem{Key: "a\x1b.b", Reason: "odd"},
		`f: k = "` + strings.Repeat("x", 200) + `": odd`:  &Problem{File: "f", Key: "k", Value: strings.Repeat("x", 200), Shown: true, Reason: "odd"},
		`f: k = "` + strings.Repeat("x", 199) + `…": odd`: &Problem{File: "f", Key: "k", Value: strings.Repeat("x", 199) + "éé", Shown: true, Reason: "odd"},
	} {
		if got.Error() != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	w := Warning{File: "f", Line: 3, Key: "a.b", Text: "odd", Level: slog.LevelWarn}
	if w.String() != "f:3: a.b: odd" {
		t.Error(w)
	}
	if w := (Warning{File: "f", Text: "odd"}); w.String() != "f: odd" {
		t.Error(w)
	}
}
