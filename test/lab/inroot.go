package lab

import (
	"context"
	_ "embed"
	"os"
	"path/filepath"
)

//go:embed inroot.sh
var inRootScript []byte

// OutputIn runs a command in the guest on a root file system of its own, which
// is left as it is, and returns its standard output. Files, by their paths, are
// laid over the root file system.
func (g *Guest) OutputIn(ctx context.Context, root string, files map[string]string, command ...string) (string, error) {
	work := "inroot-" + g.Label
	script, err := g.lab.WriteFile(filepath.Join(work, "run"), string(inRootScript))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(g.lab.Path(work, "files"), 0o755); err != nil {
		return "", err
	}
	for path, text := range files {
		if _, err := g.lab.WriteFile(filepath.Join(work, "files", path), text); err != nil {
			return "", err
		}
	}
	args := append([]string{"--mount", "--pid", "--fork", "--kill-child", "bash", script, root, g.lab.Path(work, "files")}, command...)
	return g.Output(ctx, "unshare", args...)
}
