// Package systemd tells systemd how the server does, and feeds its watchdog as long
// as the server works (sd_notify(3)).
package systemd

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Notifier tells systemd how the service does. Where systemd is not, it does
// nothing.
type Notifier struct {
	log    *slog.Logger
	period time.Duration // between two signs of life; 0: there is no watchdog

	mu   sync.Mutex
	line string // the status that was told last
}

// NewNotifier makes one that logs what systemd could not be told.
func NewNotifier(log *slog.Logger) *Notifier {
	n := &Notifier{log: log}
	if interval, err := sd.SdWatchdogEnabled(false); err == nil {
		// One late answer is no reason to end the server.
		n.period = interval / 4
	}
	return n
}

func (n *Notifier) alive() { n.send(sd.SdNotifyWatchdog) }

// Ready tells that the server serves, at the start or after a reload.
func (n *Notifier) Ready() { n.send(sd.SdNotifyReady) }

// Status tells a line that differs from the one before.
func (n *Notifier) Status(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if line = strings.ReplaceAll(line, "\n", " "); line != n.line {
		n.line = line
		n.send("STATUS=" + line)
	}
}

// Reloading tells that a reload begins, which ends with Ready. It must carry the
// monotonic time for Type=notify-reload.
func (n *Notifier) Reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return
	}
	n.send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", sd.SdNotifyReloading, now.Nano()/1000))
}

// Stopping tells that the server stops.
func (n *Notifier) Stopping() { n.send(sd.SdNotifyStopping) }

func (n *Notifier) send(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		n.log.Warn("systemd not notified", "error", err)
	}
}
