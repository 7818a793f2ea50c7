package finding

import (
	"fmt"

	"mdserver/internal/doctor/host"
	"mdserver/internal/doctor/kernel"
	"mdserver/internal/shell"
)

// Command is a command line to type. Each %s stands for one word, which is
// quoted as a shell needs it.
func Command(format string, words ...any) string {
	quoted := make([]any, len(words))
	for i, word := range words {
		quoted[i] = shell.Quote(fmt.Sprint(word))
	}
	return fmt.Sprintf(format, quoted...)
}

// Virsh is a command line of virsh that reaches the libvirt of the configuration.
func Virsh(h *host.Facts, format string, words ...any) string {
	program := "virsh "
	if uri := h.Config.Libvirt.URI; uri.Session || uri.Socket != "" {
		program = Command("virsh --connect %s ", uri)
	}
	return program + Command(format, words...)
}

// Mdserver is a command line of this program that uses the configuration.
func Mdserver(h *host.Facts, format string, words ...any) string {
	line := "mdserver " + Command(format, words...)
	if h.ConfigFile != defaultConfig {
		line += Command(" --config %s", h.ConfigFile)
	}
	return line
}

// defaultConfig is the configuration that mdserver's commands use by themselves.
const defaultConfig = "/etc/mdserver/mdserver.conf"

// Stop is the command that ends a process: by its unit, if it has one.
func Stop(p kernel.Process) string {
	if p.Service != "" {
		return Command("systemctl disable --now %s", p.Service)
	}
	return Command("kill %s", p.PID)
}

// StartServer is the command that starts the server.
func StartServer(h *host.Facts) string {
	if h.Unit.State != "" {
		return Command("systemctl enable --now %s", host.UnitName)
	}
	return Mdserver(h, "serve")
}
