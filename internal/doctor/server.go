package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

const unit = "mdserver.service"

func checkServer(ctx context.Context, h *Host) []Finding {
	if h.running() {
		return []Finding{fine("mdserver %s runs, process %d, with %d guests", h.status.Version, h.status.PID, h.status.Guests)}
	}
	socket := h.Config.Server.Socket
	if errors.Is(socketError(socket), fs.ErrPermission) {
		return []Finding{unknown("no access to %s: run as root or as a member of its group", socket)}
	}
	if state := unitProperty(ctx, unit, "ActiveState"); state != "" {
		return []Finding{wrong("server_unit_failed", "the unit %s is %s: %v", unit, state, h.statusErr).
			advise("see `journalctl -u %s -n 20`", unit).mend(startUnit(state))}
	}
	return []Finding{wrong("server_not_running", "mdserver does not run: nothing answers on %s", socket).
		mend(h.mdserver("serve"))}
}

// startUnit is the command that has the unit, in a state, run properly.
func startUnit(state string) string {
	if state == "active" { // and does not answer
		return command("systemctl restart %s", unit)
	}
	return command("systemctl enable --now %s", unit)
}

// socketError says why no process answers on a Unix socket.
func socketError(path string) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
}

// unitProperty asks systemd about a unit; empty where there is no systemd or
// no such unit.
func unitProperty(ctx context.Context, name, property string) string {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return ""
	}
	state, err := run(ctx, "systemctl", "show", "--property=LoadState", "--value", name)
	if err != nil || strings.TrimSpace(state) != "loaded" {
		return ""
	}
	value, err := run(ctx, "systemctl", "show", "--property="+property, "--value", name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(value)
}
