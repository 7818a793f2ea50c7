package daemon

import (
	"fmt"
	"log/slog"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// notifier tells systemd how the service fares (sd_notify(3)). Where systemd
// is not, it does nothing.
type notifier struct {
	log    *slog.Logger
	ticker *time.Ticker
}

func newNotifier(log *slog.Logger) *notifier {
	n := &notifier{log: log}
	if interval, err := sd.SdWatchdogEnabled(false); err == nil && interval > 0 {
		n.ticker = time.NewTicker(interval / 2)
	}
	return n
}

// watchdog is the channel on which it is time to say alive.
func (n *notifier) watchdog() <-chan time.Time {
	if n.ticker == nil {
		return nil
	}
	return n.ticker.C
}

func (n *notifier) alive() { n.send(sd.SdNotifyWatchdog) }

func (n *notifier) ready(status string) {
	if status != "" {
		status = "\nSTATUS=" + status
	}
	n.send(sd.SdNotifyReady + status)
}

// reloading must carry the monotonic time for Type=notify-reload.
func (n *notifier) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return
	}
	n.send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", sd.SdNotifyReloading, now.Nano()/1000))
}

func (n *notifier) stopping() {
	if n.ticker != nil {
		n.ticker.Stop()
	}
	n.send(sd.SdNotifyStopping)
}

func (n *notifier) send(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		n.log.Warn("systemd not notified", "error", err)
	}
}
