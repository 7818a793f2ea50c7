package entries

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"mdserver/internal/instance"
)

// Entry is one guest's entry in libvirt's network. In an entry that is noted as
// mdserver's, the MAC is zero if the DHCP entry is foreign, and there are no names
// if the DNS entry is foreign.
type Entry struct {
	MAC   instance.MAC `json:"mac"`
	IP    netip.Addr   `json:"ip"`
	Name  string       `json:"name,omitempty"`  // option 12, or empty
	Names []string     `json:"names,omitempty"` // in DNS, the first is what PTR answers
}

// DHCP returns the entry for DHCP.
func (e Entry) DHCP() DHCPHost { return DHCPHost{MAC: e.MAC, IP: e.IP, Name: e.Name} }

// DNS returns the entry for DNS.
func (e Entry) DNS() DNSHost { return DNSHost{IP: e.IP, Names: e.Names} }

// Step is one update of the network's definition. One of DHCP and DNS is set.
type Step struct {
	Remove bool // the entry is removed, not added
	DHCP   *DHCPHost
	DNS    *DNSHost
}

// XML returns the entry as an update of the network takes it.
func (s Step) XML() string {
	if s.DHCP != nil {
		return s.DHCP.xml()
	}
	return s.DNS.xml()
}

// Plan says how a definition comes to hold the wanted entries.
type Plan struct {
	Steps    []Step
	Problems []string // wanted entries, or names, that are left out, and why
}

// MakePlan compares a definition with what is wanted. ours are the entries that
// mdserver made at any time. Those that the definition still has as they were made
// are removed unless they are wanted. All others are foreign and stay. A wanted
// entry that contradicts a foreign one is left out, and is a problem. A wanted entry
// without a MAC is for DNS alone. A network without DNS takes no names.
func MakePlan(d Definition, wanted, ours []Entry) Plan {
	p := Plan{}
	d.Hosts = p.removeHosts(d.Hosts, wanted, ours)
	if d.ServeDNS {
		d.Names = p.removeNames(d.Names, wanted, ours)
	}
	for _, e := range wanted {
		if !e.MAC.IsZero() {
			p.addHost(d.Hosts, e.DHCP())
		}
		if d.ServeDNS {
			p.addNames(d.Names, e.DNS())
		}
	}
	return p
}

// removeHosts plans what goes, and returns what stays.
func (p *Plan) removeHosts(hosts []DHCPHost, wanted, ours []Entry) []DHCPHost {
	return slices.DeleteFunc(slices.Clone(hosts), func(h DHCPHost) bool {
		gone := hasHost(ours, h) && !hasHost(wanted, h)
		if gone {
			p.Steps = append(p.Steps, Step{Remove: true, DHCP: &h})
		}
		return gone
	})
}

// removeNames plans removals, and returns the entries that stay: foreign ones, and
// those that are right already.
func (p *Plan) removeNames(names []DNSHost, wanted, ours []Entry) []DNSHost {
	isOurs := func(h DNSHost) bool { return hasNames(ours, h) }
	foreign := slices.DeleteFunc(slices.Clone(names), isOurs)
	return slices.DeleteFunc(slices.Clone(names), func(h DNSHost) bool {
		asWanted := slices.ContainsFunc(wanted, func(e Entry) bool {
			left, _ := without(e.DNS(), foreign)
			return left.Equal(h)
		})
		gone := isOurs(h) && !asWanted
		if gone {
			p.Steps = append(p.Steps, Step{Remove: true, DNS: &DNSHost{IP: h.IP}})
		}
		return gone
	})
}

