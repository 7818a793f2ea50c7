package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"mdserver/internal/api"
	"mdserver/internal/doctor"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/instance"
	"mdserver/internal/visible"
)

// hostile is what a guest may have for a name, a path or a value.
const hostile = "web1\x1b]0;x\a\r\nMISSING\nnothing\tx\u202e\u009b\x9b\u2028\u200b\U000e0041"

// mustBeHarmless checks an output: visible characters in lines, none of which
// hostile made.
func mustBeHarmless(t *testing.T, out string) {
	t.Helper()
	if shown := visible.String(strings.ReplaceAll(out, "\n", "")); shown != strings.ReplaceAll(out, "\n", "") {
		t.Errorf("not visible: %q", out)
	}
	for line := range strings.Lines(out) {
		if line == "nothing\n" || strings.HasPrefix(line, "nothing\\t") {
			t.Errorf("a forged line in %q", out)
		}
	}
}

type stringer struct{}

func (stringer) String() string { return hostile }

func TestPrintf(t *testing.T) {
	type named string
	var out bytes.Buffer
	for _, value := range []any{hostile, named(hostile), errors.New(hostile), stringer{}, []string{hostile}, []byte(hostile), nil} {
		printf(&out, "%s\n", value)
		printf(&out, "%-10v|\n", value)
	}
	printf(&out, "%d %s %v %5.1f\n", 3, time.Second, true, 1.5)
	if !strings.HasSuffix(out.String(), "\n3 1s true   1.5\n") {
		t.Errorf("%q", out.String())
	}
	if n := strings.Count(out.String(), "\n"); n != 15 {
		t.Errorf("%d lines, want 15", n)
	}
	mustBeHarmless(t, out.String())
}

func TestErrorsHaveNoLinesOfTheirOwn(t *testing.T) {
	var out bytes.Buffer
	printError(&out, errors.New("x: "+hostile))
	mustBeHarmless(t, out.String())
	if !strings.HasPrefix(out.String(), "mdserver: x: web1") || strings.Count(out.String(), "\n  ") != 2 {
		t.Errorf("%q", out.String())
	}
}

func hostileGuest() instance.Instance {
	return instance.Instance{
		Name: hostile, Hostname: hostile, ID: hostile, UUID: uuid.New(), Location: hostile, Network: hostile,
		IPv6:       netip.MustParseAddr("fe80::1").WithZone(hostile),
		Interfaces: []instance.Interface{{Network: hostile}, {Bridge: hostile}},
		Metadata:   instance.Metadata{Tags: map[string]string{hostile: hostile}, Values: map[string]string{hostile: hostile}},
		Presence:   instance.Presence{State: hostile},
	}
}

