package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"mdserver/internal/cli/outputtest"
	"mdserver/internal/visible"
)

const hostile = outputtest.Hostile

type stringer struct{}

func (stringer) String() string { return hostile }

// number has a text of its own, as a number of the system may have.
type number int

func (number) String() string { return hostile }

func TestPrintf(t *testing.T) {
	type named string
	var out bytes.Buffer
	for _, value := range []any{hostile, named(hostile), errors.New(hostile), stringer{}, number(3), []string{hostile}, []byte(hostile), nil} {
		Printf(&out, "%s\n", value)
		Printf(&out, "%-10v|\n", value)
	}
	Printf(&out, "%d %s %v %5.1f\n", 3, time.Second, true, 1.5)
	if !strings.HasSuffix(out.String(), "\n3 1s true   1.5\n") {
		t.Errorf("%q", out.String())
	}
	if n := strings.Count(out.String(), "\n"); n != 17 {
		t.Errorf("%d lines, want 17", n)
	}
	outputtest.MustBeHarmless(t, out.String())
}

func TestErrorsHaveNoLinesOfTheirOwn(t *testing.T) {
	var out bytes.Buffer
	Error(&out, errors.New("x: "+hostile))
	outputtest.MustBeHarmless(t, out.String())
	if !strings.HasPrefix(out.String(), "mdserver: x: web1") || strings.Count(out.String(), "\n  ") != 2 {
		t.Errorf("%q", out.String())
	}
}

func TestJSONMeansTheSame(t *testing.T) {
	in := map[string]string{hostile: hostile + "<&>é"}
	var out bytes.Buffer
	if err := JSON(&out, in); err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := strings.ToValidUTF8(hostile, "\ufffd")
	if got[want] != want+"<&>é" {
		t.Errorf("%q became %q", in, got)
	}
}

// Bytes that must stay as they are do so in a pipe. A terminal is shown them.
func TestPrintRaw(t *testing.T) {
	terminal, read := outputtest.NewTerminal(t)
	piped, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for out, want := range map[*os.File]string{pipe: "a\x1b\u202e\n", terminal: `a\x1b\u202e` + "\r\n"} {
		cmd := &cobra.Command{}
		cmd.SetOut(&visible.Writer{W: out})
		if err := Raw(cmd, []byte("a\x1b\u202e\n")); err != nil {
			t.Fatal(err)
		}
		_ = out.Close()
		from := piped
		if out == terminal {
			from = read
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
			t.Errorf("%q (%v), want %q", got, err, want)
		}
	}
}

// TestCatchAll checks that a command fails if anything of its result could not be printed, whatever
// it looked at itself, and that a message which cannot be printed is no failure.
func TestCatchAll(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	for _, tt := range []struct {
		name     string
		out, err *os.File
		fails    bool
	}{
		{"both can be written", file, file, false},
		{"the result cannot", full, file, true},
		{"the messages cannot", file, full, false},
	} {
		os.Stdout, os.Stderr = tt.out, tt.err
		cmd := &cobra.Command{}
		finish := CatchAll(cmd)
		Printf(cmd.OutOrStdout(), "result\n")
		Printf(cmd.ErrOrStderr(), "message\n")
		if failed := finish(); errors.Is(failed, unix.ENOSPC) != tt.fails || !tt.fails && failed != nil {
			t.Errorf("%s: %v", tt.name, failed)
		}
	}
	if text, err := os.ReadFile(file.Name()); err != nil || string(text) != "result\nmessage\nmessage\nresult\n" {
		t.Errorf("printed is %q, %v", text, err)
	}
}

