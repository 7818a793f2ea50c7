// Package system asks the programs of this host: systemd, the packet filters,
// SELinux and AppArmor, systemd-resolved and dnsmasq.
package system

import (
	"context"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"time"
)

// Reader asks by commands, and reads files below this host's root directory.
type Reader struct {
	Root fs.FS
	Run  Runner
}

// Runner runs a command that changes nothing, and returns its standard output.
// The error of a program that this host does not have is exec.ErrNotFound.
type Runner func(ctx context.Context, name string, args ...string) (string, error)

// commandTime bounds one command.
const commandTime = 10 * time.Second

// Run runs a command for at most ten seconds.
func Run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// Exists reports whether a file is there. The path has no slash in front.
func (r Reader) Exists(path string) bool {
	_, err := fs.Stat(r.Root, path)
	return err == nil
}