// without leaves out the names that other addresses have already.
func without(h DNSHost, others []DNSHost) (left DNSHost, taken []string) {
	left.IP = h.IP
	for _, name := range h.Names {
		if slices.ContainsFunc(others, func(o DNSHost) bool { return o.IP != h.IP && slices.Contains(o.Names, name) }) {
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
func (p *Plan) addHost(hosts []DHCPHost, h DHCPHost) {
	for _, other := range hosts {
		switch {
		case other.MAC == h.MAC && other.IP == h.IP:
			return // there already
		case other.MAC == h.MAC, other.IP == h.IP:
			p.problem("%s cannot get %s: the network has another entry for %s, %s", h.MAC, h.IP, other.MAC, other.IP)
			return
		case other.Name == h.Name:
			h.Name = ""
		}
	}
	p.Steps = append(p.Steps, Step{DHCP: &h})
}

// addNames plans a DNS entry. libvirt refuses it if another entry has its address
// or a name.
func (p *Plan) addNames(names []DNSHost, h DNSHost) {
	left, taken := without(h, names)
	if len(taken) > 0 {
		p.problem("%s does not get these names, because other DNS entries of the network have them: %s", h.IP, strings.Join(taken, ", "))
	}
	at := slices.IndexFunc(names, func(o DNSHost) bool { return o.IP == h.IP })
	switch {
	case at >= 0 && !names[at].Equal(left):
		p.problem("%s shares names with other DNS entries of the network: %s", h.IP, strings.Join(names[at].Names, ", "))
	case at < 0 && len(left.Names) > 0:
		p.Steps = append(p.Steps, Step{DNS: &left})
	}
}

func (p *Plan) problem(format string, args ...any) {
	p.Problems = append(p.Problems, fmt.Sprintf(format, args...))
}

// Equal reports whether both entries are the same in all fields.
func (e Entry) Equal(o Entry) bool {
	return e.DHCP() == o.DHCP() && slices.Equal(e.Names, o.Names)
}

// Union returns all entries of both lists, each once.
func Union(a, b []Entry) []Entry {
	all := slices.Clone(a)
	for _, e := range b {
		if !slices.ContainsFunc(all, e.Equal) {
			all = append(all, e)
		}
	}
	return all
}

// Mine returns the wanted entries that mdserver may remove one day: all except
// foreign ones in a definition.
func Mine(wanted, before []Entry, definitions ...Definition) []Entry {
	var list []Entry
	for _, e := range wanted {
		for _, d := range definitions {
			if slices.ContainsFunc(d.Hosts, func(h DHCPHost) bool { return (h.MAC == e.MAC || h.IP == e.IP) && !hasHost(before, h) }) {
				e.MAC, e.Name = instance.MAC{}, ""
			}
			if slices.ContainsFunc(d.Names, func(h DNSHost) bool { return h.IP == e.IP && !hasNames(before, h) }) {
				e.Names = nil
			}
		}
		list = append(list, e)
	}
	return list
}

// Stale returns the MAC and the address of each lease that contradicts the entries:
// those of guests that are gone, and those that a guest got before it had an entry.
// The order is that of the addresses.
func Stale(leases map[netip.Addr]instance.MAC, before, wanted []Entry) []Entry {
	var stale []Entry
	for addr, mac := range leases {
		is := func(e Entry) bool { return e.MAC == mac && e.IP == addr }
		elsewhere := func(e Entry) bool { return e.MAC == mac }
		if !slices.ContainsFunc(wanted, is) && (slices.ContainsFunc(before, is) || slices.ContainsFunc(wanted, elsewhere)) {
			stale = append(stale, Entry{MAC: mac, IP: addr})
		}
	}
	slices.SortFunc(stale, func(a, b Entry) int { return a.IP.Compare(b.IP) })
	return stale
}

// hasHost reports whether a DHCP entry is one of these. It may lack its name,
// because a foreign entry had it.
func hasHost(entries []Entry, h DHCPHost) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool {
		return !e.MAC.IsZero() && e.MAC == h.MAC && e.IP == h.IP && (h.Name == e.Name || h.Name == "")
	})
}

// hasNames reports whether a DNS entry is one of these. It may lack names.
func hasNames(entries []Entry, h DNSHost) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool {
		return e.IP == h.IP && len(h.Names) > 0 && contains(e.Names, h.Names)
	})
}
