package logging

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/config"
)

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// The base level applies first, then each target's own.
func TestLogLevels(t *testing.T) {
	tests := []struct{ levels, debug, stream, file string }{
		{"base = info\nstream = info\nfile = debug", "no", "info warn error", "info warn error"},
		{"base = debug\nstream = warning\nfile = debug", "no", "warn error", "debug info warn error"},
		{"base = error\nstream = debug\nfile = debug", "no", "error", "error"},
		{"base = error\nstream = error\nfile = error", "yes", "debug info warn error", "debug info warn error"},
	}
	for _, tt := range tests {
		t.Run(strings.ReplaceAll(tt.levels, "\n", ", "), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "log")
			cfg := load(t, fmt.Sprintf("[mdserver]\nlogfile = %s\ndebug = %s\n[loglevels]\n%s\n", file, tt.debug, tt.levels))
			var stream bytes.Buffer
			l := Open(cfg, &stream)
			l.logger.Debug("debug")
			l.logger.Info("info")
			l.logger.Warn("warn")
			l.logger.Error("error")
			l.Close()
			written, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := messages(stream.String()); got != tt.stream {
				t.Errorf("stream: %q, want %q", got, tt.stream)
			}
			if got := messages(string(written)); got != tt.file {
				t.Errorf("file: %q, want %q", got, tt.file)
			}
		})
	}
}

func messages(log string) string {
	var list []string
	for line := range strings.Lines(log) {
		_, message, _ := strings.Cut(strings.TrimSpace(line), "msg=")
		list = append(list, message)
	}
	return strings.Join(list, " ")
}

// After logrotate has moved the file, a reload opens a new one.
func TestReloadReopensTheLogFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	cfg := load(t, "[mdserver]\nlogfile = "+file+"\n")
	l := Open(cfg, &bytes.Buffer{})
	l.logger.Info("before")
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	l.Reload(cfg)
	l.logger.Info("after")
	l.Close()
	if moved, err := os.ReadFile(file + ".1"); err != nil || messages(string(moved)) != "before" {
		t.Errorf("the old file holds %q (%v)", moved, err)
	}
	written, err := os.ReadFile(file)
	if err != nil || messages(string(written)) != "after" {
		t.Errorf("the new file holds %q (%v)", written, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("other users can read what guests do: %v, %v", info.Mode(), err)
	}
}

// TestReloadOfLevels checks that a reload changes the levels of both targets.
func TestReloadOfLevels(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	conf := "[mdserver]\nlogfile = " + file + "\n[loglevels]\n"
	var stream bytes.Buffer
	l := Open(load(t, conf+"base = debug\nstream = error\nfile = warning\n"), &stream)
	l.logger.Warn("first")
	l.Reload(load(t, conf+"base = debug\nstream = warning\nfile = error\n"))
	l.logger.Warn("second")
	l.Close()
	written, err := os.ReadFile(file)
	if err != nil || messages(string(written)) != "first" || messages(stream.String()) != "second" {
		t.Errorf("the file has %q and the stream %q, %v", written, stream.String(), err)
	}
}

func TestAnUnwritableLogFileIsSaidOnTheStream(t *testing.T) {
	cfg := load(t, "[mdserver]\nlogfile = /proc/nowhere/log\n")
	var stream bytes.Buffer
	Open(cfg, &stream).Close()
	if !strings.Contains(stream.String(), "no log file") {
		t.Errorf("stream: %s", stream.String())
	}
}
