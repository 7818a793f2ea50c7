package process

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mdserver/internal/account"
	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/files"
	"mdserver/internal/logtest"
)

// TestMain is a stand-in for dnsmasq if the program has that name. The real one
// needs rights on the network, and cannot be told to ignore a signal.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "dnsmasq":
		os.Exit(standIn(os.Args[1:]))
	case "mdserver": // which runs a dnsmasq
		cmd := exec.Command(filepath.Join(filepath.Dir(os.Args[0]), "dnsmasq"), os.Args[1:]...)
		cmd.Stderr = os.Stderr
		fmt.Fprintln(os.Stderr, cmd.Run())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// standIn does what its configuration file says, a word and its value in each line.
// Then it runs until it is ended, or its parent is.
func standIn(args []string) int {
	parent := os.Getppid()
	var conf string
	var test bool
	for _, arg := range args {
		for _, option := range []string{"--conf-file=", "-C"} {
			if file, ok := strings.CutPrefix(arg, option); ok {
				conf = file
			}
		}
		test = test || arg == "--test"
	}
	text, err := os.ReadFile(conf)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	for line := range strings.Lines(string(text)) {
		word, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "refuse":
			fmt.Fprintln(os.Stderr, "dnsmasq:", value)
			return 1
		case test: // the rest is for a start
		case word == "ignore-term":
			signal.Ignore(syscall.SIGTERM)
		case word == "say":
			fmt.Fprintln(os.Stderr, value)
		case word == "say-environment":
			fmt.Fprintln(os.Stderr, strings.Join(os.Environ(), " "))
		case word == "end":
			return 2
		}
	}
	if test {
		return 0
	}
	fmt.Fprintln(os.Stderr, started)
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && os.Getppid() == parent; {
		time.Sleep(10 * time.Millisecond)
	}
	return 4
}

// started is what dnsmasq writes when it has started.
const started = "dnsmasq: started, version 0"

// newPlace is a network's place in a directory of the test, with a stand-in for
// dnsmasq whose configuration has the given lines. It runs as the user of the test.
func newPlace(t *testing.T, conf ...string) files.Place {
	t.Helper()
	dir := t.TempDir()
	p := files.Place{Settings: content.Settings{
		Mode: content.Child, NetName: "mds", Binary: filepath.Join(dir, "dnsmasq"),
		BaseDir: filepath.Join(dir, "base"), RunDir: filepath.Join(dir, "run"),
	}, Account: named("self", uint32(os.Geteuid()))}
	program, err := os.Executable()
	must(t, err)
	must(t, os.Symlink(program, p.Binary))
	must(t, os.Symlink(program, filepath.Join(dir, "mdserver")))
	must(t, p.MakeDirs())
	must(t, os.MkdirAll(p.PIDDir(), 0o755))
	must(t, os.WriteFile(p.ConfigFile(), []byte(strings.Join(conf, "\n")), 0o644))
	return p
}

// named is an account with a group of its own.
func named(name string, uid uint32) *files.Account {
	return &files.Account{Account: account.Account{Name: name, UID: uid, GID: uid}, Group: name}
}

// runOther runs a program of the place, which is no child of a Child, until the end
// of the test. It returns when dnsmasq has started.
func runOther(t *testing.T, p files.Place, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(filepath.Join(filepath.Dir(p.Binary), name), args...)
	said := &logtest.Buffer{}
	cmd.Stderr = said
	must(t, cmd.Start())
	t.Cleanup(func() { kill(cmd) })
	eventually(t, name+" has started", func() bool { return strings.Contains(said.String(), started) })
	return cmd
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// writePID writes a pid-file, as dnsmasq or a unit does.
func writePID(t *testing.T, path string, pid int) {
	t.Helper()
	must(t, os.WriteFile(path, fmt.Appendln(nil, pid), 0o644))
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("it never came true that %s", what)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newLog is a log that can be read.
func newLog() (*slog.Logger, *logtest.Buffer) {
	b := &logtest.Buffer{}
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})), b
}
