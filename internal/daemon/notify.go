package daemon

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// notifier tells systemd how the service does (sd_notify(3)). Where systemd
// is not, it does nothing.
type notifier struct {
	log    *slog.Logger
	period time.Duration // between two signs of life; 0: there is no watchdog

	mu   sync.Mutex
	line string // the status that was told last
}

func newNotifier(log *slog.Logger) *notifier {
	n := &notifier{log: log}
	if interval, err := sd.SdWatchdogEnabled(false); err == nil {
		// One late answer is no reason to end the server.
		n.period = interval / 4
	}
	return n
}

func (n *notifier) alive() { n.send(sd.SdNotifyWatchdog) }

func (n *notifier) ready() { n.send(sd.SdNotifyReady) }

// status tells a line that differs from the one before.
func (n *notifier) status(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if line = strings.ReplaceAll(line, "\n", " "); line != n.line {
		n.line = line
		n.send("STATUS=" + line)
	}
}

// reloading must carry the monotonic time for Type=notify-reload.
func (n *notifier) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return
	}
	n.send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", sd.SdNotifyReloading, now.Nano()/1000))
}

func (n *notifier) stopping() { n.send(sd.SdNotifyStopping) }

func (n *notifier) send(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		n.log.Warn("systemd not notified", "error", err)
	}
}
