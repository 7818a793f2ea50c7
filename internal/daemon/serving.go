package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"mdserver/internal/config"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt/network"
)

// server makes the guests of one network known to its DHCP and DNS.
type server interface {
	Start(ctx context.Context, all []instance.Instance) error
	Apply(ctx context.Context, events []instance.Event) error
	Close() error
}

// member is one network and what serves it.
type member struct {
	config.Network
	server
}

// heardOn takes what a DHCP client and dnsmasq said to each other on a network.
type heardOn func(network string, mac instance.MAC, message string)

// serving is what serves DHCP and DNS, one server for each network. Its methods
// but status are called one at a time.
type serving struct {
	log     *slog.Logger
	notes   network.Notes
	changed func() // called when libvirt tells something else of a network
	heard   heardOn
	known   dnsmasq.Known

	mu      sync.Mutex // of members, for those who only look
	members []*member
}

func newServing(cfg *config.Config, notes network.Notes, changed func(), heard heardOn, known dnsmasq.Known, log *slog.Logger) *serving {
	s := &serving{log: log, notes: notes, changed: changed, heard: heard, known: known}
	for _, n := range cfg.Networks {
		s.members = append(s.members, s.member(cfg, n))
	}
	return s
}

func (s *serving) member(cfg *config.Config, n config.Network) *member {
	log := s.log.With("part", n.Backend, "network", n.Name)
	if n.Backend == config.BackendLibvirt {
		return &member{n, network.New(libvirtSettings(cfg, n), s.notes, func(network.View) { s.changed() }, log)}
	}
	service := dnsmasq.New(dnsmasqSettings(cfg, n), log)
	service.OnDHCP(func(mac instance.MAC, message string) { s.heard(n.Name, mac, message) }, s.known)
	return &member{n, service}
}

// each lets all members work at the same time, and waits for them.
func (s *serving) each(members []*member, work func(*member) error) error {
	errs := make([]error, len(members))
	var working sync.WaitGroup
	for i, m := range members {
		working.Go(func() {
			if err := work(m); err != nil {
				errs[i] = fmt.Errorf("network %s: %w", m.Name, err)
			}
		})
	}
	working.Wait()
	return errors.Join(errs...)
}

func (s *serving) start(ctx context.Context, all []instance.Instance) error {
	return s.each(s.list(), func(m *member) error { return m.Start(ctx, all) })
}

func (s *serving) apply(ctx context.Context, events []instance.Event) error {
	return s.each(s.list(), func(m *member) error { return m.Apply(ctx, events) })
}

// catchUp looks after the dnsmasqs. libvirt's networks look after themselves.
func (s *serving) catchUp(ctx context.Context) {
	_ = s.each(s.list(), func(m *member) error {
		if server, ok := m.server.(*dnsmasq.Service); ok {
			server.CatchUp(ctx)
		}
		return nil
	})
}

func (s *serving) close() error {
	return s.each(s.list(), func(m *member) error { return m.Close() })
}

// reconfigure goes over to the networks of another configuration: those that
// are gone are closed first, since others may take their bridge or addresses.
func (s *serving) reconfigure(ctx context.Context, cfg *config.Config, all []instance.Instance) error {
	var next, fresh, kept, gone []*member
	old := s.list()
	for _, n := range cfg.Networks {
		if running := find(old, n); running != nil {
			kept = append(kept, &member{n, running.server})
			next = append(next, kept[len(kept)-1])
			continue
		}
		fresh = append(fresh, s.member(cfg, n))
		next = append(next, fresh[len(fresh)-1])
	}
	for _, m := range old {
		if !slices.ContainsFunc(next, func(n *member) bool { return n.server == m.server }) {
			gone = append(gone, m)
		}
	}
	errGone := s.each(gone, func(m *member) error { return m.retire(ctx) })
	s.set(next)
	errKept := s.each(kept, func(m *member) error { return m.reconfigure(ctx, cfg, all) })
	errFresh := s.each(fresh, func(m *member) error { return m.Start(ctx, all) })
	return errors.Join(errGone, errKept, errFresh)
}

func (m *member) reconfigure(ctx context.Context, cfg *config.Config, all []instance.Instance) error {
	switch server := m.server.(type) {
	case *dnsmasq.Service:
		return server.Reconfigure(ctx, dnsmasqSettings(cfg, m.Network), all)
	case *network.Service:
		return server.Reconfigure(ctx, libvirtSettings(cfg, m.Network), all)
	}
	return nil
}

// retire ends the service of a network that is no longer ours.
func (m *member) retire(ctx context.Context) error {
	var err error
	if server, ok := m.server.(*network.Service); ok {
		err = server.Retire(ctx)
	}
	return errors.Join(err, m.Close())
}

// views are what libvirt tells of the networks that it runs.
func (s *serving) views() map[string]network.View {
	views := map[string]network.View{}
	for _, m := range s.list() {
		if server, ok := m.server.(*network.Service); ok {
			views[m.Name] = server.View()
		}
	}
	return views
}

// refresh brings those views up to date.
func (s *serving) refresh(ctx context.Context) {
	for _, m := range s.list() {
		if server, ok := m.server.(*network.Service); ok {
			server.Refresh(ctx)
		}
	}
}

// find is the member that can go on serving n.
func find(members []*member, n config.Network) *member {
	i := slices.IndexFunc(members, func(m *member) bool { return m.Name == n.Name && m.Backend == n.Backend })
	if i < 0 {
		return nil
	}
	return members[i]
}

func (s *serving) list() []*member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members
}

func (s *serving) set(members []*member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = members
}
