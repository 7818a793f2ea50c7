package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/network/entries"
)

// converge makes the network's definitions hold the guests' entries, and no
// others of mdserver's.
func (s *Service) converge(ctx context.Context) error {
	err := s.convergeOnce(ctx)
	s.report(err)
	return err
}

func (s *Service) convergeOnce(ctx context.Context) error {
	now, err := s.read(ctx)
	if err != nil {
		return err
	}
	wanted, before := s.wanted(), s.ours
	kept := entries.Mine(wanted, before, now.config, now.live)
	if err := s.remember(ctx, entries.Union(before, kept)); err != nil {
		return err
	}
	var problems []string
	for _, side := range now.sides() {
		p := entries.MakePlan(side.is, wanted, before)
		refused, err := s.client().update(ctx, now, p.Steps, side.flag)
		if err != nil {
			return err
		}
		problems = append(problems, p.Problems...)
		for _, r := range refused {
			problems = append(problems, r.String())
		}
	}
	if most, leases := now.current().Leases, countLeases(wanted); most > 0 && leases > most {
		problems = append(problems, fmt.Sprintf("%d interfaces of guests are on the network, but its DHCP range limits libvirt to %d leases; "+
			"widen <range> with `virsh net-edit %s`, then restart the network", leases, most, s.set().Name))
	}
	if now.active {
		if problem := s.dns.problem(ctx, now.live, served(now.live, wanted)); problem != "" {
			problems = append(problems, problem)
		}
	}
	s.complain(problems)
	s.forgetLeases(ctx, now, before, wanted)
	return s.remember(ctx, kept)
}

// countLeases counts the entries for DHCP.
func countLeases(wanted []entries.Entry) (count int) {
	for _, e := range wanted {
		if !e.MAC.IsZero() {
			count++
		}
	}
	return count
}

// forgetLeases ends leases that contradict the entries.
func (s *Service) forgetLeases(ctx context.Context, now state, before, wanted []entries.Entry) {
	for _, lease := range entries.Stale(now.leases, before, wanted) {
		if err := s.release(ctx, now.live.Gateway, lease.MAC, lease.IP); err != nil {
			s.log.Warn("a lease of libvirt's network remains after its guest was removed", "mac", lease.MAC, "address", lease.IP, "error", err)
		}
	}
}

// served are the guests whose names the network's definition had at the last
// look, so that DNS should know them.
func served(d entries.Definition, wanted []entries.Entry) []entries.Entry {
	return slices.DeleteFunc(slices.Clone(wanted), func(e entries.Entry) bool {
		return !slices.ContainsFunc(d.Names, func(h entries.DNSHost) bool { return h.Equal(e.DNS()) })
	})
}

// complain says once what cannot be.
func (s *Service) complain(problems []string) {
	slices.Sort(problems)
	problems = slices.Compact(problems)
	for _, problem := range problems {
		if !slices.Contains(s.problems, problem) {
			s.log.Warn("libvirt's network is in conflict with a guest", "problem", problem)
		}
	}
	s.problems = problems
}

// wanted are the guests' entries, in a stable order. The guest's names are those
// of its first interface on the network; the others have none. A guest that another
// host serves, or whose address is in the range of another host, only has names.
func (s *Service) wanted() []entries.Entry {
	s.state.Lock()
	defer s.state.Unlock()
	var list []entries.Entry
	domain := s.view.Domain
	for _, guest := range s.guests {
		for i, place := range guest.AllOn(s.settings.Name) {
			if !place.IPv4.IsValid() {
				continue
			}
			e := entries.Entry{IP: place.IPv4}
			if guest.ServedBy(s.settings.HostID) && s.here(place.IPv4) {
				e.MAC = place.MAC
			}
			if i == 0 {
				e.Name = instance.DHCPName(guest.Hostname, domain)
				e.Names = instance.HostNames(guest.Hostname, s.settings.Prefix, domain, s.settings.EntryOrder)
			}
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b entries.Entry) int { return a.IP.Compare(b.IP) })
	return list
}

// here reports whether the network has an address, as far as libvirt has described it.
func (s *Service) here(addr netip.Addr) bool {
	return !s.view.IPv4.IsValid() || s.view.IPv4.Masked().Contains(addr)
}

func (s *Service) report(err error) {
	failed := err != nil
	if err == nil && len(s.problems) > 0 {
		err = errors.New(s.problems[0])
	}
	s.state.Lock()
	defer s.state.Unlock()
	s.unanswered = failed
	s.st = Status{Connected: s.conn != nil, Active: s.view.Active, Entries: len(s.ours), Leases: s.view.Leases}
	switch {
	case err != nil:
		s.st.LastError = err.Error()
	case !s.view.Active:
		s.st.LastError = "libvirt does not run the network; `virsh net-start " + s.settings.Name + "` starts it"
	}
}

func (s *Service) noteKey() string { return notePrefix + s.set().Name }
func (s *Service) viewKey() string { return "libvirt_view/" + s.set().Name }

// noteView keeps a view for a start while libvirt does not answer.
func (s *Service) noteView(ctx context.Context, v View) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("noting the network's state: %w", err)
	}
	if err := s.notes.SetNote(ctx, s.viewKey(), string(text)); err != nil {
		return fmt.Errorf("noting the network's state: %w", err)
	}
	return nil
}

// remember notes which entries may be mdserver's.
func (s *Service) remember(ctx context.Context, list []entries.Entry) error {
	if slices.EqualFunc(s.ours, list, entries.Entry.Equal) {
		return nil
	}
	text, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("noting the network's entries: %w", err)
	}
	if err := s.notes.SetNote(ctx, s.noteKey(), string(text)); err != nil {
		return fmt.Errorf("noting the network's entries: %w", err)
	}
	s.ours = list
	return nil
}
