package ini

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPositions(t *testing.T) {
	text := strings.Join([]string{
		"# a comment",        // 1
		"[DEFAULT]",          // 2
		"base = /srv",        // 3
		"",                   // 4
		"[mdserver]",         // 5
		"Port = 80",          // 6
		"note: first",        // 7
		"  # not part of it", // 8
		"  second",           // 9
		"dir = %(base)s/x",   // 10
		"[other]",            // 11
		"base = /opt",        // 12
	}, "\n")
	file, errs := Parse(text)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := &File{
		Defaults: []Entry{{Key: "base", Value: "/srv", Line: 3}},
		Sections: []*Section{
			{Name: "mdserver", Line: 5, Entries: []Entry{
				{Key: "base", Value: "/srv", Line: 3, Inherited: true},
				{Key: "port", Value: "80", Line: 6},
				{Key: "note", Value: "first\nsecond", Line: 7},
				{Key: "dir", Value: "/srv/x", Line: 10},
			}},
			{Name: "other", Line: 11, Entries: []Entry{{Key: "base", Value: "/opt", Line: 12}}},
		},
	}
	if diff := cmp.Diff(want, file); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // beginnings
	}{
		{"key twice", "[a]\nx = 1\ny = 2\nX = 3",
			[]string{"line 4: [a] x: set twice in this file, first on line 2"}},
		{"section twice", "[a]\nx = 1\n[b]\n[a]\nx = 2",
			[]string{"line 4: [a] a second section of this name, the first is on line 1", "line 5: [a] x: set twice"}},
		{"before the first section", "x = 1\n", []string{"line 1: text before the first section"}},
		{"no delimiter", "[a]\nsecret words\n", []string{"line 2: [a] neither a section, a key nor a comment"}},
		{"no key", "[a]\n: 1\n", []string{"line 2: [a] a value without a key"}},
		{"circle", "[a]\nx = %(y)s\ny = %(x)s\n",
			[]string{"line 2: [a] x: references nest too deeply", "line 3: [a] y: references nest too deeply"}},
		{"reference to nothing", "[a]\nx = %(y)s\n", []string{"line 2: [a] x: refers to a key that is not set"}},
		{"not UTF-8", "[a]\nx = \xff\n", []string{"line 2: [a] the line is not UTF-8"}},
		{"several at once", "[a]\nx\n= 1\nz = 1\nz = 1\n", []string{"line 2: ", "line 3: ", "line 5: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, errs := Parse(tt.text)
			if len(errs) != len(tt.want) {
				t.Fatalf("got %d errors %v, want %d", len(errs), errs, len(tt.want))
			}
			for i, err := range errs {
				if !strings.HasPrefix(err.Error(), tt.want[i]) {
					t.Errorf("error %d is %q, want it to begin with %q", i, err, tt.want[i])
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("error %d repeats the line: %q", i, err)
				}
			}
		})
	}
}

// A value must not grow without end through references.
func TestReferencesAreBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString("[a]\nk9 = " + strings.Repeat("x", 1000) + "\n")
	for _, k := range []string{"87", "76", "65", "54", "43", "32", "21", "10"} {
		text.WriteString("k" + k[1:] + " = " + strings.Repeat("%(k"+k[:1]+")s", 50) + "\n")
	}
	text.WriteString("k8 = " + strings.Repeat("%(k9)s", 50) + "\n")
	_, errs := Parse(text.String())
	if len(errs) == 0 || !strings.Contains(errs[0].Reason, "1 MiB") {
		t.Errorf("got %v, want an error about the length", errs)
	}
}

func TestByteOrderMark(t *testing.T) {
	file, errs := Parse("\ufeff[a]\nx = 1\n")
	if len(errs) > 0 || len(file.Sections) != 1 {
		t.Errorf("got %v, %v", file, errs)
	}
}

// pythonCase is one row of testdata/configparser.json.
type pythonCase struct {
	Name, Text string
	Error      string // what reading raised
	Sections   []struct {
		Name    string
		Entries []struct{ Key, Value, Error string }
	}
}

// TestAgainstPython compares with what configparser made of the same texts.
func TestAgainstPython(t *testing.T) {
	raw, err := os.ReadFile("testdata/configparser.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []pythonCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 300 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { compare(t, c) })
	}
}

func compare(t *testing.T, c pythonCase) {
	file, errs := Parse(c.Text)
	if c.Error != "" {
		if len(errs) == 0 {
			t.Errorf("%q: configparser raises %s, we accept it", c.Text, c.Error)
		}
		return
	}
	wrong := map[string]bool{}
	for _, e := range errs {
		wrong[e.Section+"."+e.Key] = true
	}
	if len(file.Sections) != len(c.Sections) {
		t.Fatalf("%q: %d sections, want %d", c.Text, len(file.Sections), len(c.Sections))
	}
	for i, want := range c.Sections {
		got := file.Sections[i]
		if got.Name != want.Name || len(got.Entries) != len(want.Entries) {
			t.Fatalf("%q: section %+v, want %+v", c.Text, got, want)
		}
		for j, w := range want.Entries {
			g := got.Entries[j]
			refused := wrong[got.Name+"."+g.Key]
			switch {
			case g.Key != w.Key:
				t.Errorf("%q: key %q, want %q", c.Text, g.Key, w.Key)
			case w.Error == "InterpolationSyntaxError":
				// A lone percent sign: ours is literal.
				if refused {
					t.Errorf("%q: %s.%s is refused", c.Text, got.Name, g.Key)
				}
			case refused != (w.Error != ""):
				t.Errorf("%q: %s.%s: refused is %v, configparser has %q", c.Text, got.Name, g.Key, refused, w.Error)
			case !refused && g.Value != w.Value:
				t.Errorf("%q: %s.%s is %q, want %q", c.Text, got.Name, g.Key, g.Value, w.Value)
			}
		}
	}
}

func TestLonePercentIsLiteral(t *testing.T) {
	for _, value := range []string{"100%", "%d", "a % b", "%(y", "%(y)d", "%()s", "%"} {
		file, errs := Parse("[a]\nx = " + value + "\n")
		if len(errs) > 0 || file.Sections[0].Entries[0].Value != value {
			t.Errorf("%q gives %v, %v", value, file.Sections[0].Entries, errs)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"[a]\nx = 1\n  2\n\n[DEFAULT]\ny: %(x)s %%\n[b]\nx = %(y)s\n",
		"[a]\r\nx = $6$rounds=4096$s$h\r\n", "x\n[", "[a]\n=\n:\n#\n;\n", "\ufeff[]\n\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, errs := Parse(text)
		lines := len(splitLines(strings.TrimPrefix(text, "\ufeff")))
		for _, e := range errs {
			if e.Line < 1 || e.Line > lines {
				t.Errorf("error outside the file: %v", e)
			}
		}
		for _, s := range file.Sections {
			seen := map[string]bool{}
			for _, e := range s.Entries {
				if e.Line < 1 || e.Line > lines || e.Key == "" || seen[e.Key] {
					t.Errorf("[%s] has %+v", s.Name, e)
				}
				seen[e.Key] = true
			}
		}
	})
}
