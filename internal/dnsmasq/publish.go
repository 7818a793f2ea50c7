package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/probe"
	"mdserver/internal/dnsmasq/process"
	"mdserver/internal/instance"
)

const (
	patience      = 2 * time.Second
	startPatience = 5 * time.Second
	deafPatience  = 300 * time.Millisecond
	// mostSmall is how many small files may lie in a watched directory.
	mostSmall = 1000
	// mostDeparted is how many leases of guests that are gone are remembered, for
	// each family of addresses. Beyond that, dnsmasq is restarted and forgets all.
	mostDeparted = 4096
)

// publication is what the files hold and what dnsmasq is known to have read.
type publication struct {
	config   string           // digest of mds.conf
	compact  content.Marker   // of the compact files
	folded   bool             // dnsmasq has read their content from small files, but not their marker
	small    []content.Marker // of the files in the watched directories
	number   int              // of the last small file since dnsmasq read its directories
	reloads  int              // makes each compact file's marker another
	stale    bool             // the files lag behind the table, or dnsmasq behind the files
	deaf     bool             // DNS did not answer the last time
	outlived bool             // dnsmasq runs with a configuration, or watches directories, that are no longer ours

	unwritten bool // a file could not be written

	warned   bool   // that dnsmasq is absent
	revision string // confirmed by dnsmasq

	epoch    int               // of the dnsmasq that the other fields describe
	heard    bool              // it has answered, and can be signalled
	modern   bool              // it runs with the present configuration
	mtus     map[int]bool      // that the options file has
	departed []content.Binding // leases that it may hold for guests that are gone

	// leased6 are the same of IPv6, and cannot be released.
	leased6 map[netip.Addr]instance.MAC
}

// publish writes what a change needs and has dnsmasq read it.
func (s *Service) publish(ctx context.Context, c change) error {
	limit := patience + s.reloadPatience()
	if s.pub.deaf {
		limit = deafPatience
	}
	ctx, cancel := s.bound(ctx, limit)
	defer cancel()
	if s.files.Moved() {
		s.pub.stale, s.pub.outlived = true, true
	}
	if len(c.past) == 0 && !s.pub.stale && s.hasOptions(c.fresh) && s.watches(ctx, s.runner.Peek()) && !s.conflict6(c.fresh) {
		return s.publishNew(ctx, c.fresh)
	}
	s.pub.stale = true
	s.pub.reloads++
	text, _ := s.settings.Configuration()
	if _, err := s.writeAll(text); err != nil {
		s.depart(s.released(c))
		return err
	}
	s.remember6(c.past)
	return s.takeOver(ctx, s.conflict6(c.added()), s.released(c))
}

// watches reports whether new guests can be told by small files: dnsmasq runs
// with our configuration, or will when it starts.
func (s *Service) watches(ctx context.Context, t *process.Running) bool {
	s.follow(t)
	if t == nil || t.Ours {
		return true
	}
	return s.hear(ctx, t) == nil && s.pub.modern
}

// publishNew publishes new guests, in one file for all of them.
func (s *Service) publishNew(ctx context.Context, fresh []content.Entry) error {
	s.pub.number++
	name := fmt.Sprintf("%08d", s.pub.number)
	batch := content.Compact(fresh, "n"+name+"."+content.LiveName, s.pub.config)
	s.pub.stale = true
	_, errDHCP := s.files.Put(filepath.Join(s.settings.DHCPDir(), name), batch.DHCP, false)
	_, errDNS := s.files.Put(filepath.Join(s.settings.DNSDir(), name), batch.DNS, false)
	if err := errors.Join(errDHCP, errDNS); err != nil {
		s.pub.unwritten = true
		return err
	}
	s.pub.small = append(s.pub.small, batch.Marker)
	t, err := s.serving(ctx)
	if err != nil {
		return err
	}
	if t != nil {
		if err := s.confirm(ctx, batch.Marker); err != nil {
			return err
		}
		if err := s.verify(ctx, fresh); err != nil {
			return err
		}
	}
	s.pub.stale = false
	if len(s.pub.small) >= mostSmall {
		return s.fold()
	}
	return nil
}

