package doctor

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"mdserver/internal/instance"
)

// checkNames looks for names in DNS that belong to two guests: those of an
// imported database are kept as they were, and a new prefix or domain may make
// two names one.
func checkNames(ctx context.Context, h *Host) []Finding {
	guests, err := h.guests(ctx)
	if err != nil {
		return []Finding{unknown("the guests' names are not known: %v", err)}
	}
	slices.SortFunc(guests, func(a, b instance.Instance) int {
		return cmp.Or(a.FirstSeen.Compare(b.FirstSeen), strings.Compare(a.Name, b.Name))
	})
	var all []Finding
	for _, n := range h.Networks {
		all = append(all, h.sharedNames(n, guests)...)
	}
	return unless(all, fine("the names of %d guests are unique", len(guests)))
}

// sharedNames finds each guest that has a name of an earlier one.
func (h *Host) sharedNames(n Network, guests []instance.Instance) []Finding {
	var all []Finding
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
			all = append(all, h.sharedName(n, guest, other, shared))
		}
	}
	return all
}

func (h *Host) sharedName(n Network, guest, other *instance.Instance, names []string) Finding {
	f := wrong("name_ambiguous", "on the network %q, the guests %q and %q are both %s in DNS", n.Name, other.Name, guest.Name, strings.Join(names, " and "))
	return f.advise("shut the guest down before you rename it").mend(h.virsh("domrename %s %s", guest.Name, instance.DistinctHostname(guest.Hostname, guest.UUID)))
}
