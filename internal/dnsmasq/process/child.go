package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"time"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/files"
	"mdserver/internal/dnsmasq/lines"
	"mdserver/internal/pace"
)

const (
	// grace is the time between SIGTERM and SIGKILL. dnsmasq writes nothing that
	// a kill could lose.
	grace = 500 * time.Millisecond
	// alienPoll is how often a dnsmasq of another service is checked.
	alienPoll = time.Second
)

// Child runs dnsmasq as mdserver's own process: it starts dnsmasq, starts it again
// when it ends, and stops it at the end. While a dnsmasq runs that the pid-file
// names and that mdserver did not start, the Child starts none.
type Child struct {
	host    host
	choose  chooser
	files   *files.Set
	log     *slog.Logger
	clients lines.Clients
	ownUser bool // dnsmasq was started as a user of its own; used by run alone
	cancel  context.CancelFunc
	done    chan struct{}
	again   chan syscall.Signal // asks for a restart; what ends the present dnsmasq
	state   state
}

// chooser returns how to start dnsmasq, and a warning if it has no user of
// its own. See [host.starter].
type chooser func(mustLaunch bool) (starter, string, error)

// Start runs dnsmasq until Close. Before each start, it writes the files of set
// that other programs have changed. The log gets what dnsmasq writes, and clients
// the DHCP messages in it.
func Start(place files.Place, set *files.Set, log *slog.Logger, clients lines.Clients) *Child {
	h := newHost(place)
	return newChild(h, h.starter, set, log, clients)
}

func newChild(h host, choose chooser, set *files.Set, log *slog.Logger, clients lines.Clients) *Child {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Child{
		host: h, choose: choose, files: set, log: log, clients: clients, cancel: cancel,
		done: make(chan struct{}), again: make(chan syscall.Signal, 1), state: state{changed: make(chan struct{})},
	}
	go c.run(ctx)
	return c
}

// Close implements Runner.
func (c *Child) Close() error {
	c.cancel()
	<-c.done
	return nil
}

func (c *Child) run(ctx context.Context) {
	defer close(c.done)
	for ctx.Err() == nil {
		if alien := c.host.fromPIDFile(); alien != nil {
			c.standBack(ctx, alien)
			continue
		}
		ran, err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		var pause time.Duration
		c.update(func(s *state) { pause = s.attempts.ended(ran, err) })
		if err == nil {
			continue
		}
		c.log.Error("dnsmasq does not run", "error", err, "again_in", pause)
		select {
		case <-ctx.Done():
		case <-c.again:
		case <-time.After(pause):
		}
	}
}

// standBack leaves the network to an administrator's dnsmasq until it ends.
func (c *Child) standBack(ctx context.Context, alien *found) {
	defer alien.release()
	c.log.Warn("another dnsmasq serves this network; mdserver treats it as external. To let mdserver run its own: "+
		"systemctl disable --now mdserver-dnsmasq.service, then restart mdserver", "pid", alien.pid)
	c.update(func(s *state) {
		s.epoch++
		s.attempts = attempts{}
		s.current = &Running{PID: alien.pid, Epoch: s.epoch, Signal: c.host.signaller(alien)}
	})
	for alien.alive() && ctx.Err() == nil {
		pace.Sleep(ctx, alienPoll)
	}
	c.update(func(s *state) { s.current = nil })
	if ctx.Err() == nil {
		c.log.Warn("the external dnsmasq has ended, mdserver starts its own", "pid", alien.pid)
	}
}

// once runs dnsmasq from start to end. It returns how long dnsmasq ran, and no
// error if this server ended it.
func (c *Child) once(ctx context.Context) (ran time.Duration, err error) {
	start, err := c.prepare(ctx)
	if err != nil {
		return 0, err
	}
	output := lines.New(c.log, c.clients)
	defer output.Close()
	select {
	case <-c.again: // what was asked for happens now
	default:
	}
	process, err := start([]string{"--keep-in-foreground", "--log-facility=-", content.ChildRecord, "--conf-file=" + c.host.ConfigFile()}, output)
	if err != nil {
		return 0, fmt.Errorf("starting dnsmasq: %w", err)
	}
	c.writePIDFile(process.Pid())
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	began := time.Now()
	c.update(func(s *state) {
		s.began = began
		s.epoch++
		s.starts++
		s.current = &Running{PID: process.Pid(), Epoch: s.epoch, Ours: true,
			Signal: func(sig syscall.Signal) error { return process.Signal(sig) }}
	})
	defer c.update(func(s *state) { s.current = nil })
	signal := syscall.SIGTERM
	select {
	case err := <-ended:
		return time.Since(began), output.Explain(err)
	case <-ctx.Done():
	case signal = <-c.again:
	}
	c.update(func(s *state) { s.current = nil })
	return time.Since(began), c.end(process, ended, signal)
}

// prepare does what comes before a start, and returns how to start dnsmasq.
func (c *Child) prepare(ctx context.Context) (starter, error) {
	if err := c.stopOrphans(); err != nil {
		return nil, err
	}
	written, err := c.files.Restore()
	if err != nil {
		c.log.Error("starting dnsmasq, although some of its files are not up to date", "error", err)
	}
	files.LogChanged(c.log, written)
	start, err := c.chooseStarter()
	if err != nil {
		return nil, err
	}
	return start, c.host.check(ctx, start, c.host.ConfigFile())
}

// stopOrphans ends what a killed mdserver left behind. It is not adopted,
// since its log and its end could not be followed.
func (c *Child) stopOrphans() error {
	orphans, err := c.host.orphans()
	for _, orphan := range orphans {
		c.log.Info("stopping the dnsmasq of an earlier mdserver that was killed", "pid", orphan.pid)
		err = errors.Join(err, orphan.stop(grace))
		orphan.release()
	}
	return err
}

// chooseStarter warns once if dnsmasq gets no user of its own. When it had one
// before, it keeps it: a dnsmasq that was taken over could otherwise become the
// server's user by ending the launcher.
func (c *Child) chooseStarter() (starter, error) {
	start, warning, err := c.choose(c.ownUser)
	if err != nil {
		return nil, err
	}
	c.ownUser = warning == ""
	if warning != "" && warning != c.state.warning {
		c.log.Warn(warning)
	}
	c.update(func(s *state) { s.warning = warning })
	return start, nil
}

// end stops the child by a signal, and by SIGKILL if that does not.
func (c *Child) end(p running, ended <-chan error, signal syscall.Signal) error {
	defer c.dropPIDFile(p.Pid())
	for _, sig := range slices.Compact([]syscall.Signal{signal, syscall.SIGKILL}) {
		if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stopping dnsmasq: %w", err)
		}
		select {
		case <-ended:
			return nil
		case <-time.After(grace):
		}
	}
	return fmt.Errorf("dnsmasq, process %d, does not end after SIGKILL; if mdserver-launcher.service hangs, restart it", p.Pid())
}
