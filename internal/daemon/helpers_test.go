package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"mdserver/internal/config"
)

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadFile(t, file)
}

func loadFile(tb testing.TB, file string) *config.Config {
	tb.Helper()
	cfg, _, err := config.Load(file)
	if err != nil {
		tb.Fatal(err)
	}
	return cfg
}
