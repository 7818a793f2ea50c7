package doctor

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"mdserver/internal/shell"
)

// commandTime bounds one command that only reads.
const commandTime = 10 * time.Second

// run gives the standard output of a command that changes nothing.
func run(ctx context.Context, name string, args ...string) (string, error) {
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

// quote makes one word for a shell.
func quote(word string) string { return shell.Quote(word) }
