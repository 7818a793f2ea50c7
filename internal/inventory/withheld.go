package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// Withheld is what is known of a guest whose record was damaged, lost or
// contradicts another one. Its addresses and host name are given to no other guest.
// When it is registered again it gets them back.
type Withheld struct {
	UUID     uuid.UUID    `json:"uuid"`
	ID       string       `json:"instance_id,omitempty"` // if the record is whole
	Name     string       `json:"name,omitempty"`        // of the domain
	Hostname string       `json:"hostname,omitempty"`
	Addrs    []netip.Addr `json:"addresses,omitempty"`
	File     string       `json:"file"` // that has the record; it is withheld until this is removed
}

func (w Withheld) String() string {
	name := strconv.Quote(w.Name)
	if w.Name == "" {
		name = w.UUID.String()
	}
	return fmt.Sprintf("the guest %s, whose record was set aside in %s", name, w.File)
}

// Means reports whether a reference such as a name, UUID, instance-id, host name or
// address means the guest.
func (w Withheld) Means(ref string) bool {
	switch {
	case ref == "":
		return false
	case ref == w.Name, ref == w.ID, strings.EqualFold(ref, w.Hostname):
		return true
	}
	if id, err := uuid.Parse(ref); err == nil && id == w.UUID {
		return true
	}
	addr, err := netip.ParseAddr(ref)
	return err == nil && slices.Contains(w.Addrs, addr)
}

// Withheld are the guests whose records were set aside, as far as they were not
// registered again.
func (inv *Inventory) Withheld() []Withheld {
	snapshot := inv.Snapshot()
	var waiting []Withheld
	for _, w := range inv.rules.Load().withheld.all {
		if _, there := snapshot.ByUUID(w.UUID); !there {
			waiting = append(waiting, w)
		}
	}
	return waiting
}

// withheld finds guests that are withheld.
type withheld struct {
	all    []Withheld
	byAddr map[netip.Addr]*Withheld
	byName map[string]*Withheld // host name in lower case
}

func newWithheld(all []Withheld) withheld {
	w := withheld{all: all, byAddr: map[netip.Addr]*Withheld{}, byName: map[string]*Withheld{}}
	for i := range all {
		for _, addr := range all[i].Addrs {
			w.byAddr[addr] = &all[i]
		}
		if all[i].Hostname != "" {
			w.byName[strings.ToLower(all[i].Hostname)] = &all[i]
		}
	}
	return w
}

// addr gives the guest that an address is withheld for, if it is another one.
func (w withheld) addr(addr netip.Addr, id uuid.UUID) *Withheld {
	if other := w.byAddr[addr]; other != nil && other.UUID != id {
		return other
	}
	return nil
}

// hostname is addr for a host name.
func (w withheld) hostname(name string, id uuid.UUID) *Withheld {
	if other := w.byName[strings.ToLower(name)]; other != nil && other.UUID != id {
		return other
	}
	return nil
}

// of gives what is withheld for a guest.
func (w withheld) of(id uuid.UUID) []Withheld {
	var own []Withheld
	for _, one := range w.all {
		if one.UUID == id {
			own = append(own, one)
		}
	}
	return own
}

// withheldName gives the guest that a host name, or a name that shares one in the
// DNS of the places with it, is withheld for. A guest keeps the name that it has.
func (d *draft) withheldName(hostname string, id uuid.UUID, places []instance.Attachment) *Withheld {
	if current, ok := d.byUUID.Get(id[:]); ok && strings.EqualFold(current.Hostname, hostname) {
		return nil
	}
	names := []string{hostname}
	for _, place := range places {
		network, _ := d.rules.network(place.Network)
		names = append(names, network.ConflictingNames(hostname)...)
	}
	for _, name := range names {
		if other := d.rules.withheld.hostname(name, id); other != nil {
			return other
		}
	}
	return nil
}

// checkWithheld refuses a record with an address that is withheld for another
// guest, or spare on another host.
func (d *draft) checkWithheld(guest *instance.Instance) error {
	for _, addr := range guest.Addrs() {
		if other := d.rules.withheld.addr(addr, guest.UUID); other != nil {
			return &RequestError{ErrAddressTaken, guest.Name, fmt.Sprintf("%s is reserved for %s", addr, other)}
		}
		if err := d.checkSpare(addr, guest.Name); err != nil {
			return err
		}
	}
	return nil
}
