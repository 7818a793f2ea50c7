package daemon

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server that is stopped while it starts has not failed.
func TestStopWhileStarting(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mdserver.conf")
	text := strings.ReplaceAll("[mdserver]\ndatabase = DIR/mdserver.db\nsocket = DIR/sock\nidentity = DIR/identity\n[libvirt]\nuri = off\n", "DIR", dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Serve(ctx, file, io.Discard, nil); err != nil {
		t.Errorf("stopped before it has started: %v", err)
	}
}
