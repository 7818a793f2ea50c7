package template

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/config"
	"mdserver/internal/roottest"
)

// A copy that root has made is root's, and the server cannot read it.
func TestTemplateCheckFindsFilesOfRoot(t *testing.T) {
	roottest.Need(t, "gives files to other users")
	const nobody = 65534
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Server.UserdataDir, cfg.Server.Database = filepath.Join(dir, "userdata"), filepath.Join(dir, "state", "mdserver.db")
	for _, sub := range []string{"userdata", "state"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(dir, "state"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"web1.yaml": 0o640, "base.yaml": 0o644, ".web1.swp": 0o600} {
		if err := os.WriteFile(filepath.Join(cfg.Server.UserdataDir, name), []byte("#cloud-config\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	problems, err := Check(cfg.Server.UserdataDir, cfg)
	if err != nil || len(problems) != 1 {
		t.Fatalf("%v, %v", problems, err)
	}
	if p := problems[0]; filepath.Base(p.File) != "web1.yaml" || !strings.Contains(p.Message, "the server's user nobody cannot read it: chgrp 65534") {
		t.Errorf("%+v", p)
	}
}
