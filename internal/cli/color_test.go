package cli

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/api"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/outputtest"
	"mdserver/internal/doctor"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/visible"
)

// Colors of ECMA-48's SGR.
const (
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	reset  = "\x1b[0m"
)

func TestWantsColor(t *testing.T) {
	terminal, _ := outputtest.NewTerminal(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tt := range []struct {
		mode, noColor, term string
		out                 *os.File
		want                bool
	}{
		{colorAuto, "", "xterm", terminal, true},
		{colorAuto, "", "", terminal, true},
		{colorAuto, "1", "xterm", terminal, false},
		{colorAuto, "", "dumb", terminal, false},
		{colorAuto, "", "xterm", file, false},
		{colorNever, "", "xterm", terminal, false},
		{colorAlways, "1", "dumb", file, true},
	} {
		t.Setenv("NO_COLOR", tt.noColor)
		t.Setenv("TERM", tt.term)
		if got := wantsColor(tt.mode, tt.out); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// A command on a terminal shows its states in colors; in a pipe it does not.
func TestColorOnTerminal(t *testing.T) {
	template := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(template, []byte("% x = \"\x1b[35m\" +\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mdserver := func(env string) *exec.Cmd {
		cmd := exec.Command(os.Args[0], "template", "check", template)
		cmd.Args[0] = "mdserver" // see TestMain
		cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=", env)
		return cmd
	}
	for _, tt := range []struct {
		env   string
		color bool
	}{{"A=B", true}, {"NO_COLOR=1", false}, {"TERM=dumb", false}} {
		terminal, read := outputtest.NewTerminal(t)
		cmd := mdserver(tt.env)
		cmd.Stdout = terminal
		if err := cmd.Run(); err == nil {
			t.Fatal("the template is found to be good")
		}
		line, err := bufio.NewReader(read).ReadString('\n')
		if err != nil || strings.HasPrefix(line, red+template) != tt.color || strings.Count(line, "\x1b") != strings.Count(line, red)+strings.Count(line, reset) {
			t.Errorf("%s: %q, %v", tt.env, line, err)
		}
		_ = terminal.Close()
	}
	if out, _ := mdserver("A=B").Output(); len(out) == 0 || bytes.ContainsRune(out, '\x1b') {
		t.Errorf("in a pipe: %q", out)
	}
}

// With colors, too, nothing but our own sequences reaches a terminal.
func TestColorsAreHarmless(t *testing.T) {
	var out bytes.Buffer
	s := &output.Screen{Writer: visible.Writer{W: &out}, Colored: true}
	var findings []finding.Finding
	for _, state := range []finding.State{finding.OK, finding.Warning, finding.Wrong, outputtest.Hostile} {
		findings = append(findings, finding.Finding{Check: outputtest.Hostile, State: state, Text: outputtest.Hostile, Remedy: []string{outputtest.Hostile}})
	}
	printReport(s, doctor.Report{Findings: findings})
	if err := printStatus(s, api.Status{Version: outputtest.Hostile, Health: []api.Part{{Name: outputtest.Hostile, State: api.Wrong,
		Trouble: []api.Trouble{{Part: outputtest.Hostile, State: api.Warning, Message: outputtest.Hostile, Look: []string{outputtest.Hostile}}}}}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{green + "ok      " + reset, yellow + "warning " + reset, red + "wrong   " + reset} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
	outputtest.MustBeHarmless(t, strings.NewReplacer(green, "", yellow, "", red, "", reset, "").Replace(out.String()))
}
