package stpl

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func renderText(t testing.TB, opts Options, source string, vars map[string]any) (string, error) {
	t.Helper()
	tpl, err := New(opts).Compile("t.tpl", source)
	if err != nil {
		return "", err
	}
	out, err := tpl.Render(t.Context(), vars)
	return string(out.Text), err
}

func TestRender(t *testing.T) {
	vars := map[string]any{
		"name": "a&b", "none": nil, "n": 3, "list": []any{"x", "it's", 1, nil, true},
		"keys": map[string]any{"ops": "K1", "default": "K2"},
	}
	tests := []struct{ name, source, want string }{
		{"text", "plain\ntext", "plain\ntext"},
		{"nothing", "", ""},
		{"escaped", "{{name}}", "a&amp;b"},
		{"not escaped", "{{!name}}", "a&b"},
		{"several in a line", "{{n}}-{{!n}}-{{n + 1}}", "3-3-4"},
		{"Python's text of values", "{{!list}} {{none}}", `['x', "it's", 1, None, True] None`},
		{"for", "% for k in sorted(keys):\n- {{k}}={{keys[k]}}\n% end\n", "- default=K2\n- ops=K1\n"},
		{"if, elif, else", "% if n == 1:\none\n% elif n == 3:\nthree\n% else:\nother\n% end\n", "three\n"},
		{"a missing last end", "% if n:\nyes\n", "yes\n"},
		{"while and assignment", "% i = 0\n% while i < 3:\n{{i}}\n% i += 1\n% end\n", "0\n1\n2\n"},
		{"def that prints", "% def item(x):\n- {{x}}\n% end\n% item('a')\n% item('b')\n", "- a\n- b\n"},
		{"a block", "<% a = 1\nb = 2 %>\n{{a + b}}", "3"},
		{"a comment", "% # nothing\n% x = 1 # one\n{{x}}", "1"},
		{"code over several lines", "% l = [1,\n%   2]\n{{len(l)}}", "2"},
		{"lines joined before code", "a\\\\\n% x = 1\nb", "ab"},
		{"no join within text", "a\\\\\nb", "a\\\\\nb"},
		{"escaped percent signs", "%% a\n\\% b\n", "% a\n% b\n"},
		{"Windows line ends", "% if n:\r\nyes\r\n% end\r\n", "yes\r\n"},
		{"defined and get", "{{defined('n')}} {{defined('m')}} {{get('m', 'd')}}", "True False d"},
		{"setdefault", "% setdefault('m', 5)\n{{m}}", "5"},
		{"braces that are none", "${x} {y} {{", "${x} {y} {{"},
		{"a conditional expression", "{{'yes' if n > 2 else 'no'}}", "yes"},
		{"formatting", "{{'%s-%d' % ('a', 7)}}", "a-7"},
		{"a module declared global", "% def f():\n%   import re\n%   global re\n% end\n% f()\n{{re.escape('.')}}", "\\."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := renderText(t, Options{}, tt.source, vars)
			if err != nil || got != tt.want {
				t.Errorf("%q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

// A name is the template's own, or given to the render, or Python's, in this
// order; defined and get know nothing of Python's. The answers are bottle's.
func TestNames(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"Python's", "{{max(1, 2)}} {{defined('max')}} {{get('max')}}", "2 False None"},
		{"Python's, once set", "% max = max\n{{defined('max')}} {{max(1, 2)}}\n% del max\n{{defined('max')}} {{max(3, 4)}}", "True 2\nFalse 4"},
		{"Python's, by default", "{{max}}\n% setdefault('max', 'm')\n{{max}} {{setdefault('max', 'n')}}", "<built-in function max>\nm m"},
		{"given and deleted", "% del site\n{{defined('site')}} {{get('site', 'gone')}}", "False gone"},
		{"given, set and deleted", "% site = 'new'\n% del site\n{{get('site', 'gone')}}", "gone"},
		{"given and set within a function", "% def f():\n%   global site\n%   site = 'f'\n% end\n% f()\n{{site}} {{get('site')}}", "f f"},
		{"nowhere else in the text", "% setdefault('a' + 'b', 1)\n{{get('a' + 'b')}} {{defined('ab')}} {{defined('a')}}", "1 True False"},
		{"a function of the environment", "{{defined('include')}} {{get('get')('site')}}", "True given"},
		{"a function of the environment, set", "% get = lambda *a: 'mine'\n{{get('site')}} {{defined('get')}}", "mine True"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := renderText(t, Options{Escape: EscapeNone}, tt.source, map[string]any{"site": "given"})
			if err != nil || got != tt.want {
				t.Errorf("%q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

// Renders use the memory of earlier ones, also of those that failed. Nothing of
// one guest may be seen by another.
func TestRendersAtOnceKeepApart(t *testing.T) {
	tpl, err := New(Options{}).Compile("t.tpl", "{{get('left', 'no')}}\n% left = name\n"+
		"{{', '.join([name, *(str(i) for i in range(n))])}}\n% for i, c in enumerate(name):\n{{i}}{{c}}\n% end\n{{1 // (n % 3)}}\n")
	if err != nil {
		t.Fatal(err)
	}
	var guests sync.WaitGroup
	for g := range 8 {
		guests.Go(func() {
			name := strings.Repeat(string(rune('a'+g)), 3)
			for n := range 90 {
				out, err := tpl.Render(t.Context(), map[string]any{"name": name, "n": n})
				if n%3 == 0 {
					if err == nil || !strings.Contains(err.Error(), "ZeroDivisionError") {
						t.Errorf("%d: error %v", n, err)
					}
					continue
				}
				lines := strings.Split(string(out.Text), "\n")
				if err != nil || lines[0] != "no" || !strings.HasPrefix(lines[1], name+", 0") || strings.Count(lines[1], ", ") != n || lines[4] != "2"+name[:1] {
					t.Errorf("%d: %q (%v)", n, out.Text, err)
				}
			}
		})
	}
	guests.Wait()
}

func TestOptions(t *testing.T) {
	got, err := renderText(t, Options{Escape: EscapeNone, None: NoneEmpty}, "{{a}}[{{b}}]", map[string]any{"a": "<&>", "b": nil})
	if err != nil || got != "<&>[]" {
		t.Errorf("%q (%v)", got, err)
	}
}

func TestErrorsHaveFileLineAndKind(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"an unknown name", "a\n{{nope}}", "t.tpl:2: NameError: name 'nope' is not defined"},
		{"a missing key", "\n\n{{d['x']}}", "t.tpl:3: KeyError: 'x'"},
		{"an empty block", "% if d:\n% end\nx", "t.tpl:3: IndentationError: expected an indented block after 'if' statement on line 1"},
		{"a bad expression", "a\n{{1 +}}", "t.tpl:2: SyntaxError:"},
		{"an empty expression", "{{ }}", "t.tpl:1: SyntaxError: empty expression"},
		{"an unknown module", "% import subprocess\n", "t.tpl:1: ModuleNotFoundError: module 'subprocess' is not available in templates"},
		{"an open bracket", "% x = [1,\n", "t.tpl:1: SyntaxError: '[' was never closed"},
		{"a missing colon", "\n% if 1\nx\n% end\n", "SyntaxError"},
		{"a bad number", "{{int('x')}}", "t.tpl:1: ValueError"},
		{"a division by zero", "{{1 // 0}}", "t.tpl:1: ZeroDivisionError"},
		{"an endless loop", "% while True:\n% x = 1\n% end\n", "TimeoutError"},
		{"an endless output", "% while True:\nxxxxxxxxxxxxxxxxxxxx\n% end\n", "Error"},
		{"an absent include", "\n% include('none')\n", "t.tpl:2: TemplateError: Template 'none' not found."},
		{"an include of nothing", "\n% include()\n", "t.tpl:2: TemplateError: No template specified."},
		{"an include of None", "% include(None)\n", "t.tpl:1: TemplateError: No template specified."},
		{"an include of no name", "% include('')\n", "t.tpl:1: TemplateError: No template specified."},
		{"an include of a number", "% include(5)\n", "t.tpl:1: TypeError: expected str, bytes or os.PathLike object, not int"},
		{"an include of a list", "% include([])\n", "t.tpl:1: TypeError: unhashable type: 'list'"},
		{"a rebase to an absent template", "a\n% rebase('none')\nb\n", "t.tpl:2: TemplateError: Template 'none' not found."},
		{"a rebase to nothing", "a\n% rebase()\nb\n", "t.tpl:2: TemplateError: No template specified."},
		{"a rebase to a variable", "% to = 'none'\n% rebase(to)\n% str(to)\n", "t.tpl:2: TemplateError: Template 'none' not found."},
		{"a rebase beside another", "% rebase('none')\n% if not d:\n% d\n% else:\n% rebase('other')\n% end\n", "t.tpl:1: TemplateError: Template 'none' not found."},
		{"a rebase after another", "% rebase('other')\n% rebase('none')\n", "t.tpl:2: TemplateError: Template 'none' not found."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := renderText(t, Options{}, tt.source, map[string]any{"d": map[string]any{}})
			var bad *Error
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// Code of several lines fails at the line that Python names.
func TestErrorsHaveTheLineOfPython(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"a sum over lines", "% x = ('a' +\n%   'b' +\n%   3)\n", ":1: TypeError"},
		{"a sum that begins with a bracket", "a\n% x = (\n%  'a'\n% ) + 5\n", ":2: TypeError"},
		{"a sum after a joined literal", "% x = 'a\\\n% b' + 5\n", ":1: TypeError"},
		{"a comparison over lines", "% x = (\n%   'a'\n% ) < (\n%   5)\n", ":1: TypeError"},
		{"an index after a call over lines", "% x = 'a'.split(\n%   '.')[\n%   9]\n", ":1: IndexError"},
		{"a method on a line of its own", "% x = ('a'\n%   .split('')\n% )\n", ":2: ValueError"},
		{"a decorator", "% @int\n% def f():\n%   pass\n% end\n", ":1: TypeError"},
		{"a name in an f-string over lines", "% s = f'''\n%   {1}\n%   {nope}\n% '''\n", ":3: NameError"},
		{"a name in the width of a field", "% s = f'''\n%   {1:>{nope}}\n% '''\n", ":2: NameError"},
		{"a format in an f-string over lines", "% s = f'''\n%   {'x':d}\n% '''\n", ":1: ValueError"},
		{"a wrong expression in an f-string", "% s = f'''\n%   {1 +}\n% '''\n", ":2: SyntaxError"},
		{"an open field of an f-string", "% s = f'''\n%   {1\n% '''\n", ":3: SyntaxError"},
		{"an empty block before the end", "% if 1:\n% end", ":2: IndentationError"},
		{"an empty block before a comment", "x\n% if 1:\n% # nothing\n% end\n", ":4: IndentationError"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := renderText(t, Options{}, tt.source, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q, error %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestIncludeStaysBelowItsRoots(t *testing.T) {
	root, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	for path, text := range map[string]string{
		filepath.Join(root, "part.tpl"): "part for {{who}}{{n}}\n", filepath.Join(root, "self"): "% include('self')\n", outside: "secret",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"link": outside, "dangling": "nothere", "dangling.tpl": "part.tpl"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := Options{Roots: []string{root}}
	tpl, err := New(opts).Compile("t.tpl", "% include('part', n=1)\n% include part.tpl n=2\n")
	if err != nil {
		t.Fatal(err)
	}
	out, err := tpl.Render(t.Context(), map[string]any{"who": "web"})
	if err != nil || string(out.Text) != "part for web1\npart for web2\n" || len(out.Files) != 1 {
		t.Errorf("%q, files %q (%v)", out.Text, out.Files, err)
	}
	for _, name := range []string{"link", "dangling", "fifo", "../secret", outside, "/etc/passwd", ".", "self"} {
		if got, err := renderText(t, opts, "% include('"+name+"')\n", nil); err == nil {
			t.Errorf("include of %s gave %q", name, got)
		}
	}
}

// What decides which files are included is reported before it is used: each directory
// that is searched, and each file, link and directory with a name that is tried.
func TestLookedPaths(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	for _, name := range []string{"first/both.tpl", "second/both", "second/a/deep", "first/folder/x", "second/folder"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("text\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nothere", filepath.Join(first, "broken")); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string][]string{
		"text\n":              nil,
		"{{1}}\n":             nil,
		"% include('both')\n": {first, first + "/both.tpl"},
		"% include('both')\n% include('both.tpl')\n":            {first, first + "/both.tpl"},
		"% include('a/deep')\n":                                 {first + "/a", second + "/a", second + "/a/deep"},
		"% include('a/../both')\n":                              {first, first + "/both.tpl"},
		"% include('folder')\n":                                 {first, first + "/folder", second, second + "/folder"},
		"% include('broken')\n":                                 {first, first + "/broken"},
		"% include('nothere')\n":                                {first, second},
		"% include('../both')\n":                                nil,
		"% include('" + strings.Repeat("x", maxName+1) + "')\n": nil,
	} {
		engine := New(Options{Roots: []string{first, second}})
		tpl, err := engine.Compile("t.tpl", source)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		budget := engine.NewBudget()
		_, _ = tpl.RenderWithin(t.Context(), &budget, nil, func(path string) { got = append(got, path) })
		if !slices.Equal(got, want) {
			t.Errorf("%.60s: looked at %q, want %q", source, got, want)
		}
	}
}

func TestARunawayTemplateIsStopped(t *testing.T) {
	opts := Options{Limits: Limits{Steps: 1 << 40, Time: 50 * time.Millisecond}}
	if _, err := renderText(t, opts, "% while True:\n% x = 1\n% end\n", nil); err == nil {
		t.Error("it ended by itself")
	}
}

// FuzzTemplate looks for templates that make the engine panic or that run away:
// its limits are so small that each render ends within milliseconds.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"{{x}}", "% for i in range(3):\n{{i}}\n% end\n", "<% a = 1 %>", "%%", "{{!", "% if x:\n% else:\n",
		"{{'x' * 10 ** 9}}", "{{2 ** 10 ** 9}}", "% def f(n):\n%   return f(n) + 1\n% end\n{{f(1)}}", "{{dict(**{str(i): i for i in range(9 ** 9)})}}",
		"% import re\n{{re.sub('(x+)+y', x, x * 10 ** 6)}}", "{{'{:>{}}'.format(x, 10 ** 9)}}", "{{sorted([x] * 10 ** 6)[::-1]}}", "{{sum([[1]] * 9 ** 6, [])}}",
	} {
		f.Add(seed)
	}
	engine := New(Options{Limits: Limits{Steps: 20_000, Memory: 4 << 20, Output: 1 << 16, Recursion: 50}})
	f.Fuzz(func(t *testing.T, source string) {
		began := time.Now()
		tpl, err := engine.Compile("f.tpl", source)
		var bad *Error
		if err == nil {
			_, err = tpl.Render(t.Context(), map[string]any{"x": "y"})
		}
		if err != nil && !errors.As(err, &bad) {
			t.Errorf("%T: %v", err, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%d bytes took %v (%v)", len(source), took, err)
		}
	})
}
