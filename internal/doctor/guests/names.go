package guests

import (
	"cmp"
	"slices"
	"strings"

	"mdserver/internal/counted"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/instance"
)

// Names checks for names in DNS that belong to two guests: those of an imported
// database are kept as they were, and a new prefix or domain may make two names
// one.
func Names(h *host.Facts) []finding.Finding {
	if h.Guests.Err != nil {
		return []finding.Finding{finding.Unchecked("the guests' names are not known: %v", h.Guests.Err)}
	}
	guests := byAge(h.Guests.List)
	var all []finding.Finding
	for _, n := range h.Networks {
		all = append(all, sharedNames(h, n, guests)...)
	}
	return finding.Unless(all, finding.Good("the names of guests are unique: %s", counted.Guests(len(guests))))
}

// byAge sorts guests: those that were seen first keep their names.
func byAge(guests []instance.Instance) []instance.Instance {
	return slices.SortedFunc(slices.Values(guests), func(a, b instance.Instance) int {
		return cmp.Or(a.FirstSeen.Compare(b.FirstSeen), strings.Compare(a.Name, b.Name))
	})
}

// sharedNames finds each guest that has a name of an earlier one.
func sharedNames(h *host.Facts, n host.Network, guests []instance.Instance) []finding.Finding {
	var all []finding.Finding
	holders := map[string]*instance.Instance{}
	for i := range guests {
		guest := &guests[i]
		if _, there := guest.On(n.Name); !there || guest.Presence.State == instance.Gone {
			continue
		}
		var shared []string
		var other *instance.Instance
		for _, name := range instance.HostNames(strings.ToLower(guest.Hostname), strings.ToLower(n.Prefix), strings.ToLower(n.Domain), n.Order) {
			if holder, taken := holders[name]; taken {
				shared, other = append(shared, name), holder
				continue
			}
			holders[name] = guest
		}
		if other != nil {
			all = append(all, sharedName(h, n, guest, other, shared))
		}
	}
	return all
}

func sharedName(h *host.Facts, n host.Network, guest, other *instance.Instance, names []string) finding.Finding {
	f := finding.Fail("name_ambiguous", "on the network %q, the guests %q and %q are both %s in DNS", n.Name, other.Name, guest.Name, strings.Join(names, " and "))
	return f.Advise("shut the guest down before you rename it").
		Mend(finding.Virsh(h, "domrename %s %s", guest.Name, instance.DistinctHostname(guest.Hostname, guest.UUID)))
}
