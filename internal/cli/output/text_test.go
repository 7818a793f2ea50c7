package output

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"mdserver/internal/visible"
)

// TestPrintable checks that a text is quoted if a reader could not see where it begins and ends.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"web1": "web1", "web 1": "web 1", "büro": "büro", "a'b": "a'b", "": `""`, " web1": `" web1"`, "web1 ": `"web1 "`, "a\nb": `"a\nb"`, `a"b`: `"a\"b"`, `a\b`: `"a\\b"`,
		"a\x1b": `"a\x1b"`, "a\u202eb": `"a\u202eb"`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q is printed as %s, want %s", in, got, want)
		}
		if in == "" {
			want = ""
		}
		if got := Name(in); got != want {
			t.Errorf("the name %q is printed as %s, want %s", in, got, want)
		}
	}
	if got := Printable(strings.Repeat("n", 2*MaxValue)); len(got) > MaxValue {
		t.Errorf("%d bytes are printed, want %d at most", len(got), MaxValue)
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "a\nb\nc": "a; b; c", "\n a\nb \n": "a; b"} {
		if got := OneLine(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"": "-", "a": "a"} {
		if got := Dash(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestError(t *testing.T) {
	var out strings.Builder
	Error(&out, errors.New("first\nsecond\nthird"))
	if want := "mdserver: first\n  second\n  third\n"; out.String() != want {
		t.Errorf("%q, want %q", &out, want)
	}
}

func TestTable(t *testing.T) {
	rows := [][]string{{"a", "bcd", "e"}, {"f\ng", "h", ""}}
	for name, tt := range map[string]struct {
		heading []string
		want    string
	}{
		"with a heading":    {[]string{"LONG", "B", "C"}, "LONG  B    C\na     bcd  e\nf\\ng  h    \n"},
		"without a heading": {nil, "a     bcd  e\nf\\ng  h    \n"},
	} {
		var out strings.Builder
		if err := Table(&out, tt.heading, rows); err != nil || out.String() != tt.want {
			t.Errorf("%s: %v\n%q, want\n%q", name, err, &out, tt.want)
		}
	}
	var out strings.Builder
	if err := Table(&out, nil, [][]string{{strings.Repeat("n", 10*MaxValue)}}); err != nil || out.Len() > MaxValue+1 {
		t.Errorf("%v, %d bytes", err, out.Len())
	}
}

// TestFields checks that empty fields are left out, and that only a colored screen gets colors.
func TestFields(t *testing.T) {
	var out strings.Builder
	if err := Fields(&out, [][2]string{{"name", "web1"}, {"long name", ""}, {"host", "a\nb"}}); err != nil || out.String() != "name:  web1\nhost:  a\\nb\n" {
		t.Errorf("%v, %q", err, &out)
	}
	for colored, want := range map[bool]string{false: "a:  fine\nb:  wrong     |\n", true: "a:  " + sgrGreen + "fine" + sgrReset + "\nb:  " + sgrRed + "wrong     " + sgrReset + "|\n"} {
		var out bytes.Buffer
		s := &Screen{Writer: visible.Writer{W: &out}, Colored: colored}
		if err := ColoredFields(s, []Field{{"a", Paint("fine", "ok")}, {"none", Paint("", "ok")}}); err != nil {
			t.Fatal(err)
		}
		Printf(s, "b:  %-10s|\n", State("wrong"))
		if out.String() != want {
			t.Errorf("colored %v: %q, want %q", colored, &out, want)
		}
	}
	for state, want := range map[string]string{"ok": sgrGreen, "warning": sgrYellow, "wrong": sgrRed, "error": sgrRed, "unknown": "", "": ""} {
		if got := colorOf(state); got != want {
			t.Errorf("%s is %q, want %q", state, got, want)
		}
	}
}

// TestJSON checks that a document is printed whole or not at all, and ends with a newline.
func TestJSON(t *testing.T) {
	value := map[string]string{"a": "<b>", "c": "\u202e"}
	for name, tt := range map[string]struct {
		print func(*bytes.Buffer, any) error
		want  string
	}{
		"in lines":    {func(b *bytes.Buffer, v any) error { return JSON(b, v) }, "{\n  \"a\": \"<b>\",\n  \"c\": \"\\u202e\"\n}\n"},
		"in one line": {func(b *bytes.Buffer, v any) error { return JSONLine(b, v) }, "{\"a\":\"<b>\",\"c\":\"\\u202e\"}\n"},
		"as YAML":     {func(b *bytes.Buffer, v any) error { return YAML(b, v) }, "a: <b>\nc: \"\u202e\"\n"},
	} {
		var out bytes.Buffer
		if err := tt.print(&out, value); err != nil || tt.want != "" && out.String() != tt.want {
			t.Errorf("%s: %v\n%s", name, err, &out)
		}
		out.Reset()
		if err := tt.print(&out, []any{"a", func() {}}); err == nil || out.Len() > 0 {
			t.Errorf("%s: a value that cannot be encoded: %v, printed %q", name, err, &out)
		}
	}
	broken := brokenPipe{}
	for name, err := range map[string]error{"JSON": JSON(broken, 1), "a line": JSONLine(broken, 1), "YAML": YAML(broken, 1), "a text": Printf(broken, "a"), "a table": Table(broken, nil, [][]string{{"a"}}),
		"fields": Fields(broken, [][2]string{{"a", "b"}})} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }
