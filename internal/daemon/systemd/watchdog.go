package systemd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/pace"
)

const (
	// hungWrite is how long a write to the database may take. A disk that takes
	// longer than the kernel's own timeouts and retries, some minutes, does not
	// answer any more. Until then guests are served from memory, which a restart
	// would end.
	hungWrite = 5 * time.Minute
	// unreachedTime is how long the server may be out of its own reach: the control
	// socket comes back within seconds if that is possible.
	unreachedTime = time.Minute
)

var (
	errHungWrite = errors.New("a write to the database hangs")
	errUnreached = errors.New("neither the metadata address nor the control socket can be reached")
)

// watchdog feeds systemd's watchdog as long as the server works.
type watchdog struct {
	log     *slog.Logger
	notify  *Notifier
	config  func() *config.Config
	writing func() time.Duration // how long the present write has taken

	unreached time.Time // when the server got out of its own reach; zero: it is not
}

// KeepAlive feeds systemd's watchdog, if there is one, until ctx ends: as long as the
// server answers a request of its own for ProbePath, and no write to the database
// hangs. writing is how long the present one has taken.
func (n *Notifier) KeepAlive(ctx context.Context, config func() *config.Config, writing func() time.Duration) {
	if n.period == 0 {
		return
	}
	dog := &watchdog{log: n.log, notify: n, config: config, writing: writing}
	pace.Every(ctx, n.period, func() { dog.watch(ctx) })
}

// watch feeds the watchdog if the server has answered a request of its own in time
// and the writer of the inventory does not hang.
func (w *watchdog) watch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.notify.period)
	defer cancel()
	err := w.probe(ctx)
	if busy := w.writing(); err == nil && busy > hungWrite {
		err = fmt.Errorf("%w: it has taken %s", errHungWrite, busy.Round(time.Second))
	}
	if err == nil {
		w.notify.alive()
	} else if !errors.Is(ctx.Err(), context.Canceled) {
		w.log.Error("the server's self-check failed; systemd restarts the server if this continues", "error", err)
	}
}

// ProbePath is what the server asks itself for, and ProbeName its first name. The
// request is not logged.
const (
	ProbePath = "/" + ProbeName
	ProbeName = "mdserver-watchdog"
)

// probe makes a request to the listener of the guests. If this host does not have
// the listener's address at the moment, probe asks the control socket.
func (w *watchdog) probe(ctx context.Context) error {
	cfg := w.config()
	err := ask(ctx, "tcp", probeAddress(cfg))
	if isDial(err) {
		err = ask(ctx, "unix", cfg.Server.Socket)
	}
	if !isDial(err) {
		w.unreached = time.Time{}
		return err
	}
	if w.unreached.IsZero() {
		w.unreached = time.Now()
	}
	if time.Since(w.unreached) < unreachedTime {
		return nil
	}
	return fmt.Errorf("%w: %w", errUnreached, err)
}

// isDial reports whether a connection could not be made, at once.
func isDial(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial" && !dial.Timeout()
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
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+ProbePath, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
