package config

import (
	"os"
	"path/filepath"
	"testing"
)

// write makes a file in a fresh directory of the test and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mdserver.conf")
	put(t, path, text)
	return path
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// mustLoad loads a text that has to hold.
func mustLoad(t *testing.T, text string) (*Config, []Warning) {
	t.Helper()
	c, warnings, err := Load(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return c, warnings
}
