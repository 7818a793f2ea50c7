package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/files"
	"mdserver/internal/dnsmasq/lines"
	"mdserver/internal/dnsmasq/process"
	"mdserver/internal/instance"
)

// Service keeps one network's dnsmasq informed.
type Service struct {
	log      *slog.Logger
	reach    reach
	clients  lines.Clients
	declines declines

	// mu lets one of Start, Apply, Reconfigure and Close work at a time.
	mu       sync.Mutex
	settings host
	runner   process.Runner
	files    *files.Set // nil until they are first written
	guests   map[uuid.UUID][]content.Entry
	pub      publication
	care     care
	suspects map[uuid.UUID]bool // guests that dnsmasq knew otherwise the last time
	left     string             // why the administrator's lines are left out
	idle     bool               // dnsmasq is not started yet: its settings are refused, or its files cannot be written

	state sync.Mutex // guards what follows, so that Status never waits
	st    Status
	peer  process.Runner // the same as runner, for Status

	closed bool
	giveUp context.CancelFunc // ends the present wait
}

// Status is how a Service and its dnsmasq are.
type Status = api.Dnsmasq

var errClosed = errors.New("the service for dnsmasq is closed")

// New makes a Service that does nothing until Start.
func New(settings content.Settings, log *slog.Logger) *Service {
	return &Service{
		settings: newHost(settings), log: log, reach: onHost(), giveUp: func() {},
		runner: process.Absent{}, peer: process.Absent{}, guests: map[uuid.UUID][]content.Entry{}, suspects: map[uuid.UUID]bool{}, idle: true,
	}
}

// Start writes the files for all guests and starts dnsmasq, or finds the one
// that runs. It returns when dnsmasq serves them, or after a bounded wait: a
// dnsmasq that does not come up is logged and tried again, and is no error.
// An error means that the settings are unusable or a file cannot be written.
func (s *Service) Start(ctx context.Context, all []instance.Instance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start(ctx, all)
}

func (s *Service) start(ctx context.Context, all []instance.Instance) error {
	s.setTable(all)
	if s.settings.Mode == content.Off {
		s.setRunner(process.Absent{})
		s.report(nil)
		return nil
	}
	return s.begin(ctx)
}

// begin writes the files and starts dnsmasq, or finds the one that runs. If
// that fails before dnsmasq is started, Apply and CatchUp try again.
func (s *Service) begin(ctx context.Context) error {
	if s.isClosed() {
		return errClosed
	}
	before, err := s.prepare(ctx)
	if s.idle = err != nil; s.idle {
		s.setRunner(process.Absent{})
		s.report(err)
		return err
	}
	s.setRunner(s.reach.run(s))
	ctx, cancel := s.bound(ctx, s.startPatience())
	defer cancel()
	err = s.bringUp(ctx, s.departed(before))
	if err != nil {
		s.log.Error("dnsmasq does not serve the guests yet", "error", err)
	}
	s.report(err)
	return nil
}

// startPatience bounds the wait for a dnsmasq that starts. While the network is
// down, it does not answer.
func (s *Service) startPatience() time.Duration {
	if _, err := s.dns().Address(); err != nil {
		return deafPatience
	}
	return startPatience + s.reloadPatience()
}

// prepare writes all files and returns the leases that the old ones granted.
func (s *Service) prepare(ctx context.Context) ([]content.Binding, error) {
	if err := s.settings.Check(); err != nil {
		return nil, err
	}
	s.files = files.New(s.settings.Place)
	if err := s.files.MakeDirs(); err != nil {
		return nil, err
	}
	old, err := os.ReadFile(s.settings.DHCPFile())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("leases of removed guests are not released, because dnsmasq's previous file cannot be read", "error", err)
	}
	s.left = ""
	if err := s.settings.dropFurther(ctx); err != nil {
		s.left = err.Error()
		s.log.Error("a file for dnsmasq is omitted", "error", err)
	}
	text, digest := s.settings.Configuration()
	s.pub = publication{config: digest}
	_, err = s.writeAll(text)
	return content.Bindings(string(old)), err
}

// departed picks the leases that no guest has any more.
func (s *Service) departed(before []content.Binding) []content.Binding {
	current := map[content.Binding]bool{}
	for e := range s.all() {
		current[e.Lease] = true
	}
	var gone []content.Binding
	for _, lease := range before {
		if !current[lease] {
			gone = append(gone, lease)
		}
	}
	return gone
}