// fold moves the content of the small files into the compact ones. dnsmasq
// holds it already and need not be told: it watches neither the compact files
// nor what is moved out of the watched directories.
func (s *Service) fold() error {
	number := s.pub.number // dnsmasq remembers the names of files it has read
	_, err := s.writeCompact()
	s.pub.number, s.pub.folded = number, err == nil
	return err
}

// writeCompact writes all guests into the compact files and empties the
// watched directories. It reports whether a compact file changed.
func (s *Service) writeCompact() (bool, error) {
	files := content.Compact(s.entries(), content.LiveName, fmt.Sprint(s.pub.reloads), s.pub.config, s.options())
	dhcp, errDHCP := s.files.Put(s.settings.DHCPFile(), files.DHCP, true)
	dns, errDNS := s.files.Put(s.settings.DNSFile(), files.DNS, true)
	if err := errors.Join(errDHCP, errDNS); err != nil {
		return true, err
	}
	s.pub.compact = files.Marker
	s.pub.small, s.pub.number = nil, 0
	return dhcp || dns, s.files.EmptyWatched()
}

// bringUp waits until a dnsmasq that was just started or found serves the
// compact files. Our own was started after they were written.
func (s *Service) bringUp(ctx context.Context, departed []content.Binding) error {
	s.pub.stale = true
	t, err := s.serving(ctx)
	if err == nil && t != nil && t.Ours {
		if err = s.confirm(ctx, s.pub.compact); err == nil {
			s.pub.heard, s.pub.stale, s.pub.outlived = true, false, false
		}
		return err
	}
	return s.takeOver(ctx, false, departed)
}

// takeOver has dnsmasq read the compact files, and forget the leases of the
// guests that are gone.
func (s *Service) takeOver(ctx context.Context, restart bool, departed []content.Binding) error {
	s.pub.stale = true
	s.depart(departed)
	t, err := s.serving(ctx)
	if err != nil {
		return err
	}
	switch {
	case t == nil: // the next dnsmasq reads the files when it starts
	case restart || s.pub.outlived:
		err = s.replace(ctx, t)
	default:
		err = s.reload(ctx, t)
	}
	if err == nil {
		s.pub.stale, s.pub.outlived, s.pub.departed = false, false, nil
	}
	return err
}

// replace restarts the child, which forgets all leases. An external dnsmasq is
// reloaded instead.
func (s *Service) replace(ctx context.Context, t *process.Running) error {
	err := s.runner.Restart(ctx, syscall.SIGTERM)
	if errors.Is(err, process.ErrNotOurs) {
		s.log.Warn("restart dnsmasq to apply the whole change; mdserver does not run it", "pid", t.PID)
		s.pub.heard, s.pub.modern = true, false // it may watch other directories
		return s.reload(ctx, t)
	}
	if err != nil {
		return err
	}
	return s.confirm(ctx, s.pub.compact)
}

// reload sends SIGHUP, waits until dnsmasq has read the compact files, and
// releases leases. A child that has never answered may not have got as far as
// to catch the signal, and would die of it.
func (s *Service) reload(ctx context.Context, t *process.Running) error {
	if err := s.hear(ctx, t); err != nil && t.Ours {
		return err
	}
	if err := t.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("signalling dnsmasq, process %d: %w", t.PID, err)
	}
	if err := s.confirm(ctx, s.pub.compact); err != nil {
		return err
	}
	return s.dns().Release(ctx, s.pub.departed)
}

// follow takes note that another dnsmasq serves now.
func (s *Service) follow(t *process.Running) {
	if t == nil || t.Epoch == s.pub.epoch {
		return
	}
	s.pub.epoch, s.pub.heard, s.pub.modern, s.pub.leased6, s.pub.folded = t.Epoch, false, t.Ours, nil, false
}

