package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReloadRefusesEmptiedFile(t *testing.T) {
	for text, refused := range map[string]bool{
		"": true, "\n \t\n": true,
		"# all defaults are meant\n": false, "[mdserver]\n": false,
	} {
		path := filepath.Join(t.TempDir(), "mdserver.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := emptied(path)
		if (err != nil) != refused {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%q: the error does not name the file: %v", text, err)
		}
	}
	if err := emptied(filepath.Join(t.TempDir(), "absent")); err != nil {
		t.Errorf("a file that is not there: %v", err)
	}
}
