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

// command is a command line to type. Each %s stands for one word, which is
// quoted as a shell needs it.
func command(format string, words ...any) string {
	quoted := make([]any, len(words))
	for i, word := range words {
		quoted[i] = quote(fmt.Sprint(word))
	}
	return fmt.Sprintf(format, quoted...)
}

// virsh is a command line of virsh that reaches the libvirt of the configuration.
func (h *Host) virsh(format string, words ...any) string {
	program := "virsh "
	if uri := h.Config.Libvirt.URI; uri.Session || uri.Socket != "" {
		program = command("virsh --connect %s ", uri)
	}
	return program + command(format, words...)
}

// mdserver is a command line of this program that uses the configuration.
func (h *Host) mdserver(format string, words ...any) string {
	line := "mdserver " + command(format, words...)
	if h.ConfigFile != defaultConfig {
		line += command(" --config %s", h.ConfigFile)
	}
	return line
}

// defaultConfig is the configuration that mdserver's commands use by themselves.
const defaultConfig = "/etc/mdserver/mdserver.conf"

// quote makes one word for a shell.
func quote(word string) string { return shell.Quote(word) }
