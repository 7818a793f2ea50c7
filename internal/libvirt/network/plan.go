package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"mdserver/internal/instance"
)

// entry is one guest's entry in libvirt's network. In an entry that is noted as
// mdserver's, the MAC is zero if the DHCP entry is foreign, and there are no names
// if the DNS entry is foreign.
type entry struct {
	MAC   instance.MAC `json:"mac"`
	IP    netip.Addr   `json:"ip"`
	Name  string       `json:"name,omitempty"`  // option 12, or empty
	Names []string     `json:"names,omitempty"` // in DNS, the first is what PTR answers
}

func (e entry) dhcp() dhcpHost { return dhcpHost{MAC: e.MAC, IP: e.IP, Name: e.Name} }
func (e entry) dns() dnsHost   { return dnsHost{IP: e.IP, Names: e.Names} }

// step is one update of the network's definition.
type step struct {
	remove bool
	dhcp   *dhcpHost
	dns    *dnsHost
}

// plan is how a definition comes to hold the wanted entries.
type plan struct {
	steps    []step
	problems []string
}

// makePlan compares a definition with what is wanted. ours are the entries that
// mdserver made at any time: of those the definition still has as they were
// made, the ones not wanted go. All others are not mdserver's, and stay. What
// contradicts one of them is left out, and is a problem. A network without DNS
// takes no names.
func makePlan(d definition, wanted, ours []entry) plan {
	p := plan{}
	d.Hosts = p.removeHosts(d.Hosts, wanted, ours)
	if d.ServeDNS {
		d.Names = p.removeNames(d.Names, wanted, ours)
	}
	for _, e := range wanted {
		p.addHost(d.Hosts, e.dhcp())
		if d.ServeDNS {
			p.addNames(d.Names, e.dns())
		}
	}
	return p
}

// removeHosts plans what goes, and returns what stays.
func (p *plan) removeHosts(hosts []dhcpHost, wanted, ours []entry) []dhcpHost {
	return slices.DeleteFunc(slices.Clone(hosts), func(h dhcpHost) bool {
		gone := hasHost(ours, h) && !hasHost(wanted, h)
		if gone {
			p.steps = append(p.steps, step{remove: true, dhcp: &h})
		}
		return gone
	})
}

// removeNames plans removals, and returns the entries that stay: foreign ones, and
// those that are right already.
func (p *plan) removeNames(names []dnsHost, wanted, ours []entry) []dnsHost {
	isOurs := func(h dnsHost) bool { return hasNames(ours, h) }
	foreign := slices.DeleteFunc(slices.Clone(names), isOurs)
	return slices.DeleteFunc(slices.Clone(names), func(h dnsHost) bool {
		asWanted := slices.ContainsFunc(wanted, func(e entry) bool {
			left, _ := without(e.dns(), foreign)
			return left.equal(h)
		})
		gone := isOurs(h) && !asWanted
		if gone {
			p.steps = append(p.steps, step{remove: true, dns: &dnsHost{IP: h.IP}})
		}
		return gone
	})
}

// without leaves out the names that other addresses have already.
func without(h dnsHost, others []dnsHost) (left dnsHost, taken []string) {
	left.IP = h.IP
	for _, name := range h.Names {
		if slices.ContainsFunc(others, func(o dnsHost) bool { return o.IP != h.IP && slices.Contains(o.Names, name) }) {
			taken = append(taken, name)
			continue
		}
		left.Names = append(left.Names, name)
	}
	return left, taken
}

func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
}

// addHost plans a DHCP entry. libvirt refuses it if another entry has its MAC,
// address or name.
func (p *plan) addHost(hosts []dhcpHost, h dhcpHost) {
	for _, other := range hosts {
		switch {
		case other.MAC == h.MAC && other.IP == h.IP:
			return // there already
		case other.MAC == h.MAC, other.IP == h.IP:
			p.problem("%s cannot get %s: the network has another entry for %s, %s", h.MAC, h.IP, other.MAC, other.IP)
			return
		case h.Name != "" && other.Name == h.Name:
			h.Name = ""
		}
	}
	p.steps = append(p.steps, step{dhcp: &h})
}

// addNames plans a DNS entry. libvirt refuses it if another entry has its address
// or a name.
func (p *plan) addNames(names []dnsHost, h dnsHost) {
	left, taken := without(h, names)
	if len(taken) > 0 {
		p.problem("%s does not get these names, because other DNS entries of the network have them: %s", h.IP, strings.Join(taken, ", "))
	}
	at := slices.IndexFunc(names, func(o dnsHost) bool { return o.IP == h.IP })
	switch {
	case at >= 0 && !names[at].equal(left):
		p.problem("%s shares names with other DNS entries of the network: %s", h.IP, strings.Join(names[at].Names, ", "))
	case at < 0 && len(left.Names) > 0:
		p.steps = append(p.steps, step{dns: &left})
	}
}

func (p *plan) problem(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

func (e entry) equal(o entry) bool {
	return e.dhcp() == o.dhcp() && slices.Equal(e.Names, o.Names)
}

// union is all entries of both lists, each once.
func union(a, b []entry) []entry {
	all := slices.Clone(a)
	for _, e := range b {
		if !slices.ContainsFunc(all, e.equal) {
			all = append(all, e)
		}
	}
	return all
}

// mine are the wanted entries that mdserver may remove one day: all except foreign
// ones in a definition.
func mine(wanted, before []entry, definitions ...definition) []entry {
	var list []entry
	for _, e := range wanted {
		for _, d := range definitions {
			if slices.ContainsFunc(d.Hosts, func(h dhcpHost) bool { return (h.MAC == e.MAC || h.IP == e.IP) && !hasHost(before, h) }) {
				e.MAC, e.Name = instance.MAC{}, ""
			}
			if slices.ContainsFunc(d.Names, func(h dnsHost) bool { return h.IP == e.IP && !hasNames(before, h) }) {
				e.Names = nil
			}
		}
		list = append(list, e)
	}
	return list
}

// hasHost reports whether a DHCP entry is one of these. It may lack its name,
// because a foreign entry had it.
func hasHost(entries []entry, h dhcpHost) bool {
	return slices.ContainsFunc(entries, func(e entry) bool {
		return !e.MAC.IsZero() && e.MAC == h.MAC && e.IP == h.IP && (h.Name == e.Name || h.Name == "")
	})
}

// hasNames reports whether a DNS entry is one of these. It may lack names.
func hasNames(entries []entry, h dnsHost) bool {
	return slices.ContainsFunc(entries, func(e entry) bool {
		return e.IP == h.IP && len(h.Names) > 0 && contains(e.Names, h.Names)
	})
}