// Whatever is in a document, it is printed in the lines of its table.
func TestDocumentsAreHarmless(t *testing.T) {
	refused := api.Refusal{Name: hostile, State: api.Refused, Reason: hostile, Advice: []string{hostile}, Source: hostile}
	doc := api.Explanation{
		Name:      hostile,
		Facts:     []api.Fact{{Name: hostile, Value: hostile, Source: hostile}},
		Addresses: []api.ExplainedAddress{{Network: hostile, Why: hostile, Passed: []api.PassedAddress{{Reason: hostile}}}},
		Template:  api.TemplateChoice{Serves: hostile, Error: hostile, Candidates: []api.TemplateCandidate{{Path: hostile, Rule: hostile}}},
		Requests: api.Requests{
			Kinds:  []api.RequestKind{{Name: hostile}},
			Recent: []api.Request{{Method: hostile, Path: hostile}},
		},
		Served:  true,
		Refusal: &refused,
		DHCP:    &api.DHCP{Message: hostile},
		Missing: []string{hostile}, Problems: []api.Missing{{Code: hostile, Text: hostile}},
	}
	found := doctor.Report{Findings: []finding.Finding{{Check: hostile, State: hostile, Text: hostile, Remedy: []string{hostile}}}}
	guest := hostileGuest()
	guests := guestList{guests: []api.Guest{{Instance: guest}, {Instance: guest, State: hostile}}, bridges: map[string]string{hostile: hostile}}
	status := api.Status{
		Health:   []api.Part{{Name: hostile, State: hostile}, {Name: hostile, Trouble: []api.Trouble{{Part: hostile, Message: hostile, Look: []string{hostile}}}}},
		Networks: []api.Network{{Name: hostile, Bridge: hostile, Domain: hostile, Trouble: hostile}},
	}
	checked := checkReport{Problems: []configFinding{{File: hostile, Key: hostile, Value: hostile, Text: hostile}}}
	problems := []templateProblem{{hostile, 1, hostile, hostile, hostile}}
	for name, print := range map[string]func(*bytes.Buffer) error{
		"explain": func(b *bytes.Buffer) error { return printExplanation(b, doc) },
		"doctor":  func(b *bytes.Buffer) error { printReport(b, found); return nil },
		"show":    func(b *bytes.Buffer) error { return printInstance(b, guest) },
		"ls": func(b *bytes.Buffer) error {
			return guestSheet(guests).print(b, formatTable, true)
		},
		"ls wide":     func(b *bytes.Buffer) error { return guestSheet(guests).print(b, formatWide, true) },
		"ls csv":      func(b *bytes.Buffer) error { return guestSheet(guests).print(b, formatCSV, true) },
		"ls name":     func(b *bytes.Buffer) error { return guestSheet(guests).print(b, formatName, true) },
		"yaml":        func(b *bytes.Buffer) error { return printYAML(&visible.Writer{W: b}, []any{doc, found, guest}) },
		"doctor csv":  func(b *bytes.Buffer) error { return findingSheet(found.Findings).print(b, formatCSV, true) },
		"doctor wide": func(b *bytes.Buffer) error { return findingSheet(found.Findings).print(b, formatWide, true) },
		"status csv":  func(b *bytes.Buffer) error { return healthSheet(status).print(b, formatCSV, true) },
		"status name": func(b *bytes.Buffer) error { return healthSheet(status).print(b, formatName, true) },
		"network show": func(b *bytes.Buffer) error {
			return printNetwork(b, api.Network{Name: hostile, Bridge: hostile, Domain: hostile, Trouble: hostile, Ranges: []string{hostile}})
		},
		"networks": func(b *bytes.Buffer) error { return networkSheet(status.Networks).print(b, formatCSV, true) },
		"refusals": func(b *bytes.Buffer) error {
			return refusalsView.sheet([]api.Refusal{refused}).print(b, formatCSV, true)
		},
		"config":    func(b *bytes.Buffer) error { return checked.sheet().print(b, formatName, true) },
		"templates": func(b *bytes.Buffer) error { return problemsView.sheet(problems).print(b, formatCSV, true) },
		"error":     func(b *bytes.Buffer) error { reportError(b, formatJSON, errors.New(hostile)); return nil },
		"error yaml": func(b *bytes.Buffer) error {
			reportError(&visible.Writer{W: b}, formatYAML, errors.New(hostile))
			return nil
		},
		"refused": func(b *bytes.Buffer) error {
			printNotServed(b, []api.Refusal{refused})
			printRefusals(b, []api.Refusal{refused})
			return nil
		},
		"json": func(b *bytes.Buffer) error { return printJSON(b, []any{doc, found, guest}) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := print(&out); err != nil {
				t.Fatal(err)
			}
			mustBeHarmless(t, out.String())
		})
	}
}

func TestLongValuesAreCut(t *testing.T) {
	guest := hostileGuest()
	guest.Name = strings.Repeat("n", 900_000)
	var out bytes.Buffer
	if err := guestSheet(guestList{guests: []api.Guest{{Instance: guest}}}).print(&out, formatTable, true); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 10*maxValue {
		t.Errorf("%d bytes for one guest", out.Len())
	}
}

func TestJSONMeansTheSame(t *testing.T) {
	in := map[string]string{hostile: hostile + "<&>é"}
	var out bytes.Buffer
	if err := printJSON(&out, in); err != nil {
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
	terminal, read := newTerminal(t)
	piped, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for out, want := range map[*os.File]string{pipe: "a\x1b\u202e\n", terminal: `a\x1b\u202e` + "\r\n"} {
		cmd := &cobra.Command{}
		cmd.SetOut(&visible.Writer{W: out})
		if err := printRaw(cmd, []byte("a\x1b\u202e\n")); err != nil {
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

// newTerminal makes a pseudo-terminal, see pty(7), and what reads its output.
func newTerminal(t *testing.T) (terminal, read *os.File) {
	t.Helper()
	read, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = read.Close() })
	if err := unix.IoctlSetPointerInt(int(read.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(read.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return terminal, read
}

// A shell gets names of which it makes nothing else.
func TestWord(t *testing.T) {
	id := uuid.New()
	for name, offered := range map[string]bool{
		"web1": true, "büro": true, "web_1.example@x+y": true,
		"": false, "web 1": false, "$(id)": false, "a;b": false, "`id`": false, "-x": false, "a\tb": false, "a\nb": false,
		"a:b": false, "\x1b[31m": false, "a\u202eb": false, "a\u3164": false, "a\xff": false, "a\U000e0041": false,
	} {
		want := id.String()
		if offered {
			want = name
		}
		if got := word(instance.Instance{Name: name, UUID: id}); got != want {
			t.Errorf("%q is offered as %q, want %q", name, got, want)
		}
	}
}

// No command prints but by output.go.
func TestCommandsPrintByOnePlace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if file == "output.go" || strings.HasSuffix(file, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			from, _ := call.X.(*ast.Ident)
			name := call.Sel.Name
			if from != nil && (from.Name == "fmt" && (strings.HasPrefix(name, "Fprint") || strings.HasPrefix(name, "Print")) ||
				from.Name == "os" && (name == "Stdout" || name == "Stderr") || from.Name == "io" && name == "WriteString") {
				t.Errorf("%s: %s.%s passes by output.go", fset.Position(n.Pos()), from.Name, name)
			}
			return true
		})
	}
}
