package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/outputtest"
	"mdserver/internal/visible"
)

const hostile = outputtest.Hostile

type stringer struct{}

func (stringer) String() string { return hostile }

func TestPrintf(t *testing.T) {
	type named string
	var out bytes.Buffer
	for _, value := range []any{hostile, named(hostile), errors.New(hostile), stringer{}, []string{hostile}, []byte(hostile), nil} {
		Printf(&out, "%s\n", value)
		Printf(&out, "%-10v|\n", value)
	}
	Printf(&out, "%d %s %v %5.1f\n", 3, time.Second, true, 1.5)
	if !strings.HasSuffix(out.String(), "\n3 1s true   1.5\n") {
		t.Errorf("%q", out.String())
	}
	if n := strings.Count(out.String(), "\n"); n != 15 {
		t.Errorf("%d lines, want 15", n)
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
