package userdata

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mdserver/internal/tree"
	"mdserver/stpl"
)

// A change is made below the site's directory. In a link's target, DIR stands for it.
type change func(t *testing.T, dir string)

func makes(name, text string) change {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func links(name, target string) change {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(path)
		if err := os.Symlink(strings.ReplaceAll(target, "DIR", dir), path); err != nil {
			t.Fatal(err)
		}
	}
}

func removes(name string) change {
	return func(t *testing.T, dir string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func both(first, second change) change {
	return func(t *testing.T, dir string) {
		t.Helper()
		first(t, dir)
		second(t, dir)
	}
}

// age waits until a result that depends on the files can be kept.
func age(t *testing.T, dir string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		if err == nil {
			waitSettled(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A kept document is made again when the next request would find another file, or an
// error, wherever that is on the way of the search.
func TestEveryLookupIsWatched(t *testing.T) {
	const conf = "default_template = DIR/default/base\ntemplate_path = DIR/first:DIR/second:DIR/third\nvendordata_template = DIR/vendor\n"
	include := makes("web", "% include('part')\n")
	broken := "broken symbolic link"
	for name, tt := range map[string]struct {
		files    []change
		metadata map[string]string
		old      string // in the document, or in its error
		change   change
		want     string
	}{
		"an include in the directory of templates": {[]change{include, makes("third/part", "old")}, nil, "old", makes("part", "new"), "new"},
		"an include in views":                      {[]change{include, makes("third/part", "old")}, nil, "old", makes("views/part", "new"), "new"},
		"an include in the first directory":        {[]change{include, makes("third/part", "old"), makes("first/x", "")}, nil, "old", makes("first/part", "new"), "new"},
		"an include in the second directory":       {[]change{include, makes("third/part", "old"), makes("second/x", "")}, nil, "old", makes("second/part", "new"), "new"},
		"an include in a new directory":            {[]change{include, makes("third/part", "old")}, nil, "old", makes("second/part", "new"), "new"},
		"an include with an earlier suffix":        {[]change{include, makes("third/part.tpl", "old")}, nil, "old", makes("third/part", "new"), "new"},
		"an include that was missing":              {[]change{include}, nil, "'part' not found", makes("second/part", "new"), "new"},
		"an include of an include":                 {[]change{include, makes("third/part", "% include('inner')\n"), makes("third/inner", "old")}, nil, "old", makes("second/inner", "new"), "new"},
		"an include that goes":                     {[]change{include, makes("second/part", "old"), makes("third/part", "new")}, nil, "old", removes("second/part"), "new"},
		"an include in a new directory of a name":  {[]change{makes("web", "% include('a/b/part')\n"), makes("third/a/b/part", "old")}, nil, "old", makes("second/a/b/part", "new"), "new"},
		"an include where a link leads elsewhere": {
			[]change{makes("web", "% include('a/part')\n"), makes("one/x", ""), makes("two/part", "new"), links("first/a", "DIR/one"), makes("third/a/part", "old")}, nil, broken, links("first/a", "DIR/two"), "new"},
		"an include behind a link to a directory": {
			[]change{makes("web", "% include('a/part')\n"), makes("one/x", ""), links("first/a", "DIR/one"), makes("third/a/part", "old")}, nil, broken, makes("one/part", "new"), "new"},
		"an include that is a link to a directory": {
			[]change{include, makes("one/sub/x", ""), links("first/part", "DIR/one/sub"), makes("third/part", "old")}, nil, "old", both(removes("one/sub"), makes("one/sub", "new")), "new"},
		"an include by way of a parent": {
			[]change{makes("web", "% include('a/../part')\n"), makes("far/one/x", ""), links("first/a", "DIR/far/one"), makes("third/part", "old")}, nil, "old", makes("first/part", "new"), "new"},
		"an include by way of a parent that changes": {
			[]change{makes("web", "% include('a/../part')\n"), makes("far/one/x", ""), links("first/a", "DIR/far/one"), makes("first/part", "old")}, nil, "old", makes("first/part", "new text"), "new text"},
		"an include in a directory as a file": {
			[]change{makes("web", "% include('a/part')\n"), makes("first/a", ""), makes("third/a/part", "old")}, nil, "old", both(removes("first/a"), makes("first/a/part", "new")), "new"},
		"a broken link before an include":        {[]change{include, makes("third/part", "old")}, nil, "old", links("second/part", "nothere"), broken},
		"a broken directory before an include":   {[]change{makes("web", "% include('a/b/part')\n"), makes("third/a/b/part", "old")}, nil, "old", links("second/a", "nothere"), broken},
		"a broken link of an include that heals": {[]change{include, links("second/part", "DIR/far/target"), makes("far/x", ""), makes("third/part", "old")}, nil, broken, makes("far/target", "new"), "new"},
		"a linked include that changes":          {[]change{include, makes("far/part", "old"), links("second/part", "DIR/far/part")}, nil, "old", makes("far/part", "new text"), "new text"},

		"a template by name":                  {[]change{makes("default/base", "old")}, nil, "old", makes("web", "new"), "new"},
		"a template by MAC address":           {[]change{makes("default/base", "old")}, nil, "old", makes("52:54:00:09:00:01.yaml", "new"), "new"},
		"a template with an earlier suffix":   {[]change{makes("web.yaml", "old")}, nil, "old", makes("web", "new"), "new"},
		"a template that goes":                {[]change{makes("web", "old"), makes("default/base", "new")}, nil, "old", removes("web"), "new"},
		"a default template":                  {nil, nil, "#cloud-config", makes("default/base", "new"), "new"},
		"a broken link as a template":         {[]change{makes("default/base", "old")}, nil, "old", links("web", "nothere"), broken},
		"a broken link as default":            {[]change{makes("default/x", "")}, nil, "#cloud-config", links("default/base", "nothere"), broken},
		"a broken link that heals":            {[]change{makes("far/x", ""), links("web", "DIR/far/target"), makes("default/base", "old")}, nil, broken, makes("far/target", "new"), "new"},
		"a directory that becomes a template": {[]change{makes("web/x", ""), makes("default/base", "old")}, nil, "old", both(removes("web"), makes("web", "new")), "new"},
		"a linked directory that becomes one": {[]change{makes("far/sub/x", ""), links("web", "DIR/far/sub"), makes("default/base", "old")}, nil, "old", both(removes("far/sub"), makes("far/sub", "new")), "new"},

		"a named template":                       {nil, map[string]string{"userdata_prefix": "roles/db"}, "no such template", makes("roles/db", "new"), "new"},
		"a named template behind a link":         {[]change{makes("roles/x", "")}, map[string]string{"userdata_prefix": "roles/db"}, "no such template", links("roles/db", "nothere"), broken},
		"a named template in a broken directory": {nil, map[string]string{"userdata_prefix": "a/b/db"}, "no such template", links("a", "nothere"), broken},
		"a named template by way of a parent":    {[]change{makes("far/one/x", ""), links("a", "DIR/far/one")}, map[string]string{"userdata_prefix": "a/../db"}, "no such template", makes("db", "new"), "new"},
		"a part":                                 {[]change{makes("b", "old")}, map[string]string{"userdata_parts": "a,b"}, "no such template", makes("a", "new"), "new"},
		"a part with an earlier suffix":          {[]change{makes("a.yaml", "old"), makes("b", "b")}, map[string]string{"userdata_parts": "a,b"}, "old", makes("a", "new"), "new"},
		"an include of a part":                   {[]change{makes("a", "% include('part')\n"), makes("third/part", "old"), makes("b", "b")}, map[string]string{"userdata_parts": "a,b"}, "old", makes("second/part", "new"), "new"},
		"a part before one that fails":           {[]change{makes("a", "a"), makes("b", "{{1 / 0}}")}, map[string]string{"userdata_parts": "a,b"}, "ZeroDivisionError", makes("a", "% if\n"), "SyntaxError"},
		"a part before one that is missing":      {[]change{makes("a", "a")}, map[string]string{"userdata_parts": "a,b"}, "no such template", makes("a", "{{1 / 0}}"), "ZeroDivisionError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time is waiting
			s := newSite(t, "")
			s.conf = strings.ReplaceAll(conf, "DIR", s.dir)
			for _, file := range append(tt.files, makes("vendor", "x")) {
				file(t, s.dir)
			}
			age(t, s.dir)
			r, now := s.renderer(), time.Now()
			r.now = func() time.Time { return now }
			web := guest("web", tt.metadata)
			get := func() string {
				got, err := r.Render(t.Context(), web)
				return string(got.Body) + text(err)
			}
			if got := get(); !strings.Contains(got, tt.old) {
				t.Fatalf("%q before the change", got)
			}
			if _, kept := r.cache.Get(document{"user-data", false, web.UUID}); !kept {
				t.Fatal("the result is not kept")
			}
			tt.change(t, s.dir)
			now = now.Add(recheck)
			if got := get(); !strings.Contains(got, tt.want) {
				t.Errorf("%q after the change, want %q", got, tt.want)
			}
		})
	}
}

// A file that changes while a template is rendered is seen by the next request, however
// long the render takes.
func TestAChangeDuringTheRender(t *testing.T) {
	inDirectory := makes("web", "% include('a/part')\n% include('last')\n")
	for name, tt := range map[string]struct {
		files  []change
		change change
	}{
		"an include changes":                {[]change{makes("part", "old")}, makes("part", "new text")},
		"an include goes":                   {[]change{makes("part", "old"), makes("part.tpl", "new text")}, removes("part")},
		"an include goes to the views":      {[]change{makes("part", "old"), makes("views/part", "new text")}, removes("part")},
		"an include and its directory go":   {[]change{inDirectory, makes("a/part", "old"), makes("views/a/part", "new text")}, removes("a")},
		"one before the include comes":      {[]change{makes("views/part", "old")}, makes("part", "new text")},
		"a directory before one comes":      {[]change{inDirectory, makes("views/a/part", "old")}, makes("a/part", "new text")},
		"the template changes":              {[]change{makes("part", "old")}, makes("web", "new text")},
		"the template goes":                 {[]change{makes("part", "old"), makes("web.yaml", "new text")}, removes("web")},
		"a link is led elsewhere":           {[]change{inDirectory, makes("one/part", "old"), makes("two/part", "new text"), links("a", "one")}, links("a", "two")},
		"a link to a file is led elsewhere": {[]change{makes("one", "old"), makes("two", "new text"), links("part", "one")}, links("part", "two")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time is waiting
			s := newSite(t, "")
			makes("web", "% include('part')\n% include('last')\n")(t, s.dir)
			makes("last", "")(t, s.dir)
			for _, file := range tt.files {
				file(t, s.dir)
			}
			age(t, s.dir)
			r, now := s.renderer(), time.Now()
			r.now = func() time.Time { return now }
			opts := TemplateOptions()
			opts.Roots = []string{s.dir, filepath.Join(s.dir, "views")}
			opts.Open = func(root, name string) (*os.File, error) {
				if name == "last" && root == s.dir {
					tt.change(t, s.dir)
					now = time.Now().Add(time.Minute) // that much later the render ends
				}
				return tree.Open(root, name)
			}
			r.engine = stpl.New(opts)
			web := guest("web", nil)
			if got := s.render(r, web); !strings.HasPrefix(got, "old") {
				t.Fatalf("%q while it changes", got)
			}
			opts.Open = tree.Open
			r.engine = stpl.New(opts)
			now = now.Add(recheck)
			if got := s.render(r, web); !strings.HasPrefix(got, "new text") {
				t.Errorf("%q after the change", got)
			}
		})
	}
}
