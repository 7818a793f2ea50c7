package cli

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/cli/outputtest"
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
		if err != nil || strings.HasPrefix(line, outputtest.Red+template) != tt.color || strings.Count(line, "\x1b") != strings.Count(line, outputtest.Red)+strings.Count(line, outputtest.Reset) {
			t.Errorf("%s: %q, %v", tt.env, line, err)
		}
		_ = terminal.Close()
	}
	if out, _ := mdserver("A=B").Output(); len(out) == 0 || bytes.ContainsRune(out, '\x1b') {
		t.Errorf("in a pipe: %q", out)
	}
}