// Apply makes a batch of changes known. It returns when all of them are live in
// DHCP and in DNS. An error says that they are not, or not known to be; the files
// are written in any case, so that dnsmasq's next reload or start finds them. If
// another service is responsible for dnsmasq and it does not run, Apply does not
// wait, and the log reports it once.
func (s *Service) Apply(ctx context.Context, events []instance.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	change := s.take(events)
	switch {
	case s.settings.Mode == content.Off:
		return nil
	case s.idle:
		return s.begin(ctx)
	case change.none() && !s.pub.stale:
		return nil
	}
	err := s.publish(ctx, change)
	s.report(err)
	return err
}

// Reconfigure applies new settings, and publishes all guests again. dnsmasq is
// restarted only if its configuration has changed. A configuration that dnsmasq
// refuses is an error; the old one continues to serve.
func (s *Service) Reconfigure(ctx context.Context, settings content.Settings, all []instance.Instance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := newHost(settings)
	if err := errors.Join(wanted.Check(), wanted.linesErr); err != nil {
		return err
	}
	if !wanted.SamePlace(s.settings.Settings) || wanted.Mode == content.Off || s.idle {
		err := s.stop()
		s.settings = wanted
		return errors.Join(err, s.start(ctx, all))
	}
	err := s.reconfigure(ctx, wanted, all)
	s.report(err)
	return err
}

func (s *Service) reconfigure(ctx context.Context, settings host, all []instance.Instance) error {
	text, digest := settings.Configuration()
	if digest != s.pub.config {
		if err := settings.tryOut(ctx, text); err != nil {
			return err
		}
		s.pub.config, s.pub.heard, s.pub.outlived = digest, false, true
	}
	s.left = "" // or the further lines would have been refused
	before := s.leases()
	s.settings = settings
	s.setTable(all)
	if len(s.pub.small) > 0 {
		s.pub.reloads++ // dnsmasq holds more than the compact files, so these must differ
	}
	changed, err := s.writeAll(text)
	if err != nil {
		s.depart(s.departed(before))
		return err
	}
	if !changed && !s.pub.stale {
		return nil
	}
	ctx, cancel := s.bound(ctx, startPatience+s.reloadPatience())
	defer cancel()
	return s.takeOver(ctx, false, s.departed(before))
}

// writeAll writes every file, and reports whether one changed.
func (s *Service) writeAll(configuration string) (bool, error) {
	errDirs := s.files.MakeDirs()
	conf, errConf := s.files.Put(s.settings.ConfigFile(), configuration, true)
	opts, errOpts := s.files.Put(s.settings.OptionsFile(), s.options(), true)
	s.pub.mtus = s.mtus()
	hosts, errHosts := s.writeCompact()
	err := errors.Join(errDirs, errConf, errOpts, errHosts)
	if s.pub.unwritten = err != nil; s.pub.unwritten {
		s.pub.stale = true
	}
	return conf || opts || hosts, err
}

// Status tells the present state. It never waits for a change under way.
func (s *Service) Status() Status {
	s.state.Lock()
	st, peer := s.st, s.peer
	s.state.Unlock()
	peer.Report(&st)
	return st
}

// Close stops the child and waits for all goroutines of the Service. An external
// dnsmasq continues to run.
func (s *Service) Close() error {
	s.state.Lock()
	s.closed = true
	s.giveUp() // so that the lock is free soon
	s.state.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop()
}

func (s *Service) stop() error {
	err := s.runner.Close()
	s.setRunner(process.Absent{})
	return err
}

func (s *Service) setRunner(r process.Runner) {
	s.runner = r
	s.state.Lock()
	defer s.state.Unlock()
	s.peer = r
	s.st.Mode = s.settings.Mode
}

// report keeps the outcome of a change for Status.
func (s *Service) report(err error) {
	s.state.Lock()
	defer s.state.Unlock()
	s.st.Since = time.Now()
	s.st.Live = err == nil && s.pub.revision != ""
	s.st.Revision = s.pub.revision
	s.st.Guests = len(s.guests)
	s.st.LastError, s.st.Warning = "", s.left
	if err != nil {
		s.st.LastError = err.Error()
	}
}

// bound limits a wait, also by Close. There is one wait at a time.
func (s *Service) bound(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("gave up after %v", limit.Round(time.Millisecond)))
	s.state.Lock()
	defer s.state.Unlock()
	s.giveUp = cancel
	if s.closed {
		cancel()
	}
	return ctx, cancel
}

func (s *Service) isClosed() bool {
	s.state.Lock()
	defer s.state.Unlock()
	return s.closed
}
