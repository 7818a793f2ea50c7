package template

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/config"
	"mdserver/internal/visible"
)

// files writes files, with the folders around them, into a directory.
func files(t *testing.T, dir string, texts map[string]string) {
	t.Helper()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// checked returns the problems of a path, one a line, with DIR for the directory.
func checked(t *testing.T, dir, name string, cfg *config.Config) string {
	t.Helper()
	problems, err := Check(filepath.Join(dir, name), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&list, "%s|%s\n", p.String(), p.Source)
	}
	return strings.ReplaceAll(list.String(), dir, "DIR")
}

// bad is a template with a wrong line, and invalid what is said of it.
const (
	bad     = "fine\n  % x = 1 +\n"
	invalid = "SyntaxError: invalid syntax: % x = 1 +; a line that begins with % is code: write %%, or begin the file with ## mdserver: raw"
)

// TestCheck checks which files are looked at, in which order they are reported, and that a problem
// has the text of its line.
func TestCheck(t *testing.T) {
	const syntax = ": " + invalid + "|% x = 1 +\n"
	for _, tt := range []struct {
		name, path string
		files      map[string]string
		want       string
	}{
		{"a file", "a.yaml", map[string]string{"a.yaml": bad, "b.yaml": bad}, "DIR/a.yaml:2" + syntax},
		{"nothing is wrong", "", map[string]string{"a.yaml": "fine\n", "empty": ""}, ""},
		{"a directory", "", map[string]string{"b": bad, "a": bad, "sub/deep/c": bad}, "DIR/a:2" + syntax + "DIR/b:2" + syntax + "DIR/sub/deep/c:2" + syntax},
		{"lines in order", "a", map[string]string{"a": "% x = 1 +\n" + strings.Repeat("\n", 10) + "% x = 1 +\n"}, "DIR/a:1" + syntax + "DIR/a:12" + syntax},
		{"what editors and packages leave", "", map[string]string{".hidden": bad, ".git/a": bad, "a~": bad, "#a#": bad, "a.bak": bad, "a.orig": bad, "a.rej": bad, "a.swp": bad, "a.swo": bad,
			"a.tmp": bad, "a.old": bad, "a.rpmsave": bad, "a.rpmnew": bad, "a.rpmorig": bad, "a.dpkg-old": bad, "a.ucf-dist": bad}, ""},
		{"what only looks so", "", map[string]string{"#a": bad, "a.old.yaml": bad, "bak": bad}, "DIR/#a:2" + syntax + "DIR/a.old.yaml:2" + syntax + "DIR/bak:2" + syntax},
		{"a raw file", "a", map[string]string{"a": "## mdserver: raw\n" + bad}, ""},
		{"an unknown header", "a", map[string]string{"a": "## mdserver: foo\n" + bad}, "DIR/a:1: SyntaxError: unknown header \"foo\", accepted: raw|## mdserver: foo\n"},
		{"an include of the same directory", "", map[string]string{"a": "% include('b')\n", "b": "fine\n"}, ""},
		{"an include of its views", "", map[string]string{"a": "% include('c')\n", "views/c": "fine\n"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			files(t, dir, tt.files)
			if diff := cmp.Diff(tt.want, checked(t, dir, tt.path, nil)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestCheckWithConfiguration checks that a configuration tells which variables and which included
// files there are.
func TestCheckWithConfiguration(t *testing.T) {
	dir := t.TempDir()
	files(t, dir, map[string]string{
		"userdata/base": "fine\n", "userdata/views/view": "fine\n", "path/further": "fine\n",
		"a": "{{hostname}} {{nonsense}}\n", "b": "% include('base')\n% include('view')\n% include('further')\n% include('none')\n",
		"c/one": "% rebase('two', title='x')\n", "c/two": "{{title}} {{!base}}\n",
	})
	cfg := config.Default()
	cfg.Server.UserdataDir, cfg.Server.TemplatePath = filepath.Join(dir, "userdata"), []string{filepath.Join(dir, "path")}
	if got := checked(t, dir, "a", nil); got != "" {
		t.Errorf("without a configuration: %s", got)
	}
	if got := checked(t, dir, "a", cfg); !strings.Contains(got, "nonsense") || strings.Contains(got, "'hostname'") || strings.Count(got, "\n") != 1 {
		t.Errorf("variables: %s", got)
	}
	if got := checked(t, dir, "b", cfg); !strings.HasPrefix(got, "DIR/b:4: ") || strings.Count(got, "\n") != 1 {
		t.Errorf("included files: %s", got)
	}
	if got := checked(t, dir, "c", cfg); got != "" {
		t.Errorf("variables that one template gives another: %s", got)
	}
}

// TestCheckUnreadable checks that what is named and cannot be read ends the check, and what is found
// in a directory is a problem.
func TestCheckUnreadable(t *testing.T) {
	dir := t.TempDir()
	if _, err := Check(filepath.Join(dir, "none"), nil); exit.Code(err) != exit.Unreadable || !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	files(t, dir, map[string]string{"sub/a": bad})
	for name, to := range map[string]string{"away": "nowhere", "sub/around": "..", "sub/here": ".", "sub/file": "a"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// A directory is not entered again by a link within itself.
	got := checked(t, dir, "", nil)
	if lines := strings.Count(got, "\n"); !strings.HasPrefix(got, "DIR/away: OSError: ") || !strings.Contains(got, "DIR/sub/a:2: ") || !strings.Contains(got, "DIR/sub/file:2: ") || lines > 4 {
		t.Errorf("%d problems:\n%s", lines, got)
	}
}

// TestMark checks that a byte order mark is a warning alone.
func TestMark(t *testing.T) {
	dir := t.TempDir()
	files(t, dir, map[string]string{"a": "\ufefffine\n"})
	problems, err := Check(filepath.Join(dir, "a"), nil)
	if err != nil || len(problems) != 1 || problems[0].Kind != "Warning" || problems[0].Line != 1 || problemsView.Wrong(problems) {
		t.Errorf("%+v, %v", problems, err)
	}
}

// TestShowProblems checks what a person and a program are shown of problems, and whether the command
// fails.
func TestShowProblems(t *testing.T) {
	warning, wrong := Problem{"a", 1, warningKind, "careful", ""}, Problem{"b", 0, "OSError", "no such file", ""}
	line := Problem{"c", 3, "SyntaxError", "wrong", "% x"}
	var out bytes.Buffer
	s := &output.Screen{Writer: visible.Writer{W: &out}, Colored: true}
	if err := problemsView.Text(s, []Problem{warning, wrong, line}); err != nil {
		t.Fatal(err)
	}
	want := outputtest.Yellow + "a:1: Warning: careful" + outputtest.Reset + "\n" + outputtest.Red + "b: OSError: no such file" + outputtest.Reset + "\n" +
		outputtest.Red + "c:3: SyntaxError: wrong" + outputtest.Reset + "\n    % x\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	rows := [][]string{{"a", "1", "Warning", "careful", ""}, {"b", "0", "OSError", "no such file", ""}, {"c", "3", "SyntaxError", "wrong", "% x"}}
	if diff := cmp.Diff(rows, problemsView.Sheet([]Problem{warning, wrong, line}).Rows); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		problems []Problem
		fails    bool
	}{{nil, false}, {[]Problem{warning}, false}, {[]Problem{warning, wrong}, true}, {[]Problem{line}, true}} {
		if problemsView.Wrong(tt.problems) != tt.fails {
			t.Errorf("%v: fails is %v", tt.problems, !tt.fails)
		}
	}
}

// run runs a command below template, in a directory with files, and returns what it prints.
func run(t *testing.T, texts map[string]string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv(command.EnvConfig, "")
	files(t, ".", texts)
	cmd := Command()
	cmd.PersistentFlags().String("config", "usual.conf", "")
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out, messages bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&messages)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), messages.String(), err
}

func TestRender(t *testing.T) {
	texts := map[string]string{
		"a": "{{name}}\n", "none": "{{None}}|\n", "raw": "## mdserver: raw\n{{name}}\n", "sub/a": "% include('b')\n", "sub/b": "beside\n", "views/b": "view\n",
		"vars": `{"name": "a & b"}`, "list": `[]`, "bad": bad, "fails": "fine\n{{name}}\n", "header": "## mdserver: foo\n", "outer": "% include('bad')\n",
	}
	for _, tt := range []struct {
		name, args     string
		stdout, stderr string
		code           int
	}{
		{"with variables", "a --vars vars", "a &amp; b\n", "", 0},
		{"escaped as HTML", "a --vars vars --escape html", "a &amp; b\n", "", 0},
		{"not escaped", "a --vars vars --escape none", "a & b\n", "", 0},
		{"None", "none", "None|\n", "", 0},
		{"None as nothing", "none --none empty", "|\n", "", 0},
		{"raw", "raw", "{{name}}\n", "", 0},
		{"an include beside it", "sub/a", "beside\n", "", 0},
		{"an include of another directory", "sub/a --views views", "view\n", "", 0},
		{"a missing variable", "fails", "", "fails:2: NameError: name 'name' is not defined\n    {{name}}\n", exit.Failure},
		{"a wrong line", "bad", "", "bad:2: " + invalid + "\n    % x = 1 +\n", exit.Failure},
		{"a wrong line of another file", "outer", "", "bad:2: " + invalid + "\n", exit.Failure},
		{"an unknown header", "header", "", "header:1: SyntaxError: unknown header \"foo\", accepted: raw\n    ## mdserver: foo\n", exit.Failure},
		{"a missing file", "nothing", "", "", exit.Unreadable},
		{"a directory", "sub", "", "", exit.Unreadable},
		{"missing variables", "a --vars nothing", "", "", exit.Unreadable},
		{"wrong variables", "a --vars list", "", "", exit.Failure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr, err := run(t, texts, append([]string{"render"}, strings.Fields(tt.args)...)...)
			if stdout != tt.stdout || stderr != tt.stderr || exit.Code(err) != tt.code {
				t.Errorf("printed %q and %q, %v", stdout, stderr, err)
			}
		})
	}
	if _, _, err := run(t, texts, "render", "a", "--vars", "list"); err == nil || !strings.HasPrefix(err.Error(), "list: ") {
		t.Errorf("the file with the variables is not named: %v", err)
	}
}

// TestCheckCommand checks all paths that are named, and which configuration counts.
func TestCheckCommand(t *testing.T) {
	texts := map[string]string{"a": bad, "b": bad, "c": "{{nonsense}}\n", "other.conf": "[mdserver]\n", "wrong.conf": "[mdserver]\nport = many\n"}
	both := map[string]string{"usual.conf": "[mdserver]\n"}
	for name, text := range texts {
		both[name] = text
	}
	for _, tt := range []struct {
		name, args string
		texts      map[string]string
		lines      []string // how the output begins, of problems alone
		code       int
	}{
		{"two files", "a b", texts, []string{"a:2: ", "b:2: "}, exit.Failure},
		{"in the order of the arguments", "b a", texts, []string{"b:2: ", "a:2: "}, exit.Failure},
		{"no configuration", "c", texts, nil, 0},
		{"the usual configuration", "c", both, []string{"c:1: "}, exit.Failure},
		{"one that is named", "c --config other.conf", texts, []string{"c:1: "}, exit.Failure},
		{"one that is named and missing", "c --config none.conf", both, nil, exit.Unreadable},
		{"one that is wrong", "c --config wrong.conf", both, nil, exit.Unreadable},
		{"a missing file", "a none", texts, nil, exit.Unreadable},
		{"no file", "", texts, nil, exit.Usage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stdout, _, err := run(t, tt.texts, append([]string{"check"}, strings.Fields(tt.args)...)...)
			lines := slices.DeleteFunc(strings.Split(stdout, "\n"), func(line string) bool { return line == "" || strings.HasPrefix(line, " ") })
			begins := func(line, want string) bool { return strings.HasPrefix(line, want) }
			if !slices.EqualFunc(lines, tt.lines, begins) || exit.Code(err) != tt.code {
				t.Errorf("%v, printed\n%s", err, stdout)
			}
		})
	}
	if stdout, _, err := run(t, texts, "check", "--json", "other.conf"); err != nil || stdout != "[]\n" {
		t.Errorf("nothing is wrong, for a program: %q, %v", stdout, err)
	}
}
