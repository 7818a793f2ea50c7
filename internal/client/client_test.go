package client

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestClientWithoutServerSaysWhatToDo(t *testing.T) {
	_, err := New(filepath.Join(t.TempDir(), "none")).Status(t.Context())
	if err == nil || !strings.Contains(err.Error(), "systemctl start mdserver") {
		t.Errorf("error %v", err)
	}
}

// A program that asks the server needs none of what the server is made of.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	var ours []string
	for path := range strings.FieldsSeq(string(out)) {
		if name, ok := strings.CutPrefix(path, "mdserver/"); ok {
			ours = append(ours, name)
		}
	}
	if want := []string{"internal/instance", "internal/api", "internal/client"}; !slices.Equal(ours, want) {
		t.Errorf("depends on %q, want %q", ours, want)
	}
}
