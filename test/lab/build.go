package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Binary returns the mdserver to test: the one that MDSERVER_BIN names, or one
// that it builds in dir from this source.
func Binary(ctx context.Context, dir string) (string, error) {
	if named := os.Getenv("MDSERVER_BIN"); named != "" {
		return named, nil
	}
	binary := filepath.Join(dir, "mdserver")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "mdserver/cmd/mdserver")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building mdserver: %w\n%s", err, out)
	}
	return binary, nil
}
