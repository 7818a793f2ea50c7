// Package outputtest has what tests of printing need: texts that try to look like
// something else, and terminals.
package outputtest

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mdserver/internal/visible"
)

// Hostile is what a guest may have for a name, a path or a value.
const Hostile = "web1\x1b]0;x\a\r\nMISSING\nnothing\tx\u202e\u009b\x9b\u2028\u200b\U000e0041"

// MustBeHarmless checks an output: visible characters, and no line that Hostile made.
func MustBeHarmless(t *testing.T, out string) {
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

// AreHarmless runs functions that print something hostile, each as a test.
func AreHarmless(t *testing.T, prints map[string]func(*bytes.Buffer) error) {
	for name, print := range prints {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := print(&out); err != nil {
				t.Fatal(err)
			}
			MustBeHarmless(t, out.String())
		})
	}
}

// Colors of ECMA-48's SGR.
const (
	Green  = "\x1b[32m"
	Yellow = "\x1b[33m"
	Red    = "\x1b[31m"
	Reset  = "\x1b[0m"
)

// WithoutColors is a text without the colors in it.
func WithoutColors(text string) string {
	return strings.NewReplacer(Green, "", Yellow, "", Red, "", Reset, "").Replace(text)
}

// NewTerminal makes a pseudo-terminal, see pty(7), and what reads its output.
func NewTerminal(t *testing.T) (terminal, read *os.File) {
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