// hear waits for the first answer of a dnsmasq, and so finds out which
// configuration it has.
func (s *Service) hear(ctx context.Context, t *process.Running) error {
	if s.follow(t); s.pub.heard {
		return nil
	}
	texts, err := s.dns().FirstAnswer(ctx)
	if err != nil {
		return s.deafened(err)
	}
	s.heardFrom(t, texts)
	return nil
}

// serving waits for a dnsmasq that runs. It returns none, and no error, if another
// service is responsible for it and it does not run; the log reports that once.
func (s *Service) serving(ctx context.Context) (*process.Running, error) {
	t, err := s.runner.Wait(ctx)
	if err != nil {
		return nil, err
	}
	s.follow(t)
	if t == nil && !s.pub.warned {
		s.log.Warn("dnsmasq does not run, so guests get no addresses", "pid_file", s.settings.ExternalPIDFile(),
			"start_with", "systemctl start mdserver-dnsmasq.service, or "+s.settings.Binary+" --conf-file="+s.settings.ConfigFile())
	}
	s.pub.warned = t == nil
	return t, nil
}

// confirm waits until dnsmasq answers with the marker of the files.
func (s *Service) confirm(ctx context.Context, m content.Marker) error {
	if err := s.dns().Await(ctx, m.Name, m.Address); err != nil {
		return s.deafened(err)
	}
	s.pub.deaf = false
	s.pub.folded = s.pub.folded && m != s.pub.compact
	s.pub.revision = m.Revision()
	return nil
}

// deafened explains that dnsmasq does not answer, and remembers whether any
// process listens: if none does, the next change waits for a shorter time.
func (s *Service) deafened(err error) error {
	s.pub.deaf = errors.Is(err, probe.ErrNoAddress) || errors.Is(err, syscall.ECONNREFUSED)
	return fmt.Errorf("dnsmasq has not applied the change (see its log, and `ip address show %s`): %w",
		s.settings.Interface, err)
}

// verify asks for the first name of each guest. dnsmasq has read the file, so
// what it does not know by now it did not accept.
func (s *Service) verify(ctx context.Context, fresh []content.Entry) error {
	p, err := s.dns().Dial(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	var missing []string
	for _, e := range fresh {
		ok, err := probe.Known(ctx, p, e)
		if err != nil {
			return err
		}
		if !ok {
			missing = append(missing, e.Names[0])
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("dnsmasq did not accept %s; see its log", strings.Join(missing, ", "))
	}
	return nil
}

// reloadPatience is the longer wait that a SIGHUP with many hosts needs:
// dnsmasq compares each with each. It takes 5 s for 50,000; four times that
// is allowed.
func (s *Service) reloadPatience() time.Duration {
	thousands := float64(len(s.guests)) / 1000
	return time.Duration(thousands * thousands * 8 * float64(time.Millisecond))
}

// depart keeps the IPv4 leases that dnsmasq is to release.
func (s *Service) depart(leases []content.Binding) {
	s.pub.departed = append(s.pub.departed, leases...)
	if len(s.pub.departed) > mostDeparted {
		s.pub.departed, s.pub.outlived = nil, true
	}
}

// remember6 keeps the IPv6 leases that dnsmasq will not forget.
func (s *Service) remember6(past []content.Entry) {
	for _, e := range past {
		if !e.Lease6.Valid() {
			continue
		}
		if s.pub.leased6 == nil {
			s.pub.leased6 = map[netip.Addr]instance.MAC{}
		}
		s.pub.leased6[e.Lease6.Addr] = e.Lease6.MAC
	}
	if len(s.pub.leased6) > mostDeparted {
		s.pub.leased6, s.pub.outlived = nil, true
	}
}

// conflict6 reports whether a guest needs an address that dnsmasq may hold
// for another: then only a restart makes it forget.
func (s *Service) conflict6(added []content.Entry) bool {
	return s.settings.Network6.IsValid() && slices.ContainsFunc(added, func(e content.Entry) bool {
		mac, leased := s.pub.leased6[e.Lease6.Addr]
		return leased && mac != e.Lease6.MAC
	})
}
