package inventory

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storage"
)

// Withheld are the guests whose records were set aside, as far as they were not
// registered again.
func (inv *Inventory) Withheld() []storage.Withheld {
	snapshot := inv.Snapshot()
	var waiting []storage.Withheld
	for _, w := range inv.rules.Load().withheld.all {
		if _, there := snapshot.ByUUID(w.UUID); !there {
			waiting = append(waiting, w)
		}
	}
	return waiting
}

// withheld finds guests that are withheld.
type withheld struct {
	all    []storage.Withheld
	byAddr map[netip.Addr]*storage.Withheld
	byName map[string]*storage.Withheld // host name in lower case
}

func newWithheld(all []storage.Withheld) withheld {
	w := withheld{all: all, byAddr: map[netip.Addr]*storage.Withheld{}, byName: map[string]*storage.Withheld{}}
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
func (w withheld) addr(addr netip.Addr, id uuid.UUID) *storage.Withheld {
	if other := w.byAddr[addr]; other != nil && other.UUID != id {
		return other
	}
	return nil
}

// hostname is addr for a host name.
func (w withheld) hostname(name string, id uuid.UUID) *storage.Withheld {
	if other := w.byName[strings.ToLower(name)]; other != nil && other.UUID != id {
		return other
	}
	return nil
}

// of gives what is withheld for a guest.
func (w withheld) of(id uuid.UUID) []storage.Withheld {
	var own []storage.Withheld
	for _, one := range w.all {
		if one.UUID == id {
			own = append(own, one)
		}
	}
	return own
}

// withheldName gives the guest that a host name, or a name that shares one in the
// DNS of the places with it, is withheld for. A guest keeps the name that it has.
func (d *draft) withheldName(hostname string, id uuid.UUID, places []instance.Attachment) *storage.Withheld {
	if current, ok := d.ByUUID(id); ok && strings.EqualFold(current.Hostname, hostname) {
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
			return &denied.RequestError{Kind: denied.ErrAddressTaken, Guest: guest.Name, Reason: fmt.Sprintf("%s is reserved for %s", addr, other)}
		}
		if err := d.checkSpare(addr, guest.Name); err != nil {
			return err
		}
	}
	return nil
}
