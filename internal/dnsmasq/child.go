package dnsmasq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/files"
	"mdserver/internal/dnsmasq/lines"
)

const (
	// grace is the time between SIGTERM and SIGKILL. dnsmasq writes nothing that
	// a kill could lose.
	grace       = 500 * time.Millisecond
	testTimeout = 10 * time.Second
	alienPoll   = time.Second
)

// child runs dnsmasq as mdserver's own process: starts it, starts it again
// when it ends, stops it at the end. It stands back from a dnsmasq that the
// pid-file names and that we did not start, for as long as that one lives.
type child struct {
	settings host
	files    *files.Set
	log      *slog.Logger
	clients  lines.Clients
	ownUser  bool // dnsmasq was started as a user of its own; used by run alone
	cancel   context.CancelFunc
	done     chan struct{}
	again    chan syscall.Signal // asks for a restart; what ends the present dnsmasq

	mu       sync.Mutex
	changed  chan struct{} // closed at the next change of what follows
	current  *target
	epoch    int
	began    time.Time // the present or last run
	starts   int
	attempts attempts
	warning  string // why dnsmasq has no user of its own
}

func startChild(settings host, set *files.Set, log *slog.Logger, clients lines.Clients) *child {
	ctx, cancel := context.WithCancel(context.Background())
	c := &child{
		settings: settings, files: set, log: log, clients: clients, cancel: cancel,
		done: make(chan struct{}), again: make(chan syscall.Signal, 1), changed: make(chan struct{}),
	}
	go c.run(ctx)
	return c
}

func (c *child) run(ctx context.Context) {
	defer close(c.done)
	for ctx.Err() == nil {
		if alien := c.settings.fromPidFile(); alien != nil {
			c.standBack(ctx, alien)
			continue
		}
		ran, err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		var pause time.Duration
		c.update(func() { pause = c.attempts.ended(ran, err) })
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

// standBack leaves the field to an administrator's dnsmasq until it ends.
func (c *child) standBack(ctx context.Context, alien *process) {
	defer alien.release()
	c.log.Warn("another dnsmasq serves this network; mdserver treats it as external. To let mdserver run its own: "+
		"systemctl disable --now mdserver-dnsmasq.service, then restart mdserver", "pid", alien.pid)
	c.update(func() {
		c.epoch++
		c.attempts = attempts{}
		c.current = &target{pid: alien.pid, epoch: c.epoch, signal: c.settings.signaller(alien)}
	})
	for alien.alive() && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(alienPoll):
		}
	}
	c.update(func() { c.current = nil })
	if ctx.Err() == nil {
		c.log.Warn("the external dnsmasq has ended, mdserver starts its own", "pid", alien.pid)
	}
}

// once runs dnsmasq from start to end. It returns how long dnsmasq ran, and no
// error when the end was ours.
func (c *child) once(ctx context.Context) (ran time.Duration, err error) {
	if err := c.stopOrphans(); err != nil {
		return 0, err
	}
	written, err := c.files.Restore()
	if err != nil {
		c.log.Error("starting dnsmasq, although some of its files are not up to date", "error", err)
	}
	if len(written) > 0 {
		c.log.Warn(filesChanged, named(written)...)
	}
	start, err := c.chooseStarter()
	if err != nil {
		return 0, err
	}
	if err := c.settings.test(ctx, start, c.settings.ConfigFile()); err != nil {
		return 0, err
	}
	output := lines.New(c.log, c.clients)
	defer output.Close()
	select {
	case <-c.again: // what was asked for happens now
	default:
	}
	process, err := start([]string{"--keep-in-foreground", "--log-facility=-", content.ChildRecord, "--conf-file=" + c.settings.ConfigFile()}, output)
	if err != nil {
		return 0, fmt.Errorf("starting dnsmasq: %w", err)
	}
	c.writePidFile(process.Pid())
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	began := time.Now()
	c.update(func() {
		c.began = began
		c.epoch++
		c.starts++
		c.current = &target{pid: process.Pid(), epoch: c.epoch, ours: true, signal: process.Signal}
	})
	defer c.update(func() { c.current = nil })
	signal := syscall.SIGTERM
	select {
	case err := <-ended:
		return time.Since(began), output.Explain(err)
	case <-ctx.Done():
	case signal = <-c.again:
	}
	c.update(func() { c.current = nil })
	return time.Since(began), c.end(process, ended, signal)
}