// TestCatchAllMakesVisible checks that what cobra prints by itself passes the net, to both outputs.
func TestCatchAllMakesVisible(t *testing.T) {
	var files [2]*os.File
	for i := range files {
		file, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files[i] = file
	}
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	os.Stdout, os.Stderr = files[0], files[1]
	cmd := &cobra.Command{}
	finish := CatchAll(cmd)
	fmt.Fprint(cmd.OutOrStdout(), "a\x1b\n\u202e") // by no function of this package
	fmt.Fprint(cmd.ErrOrStderr(), "b\x1b\n\xe2")   // and the text ends in the middle of a character
	if err := finish(); err != nil {
		t.Error(err)
	}
	for i, want := range []string{"a\\x1b\n\\u202e", "b\\x1b\n\\xe2"} {
		if text, err := os.ReadFile(files[i].Name()); err != nil || string(text) != want {
			t.Errorf("printed is %q, want %q, %v", text, want, err)
		}
	}
}

// TestScreenKeepsTheFirstError checks that a later line which can be printed does not hide an earlier
// one that could not.
func TestScreenKeepsTheFirstError(t *testing.T) {
	pipe := &leaky{errs: []error{nil, os.ErrClosed, io.ErrShortWrite, nil}}
	s := &Screen{Writer: visible.Writer{W: pipe}}
	for range pipe.errs {
		Printf(s, "line\n")
	}
	if !errors.Is(s.failed, os.ErrClosed) {
		t.Error(s.failed)
	}
}

// leaky fails at some writes.
type leaky struct{ errs []error }

func (l *leaky) Write(p []byte) (int, error) {
	err := l.errs[0]
	l.errs = l.errs[1:]
	return len(p), err
}

// TestBeneath checks that what is visible by itself passes both kinds of nets, and needs none.
func TestBeneath(t *testing.T) {
	var out bytes.Buffer
	for name, w := range map[string]io.Writer{"a screen": &Screen{Writer: visible.Writer{W: &out}}, "a net": &visible.Writer{W: &out}, "no net": &out} {
		if Beneath(w) != io.Writer(&out) {
			t.Errorf("%s: %T", name, Beneath(w))
		}
	}
}

// TestRawFails checks that bytes which cannot be written are an error.
func TestRawFails(t *testing.T) {
	cmd := &cobra.Command{}
	cmd.SetOut(&visible.Writer{W: brokenPipe{}})
	if err := Raw(cmd, []byte("a")); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// TestIsTerminal checks what counts as a person at an input or output.
func TestIsTerminal(t *testing.T) {
	terminal, _ := outputtest.NewTerminal(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, tt := range map[string]struct {
		stream any
		want   bool
	}{
		"a terminal": {terminal, true}, "the null device": {null, false}, "a buffer": {&bytes.Buffer{}, false}, "a net above a terminal": {&visible.Writer{W: terminal}, false}, "nothing": {nil, false},
	} {
		if IsTerminal(tt.stream) != tt.want {
			t.Errorf("%s: %v", name, !tt.want)
		}
	}
}

// TestLongTexts checks that each value is cut, and a sentence later than a cell of a table.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat("n", 1<<20)
	near := func(got, want int) bool { return got > want-100 && got < want+100 }
	for name, tt := range map[string]struct {
		print func(*bytes.Buffer) error
		want  int
	}{
		"a text":   {func(b *bytes.Buffer) error { return Printf(b, "%s", long) }, MaxText},
		"a color":  {func(b *bytes.Buffer) error { return Printf(b, "%s", Paint(long, "ok")) }, MaxText},
		"an error": {func(b *bytes.Buffer) error { Error(b, errors.New(long)); return nil }, MaxText},
		"a cell":   {func(b *bytes.Buffer) error { return Table(b, nil, [][]string{{long}}) }, MaxValue},
		"a field":  {func(b *bytes.Buffer) error { return Fields(b, [][2]string{{"a", long}}) }, MaxText},
		"a name":   {func(b *bytes.Buffer) error { return Printf(b, "%s", Printable(long)) }, MaxValue},
	} {
		var out bytes.Buffer
		if err := tt.print(&out); err != nil || !near(out.Len(), tt.want) {
			t.Errorf("%s: %d bytes, want about %d, %v", name, out.Len(), tt.want, err)
		}
	}
	if MaxValue != 512 || MaxText != 16<<10 {
		t.Errorf("values have %d bytes at most, and sentences %d", MaxValue, MaxText)
	}
}
