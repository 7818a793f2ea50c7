// Package migrate moves the inventory of a host from its database into etcd, where
// other hosts may have guests already, and back.
//
// The server goes on while guests are copied. It changes over when it starts with
// the other backend: it finds an Order beside its database, and copies what has
// changed since.
package migrate

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// Comparison is how the guests of a host differ from the inventory of a fleet, and
// the change that brings them there.
type Comparison struct {
	New       []string   `json:"new"`       // guests that the fleet does not have
	Changed   []string   `json:"changed"`   // of this host, whose records differ
	Same      int        `json:"same"`      // guests
	Gone      []string   `json:"gone"`      // that were copied before, and released on this host since
	Elsewhere []string   `json:"elsewhere"` // that another host has registered since; the fleet's records stay
	Resting   int        `json:"resting"`   // addresses in quarantine to copy
	Conflicts []Conflict `json:"conflicts"`

	Change instance.Change `json:"-"`
}

// Conflict is something that a guest of this host and another guest of the fleet
// both have.
type Conflict struct {
	Guest  string `json:"guest"`
	What   string `json:"what"` // such as "address"
	Value  string `json:"value"`
	Holder string `json:"holder"` // the guest of the fleet; empty for an address that a host has claimed
	Host   string `json:"host"`   // of the holder
}

// String is a line for people.
func (c Conflict) String() string {
	if c.Holder == "" {
		return fmt.Sprintf("the guest %q has the %s %s, which the host %s has claimed for its new guests", c.Guest, c.What, c.Value, c.Host)
	}
	text := fmt.Sprintf("the guest %q has the %s %s, which belongs to the guest %q", c.Guest, c.What, c.Value, c.Holder)
	if c.Host != "" {
		text += " of the host " + c.Host
	}
	return text
}

// Host is this host among those of the fleet.
type Host struct{ Name, ID string }

// others reports whether another host has a guest.
func (h Host) others(guest *instance.Instance) bool {
	return guest.HostID != "" && guest.HostID != h.ID
}

// Compare compares the table of a host with that of the fleet. copied are the guests that it has brought into the fleet before.
func Compare(ours, fleet instance.Table, host Host, copied []uuid.UUID) Comparison {
	c := Comparison{New: []string{}, Changed: []string{}, Gone: []string{}, Elsewhere: []string{}, Conflicts: []Conflict{}}
	present := map[uuid.UUID]*instance.Instance{}
	for i := range fleet.Instances {
		present[fleet.Instances[i].UUID] = &fleet.Instances[i]
	}
	leaving := map[uuid.UUID]bool{} // their records of the fleet are replaced or removed
	own := map[uuid.UUID]bool{}
	for _, guest := range ours.Instances {
		own[guest.UUID] = true
		former := present[guest.UUID]
		guest.Home = home(guest.Home, former, host)
		c.add(guest, former, host, leaving)
	}
	for _, id := range copied {
		if former := present[id]; former != nil && !own[id] && !host.others(former) {
			leaving[id] = true
			c.Gone = append(c.Gone, former.Name)
			c.Change.Delete = append(c.Change.Delete, id)
		}
	}
	c.findConflicts(fleet.Instances, leaving)
	c.findSpares(fleet.Spares)
	c.addResting(ours, fleet)
	return c
}

// home is the home of a guest of this host in the fleet. A record that is there
// keeps its epoch.
func home(own instance.Home, former *instance.Instance, host Host) instance.Home {
	if former != nil && !host.others(former) {
		own = former.Home
	}
	if own.HostID == "" {
		own.Host, own.HostID, own.Epoch = host.Name, host.ID, own.Epoch+1
	}
	return own
}

// Added are the records of guests that the fleet does not have.
func (c Comparison) Added() []instance.Instance {
	return slices.DeleteFunc(slices.Clone(c.Change.Put), func(guest instance.Instance) bool { return !slices.Contains(c.New, guest.Name) })
}

