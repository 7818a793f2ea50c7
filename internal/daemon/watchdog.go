package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"mdserver/internal/config"
)

// statusPeriod is how often the status line is brought up to date.
const statusPeriod = 2 * time.Second

// tellSystemd keeps the status line up to date, and feeds the watchdog as long as
// requests are answered, until the function that it returns is called.
func (d *Daemon) tellSystemd(ctx context.Context, n *notifier, l listeners) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var telling sync.WaitGroup
	if n.listens {
		telling.Go(func() {
			every(ctx, statusPeriod, func() { n.status(d.statusLine(l)) })
		})
	}
	if n.period > 0 {
		telling.Go(func() {
			every(ctx, n.period, func() { d.watch(ctx, n) })
		})
	}
	return func() {
		cancel()
		telling.Wait()
	}
}

// every calls a function once in a period until ctx ends.
func every(ctx context.Context, period time.Duration, do func()) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// watch feeds the watchdog if a request is answered within its time, as a
// guest's would be.
func (d *Daemon) watch(ctx context.Context, n *notifier) {
	ctx, cancel := context.WithTimeout(ctx, n.period)
	defer cancel()
	if err := d.probe(ctx); err == nil {
		n.alive()
	} else if !errors.Is(ctx.Err(), context.Canceled) {
		d.log.Error("the server does not answer its own request; systemd ends it if that goes on", "error", err)
	}
}

// probePath is what the server asks itself for. It does not exist, and the request
// is not logged.
const probePath = "/mdserver-watchdog"

// probe makes a request by the listener of the guests. A listener whose address
// this host does not have at the moment is reached by nobody; then the control
// socket is asked.
func (d *Daemon) probe(ctx context.Context) error {
	cfg := d.config.Load()
	err := ask(ctx, "tcp", probeAddress(cfg))
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" && !dial.Timeout() {
		return ask(ctx, "unix", cfg.Server.Socket)
	}
	return err
}

func probeAddress(cfg *config.Config) string {
	addr := cfg.Server.ListenAddress
	switch addr {
	case netip.IPv4Unspecified():
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case netip.IPv6Unspecified():
		addr = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(addr, uint16(cfg.Server.Port)).String()
}

// ask makes a request on a connection of its own. Any answer will do.
func ask(ctx context.Context, network, address string) error {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
	host := address
	if network == "unix" {
		host = "localhost"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+probePath, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	resp, err := client.Do(r)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the control socket was removed, and is about to come back
	}
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