// chooseStarter warns once if dnsmasq gets no user of its own. When it had one
// before, it keeps it: a dnsmasq that was taken over could otherwise become the
// server's user by ending the launcher.
func (c *child) chooseStarter() (starter, error) {
	start, warning, err := c.settings.starter(c.ownUser)
	if err != nil {
		return nil, err
	}
	c.ownUser = warning == ""
	if warning != "" && warning != c.warning {
		c.log.Warn(warning)
	}
	c.update(func() { c.warning = warning })
	return start, nil
}

// end stops the child by a signal, and by SIGKILL if that does not.
func (c *child) end(p running, ended <-chan error, signal syscall.Signal) error {
	defer c.dropPidFile(p.Pid())
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

// writePidFile tells administrators of our child. dnsmasq may not write where
// the control socket is.
func (c *child) writePidFile(pid int) {
	_ = os.Remove(c.settings.PIDFile()) // an earlier version's dnsmasq may have made it
	if err := os.WriteFile(c.settings.PIDFile(), fmt.Appendln(nil, pid), files.Mode); err != nil {
		c.log.Warn("dnsmasq's pid-file cannot be written", "error", err)
	}
}

func (c *child) dropPidFile(pid int) {
	text, err := os.ReadFile(c.settings.PIDFile())
	if err == nil && strings.TrimSpace(string(text)) == fmt.Sprint(pid) {
		_ = os.Remove(c.settings.PIDFile()) // a stale one is recognised anyway
	}
}

// stopOrphans ends what a killed mdserver left behind. It is not adopted,
// since its log and its end could not be followed.
func (c *child) stopOrphans() error {
	orphans, err := c.settings.orphans()
	for _, orphan := range orphans {
		c.log.Info("stopping the dnsmasq of an earlier mdserver that was killed", "pid", orphan.pid)
		err = errors.Join(err, orphan.stop(grace))
		orphan.release()
	}
	return err
}

// test has dnsmasq check a configuration, as the user that will read it.
func (s host) test(ctx context.Context, start starter, conf string) error {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	var out bytes.Buffer
	process, err := start([]string{"--test", "--conf-file=" + conf}, &out)
	if err == nil {
		kill := context.AfterFunc(ctx, func() { _ = process.Signal(syscall.SIGKILL) })
		err = process.Wait()
		kill()
	}
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("dnsmasq is not installed (package dnsmasq-base), or dnsmasq.binary is wrong: %w", err)
	case err != nil:
		return fmt.Errorf("dnsmasq refuses its configuration: %s: %w", strings.TrimSpace(out.String()), err)
	}
	return nil
}

func (c *child) update(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *child) peek() *target {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

func (c *child) wait(ctx context.Context) (*target, error) { return c.waitAfter(ctx, 0) }

// waitAfter waits for a dnsmasq that was started after the given epoch.
func (c *child) waitAfter(ctx context.Context, epoch int) (*target, error) {
	for {
		c.mu.Lock()
		current, changed, tried := c.current, c.changed, c.attempts
		c.mu.Unlock()
		if current != nil && current.epoch > epoch {
			return current, nil
		}
		if tried.failed >= hopeless {
			return nil, fmt.Errorf("dnsmasq does not run, mdserver keeps trying: %w", tried.last)
		}
		select {
		case <-changed:
		case <-c.done:
			return nil, errors.New("mdserver is stopping dnsmasq")
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for dnsmasq to start: %w", errors.Join(context.Cause(ctx), tried.last))
		}
	}
}

func (c *child) restart(ctx context.Context, signal syscall.Signal) error {
	c.mu.Lock()
	current, epoch := c.current, c.epoch
	c.mu.Unlock()
	if current != nil && !current.ours {
		return fmt.Errorf("restarting dnsmasq: %w", errNotOurs)
	}
	select {
	case c.again <- signal:
	default: // asked for already
	}
	_, err := c.waitAfter(ctx, epoch)
	return err
}

func (c *child) status(st *Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st.Restarts = max(c.starts-1, 0)
	st.Warning = strings.Join(slices.DeleteFunc([]string{st.Warning, c.warning}, func(w string) bool { return w == "" }), "; ")
	if trouble := c.attempts.trouble(c.current != nil, time.Since(c.began)); trouble != "" {
		st.LastError = trouble // newer than what a change met
	}
	if c.current == nil {
		st.Live = false
	} else {
		st.PID = c.current.pid
		if !c.current.ours {
			st.Mode = content.External
		}
	}
}

func (c *child) close() error {
	c.cancel()
	<-c.done
	return nil
}