// Differences are the names of guests whose records differ in two tables, or that
// only one of them has.
func Differences(a, b instance.Table) []string {
	records := map[uuid.UUID]string{}
	for _, guest := range a.Instances {
		records[guest.UUID] = text(guest)
	}
	var names []string
	for _, guest := range b.Instances {
		if records[guest.UUID] != text(guest) {
			names = append(names, guest.Name)
		}
		delete(records, guest.UUID)
	}
	for _, guest := range a.Instances {
		if _, left := records[guest.UUID]; left {
			names = append(names, guest.Name)
		}
	}
	return names
}

// add adds a guest of this host. former is its record in the fleet, or nil.
func (c *Comparison) add(guest instance.Instance, former *instance.Instance, host Host, leaving map[uuid.UUID]bool) {
	switch {
	case former == nil:
		c.New = append(c.New, guest.Name)
	case equal(guest, *former):
		c.Same++
		return
	case host.others(former) && sameDomain(&guest, former):
		c.Elsewhere = append(c.Elsewhere, guest.Name)
		return
	case host.others(former):
		c.Conflicts = append(c.Conflicts, Conflict{guest.Name, "UUID", guest.UUID.String(), former.Name, former.Host})
		return
	default:
		c.Changed = append(c.Changed, guest.Name)
	}
	leaving[guest.UUID] = true
	c.Change.Put = append(c.Change.Put, guest)
}

func equal(a, b instance.Instance) bool { return text(a) == text(b) }

func text(record any) string {
	text, _ := json.Marshal(record) // a record can always be marshalled
	return string(text)
}

// sameDomain reports whether a guest has moved, and is not a copy under the same
// UUID.
func sameDomain(a, b *instance.Instance) bool { return a.Name == b.Name && a.MAC == b.MAC }

// findConflicts finds what the guests to write and those that stay both have.
func (c *Comparison) findConflicts(fleet []instance.Instance, leaving map[uuid.UUID]bool) {
	holders := map[possession]*instance.Instance{}
	for i := range fleet {
		if guest := &fleet[i]; !leaving[guest.UUID] {
			for _, p := range possessions(guest) {
				holders[p] = guest
			}
		}
	}
	for i := range c.Change.Put {
		guest := &c.Change.Put[i]
		for _, p := range possessions(guest) {
			if holder := holders[p]; holder != nil {
				c.Conflicts = append(c.Conflicts, Conflict{guest.Name, p.what, p.value, holder.Name, holder.Host})
			}
		}
	}
}

// findSpares finds the addresses of the guests to write that hosts have claimed for
// their new guests.
func (c *Comparison) findSpares(spares []instance.Spare) {
	for _, guest := range c.Change.Put {
		for _, spare := range spares {
			if slices.Contains(guest.Addrs(), spare.Addr) {
				c.Conflicts = append(c.Conflicts, Conflict{guest.Name, "address", spare.Addr.String(), "", spare.Host})
			}
		}
	}
}

// possession is something that only one guest may have.
type possession struct{ what, value string }

func possessions(guest *instance.Instance) []possession {
	list := []possession{{"name", guest.Name}, {"host name", strings.ToLower(guest.Hostname)}, {"instance-id", guest.ID}}
	for _, place := range guest.Attachments() {
		if !place.MAC.IsZero() {
			list = append(list, possession{"MAC address", fmt.Sprintf("%s on the network %s", place.MAC, place.Network)})
		}
		for _, addr := range place.Addrs() {
			list = append(list, possession{"address", addr.String()})
		}
	}
	return list
}

// addResting adds the addresses in quarantine that the fleet neither has nor gives
// to a guest. Addresses of guests wake.
func (c *Comparison) addResting(ours, fleet instance.Table) {
	held := map[netip.Addr]bool{}
	for _, list := range [][]instance.Instance{c.Change.Put, fleet.Instances} {
		for i := range list {
			if !slices.Contains(c.Change.Delete, list[i].UUID) {
				for _, addr := range list[i].Addrs() {
					held[addr] = true
				}
			}
		}
	}
	resting := map[netip.Addr]bool{}
	for _, r := range fleet.Resting {
		if resting[r.Addr] = true; held[r.Addr] {
			c.Change.Wake = append(c.Change.Wake, r.Addr)
		}
	}
	for _, r := range ours.Resting {
		if !held[r.Addr] && !resting[r.Addr] {
			c.Resting++
			c.Change.Rest = append(c.Change.Rest, r)
		}
	}
}
