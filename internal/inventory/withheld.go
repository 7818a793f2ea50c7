package inventory

import (
	"fmt"
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
	for _, w := range inv.rules.Load().Withheld {
		if _, there := snapshot.ByUUID(w.UUID); !there {
			waiting = append(waiting, w)
		}
	}
	return waiting
}

// withheldName gives the guest that a host name, or a name that shares one in the
// DNS of the places with it, is withheld for. A guest keeps the name that it has.
func (d *draft) withheldName(hostname string, id uuid.UUID, places []instance.Attachment) *storage.Withheld {
	if current, ok := d.ByUUID(id); ok && strings.EqualFold(current.Hostname, hostname) {
		return nil
	}
	names := []string{hostname}
	for _, place := range places {
		network, _ := d.rules.Network(place.Network)
		names = append(names, network.ConflictingNames(hostname)...)
	}
	for _, name := range names {
		if other := d.rules.WithheldHostname(name, id); other != nil {
			return other
		}
	}
	return nil
}

// checkWithheld refuses a record with an address that is withheld for another
// guest, or spare on another host.
func (d *draft) checkWithheld(guest *instance.Instance) error {
	for _, addr := range guest.Addrs() {
		if other := d.rules.WithheldAddr(addr, guest.UUID); other != nil {
			return &denied.RequestError{Kind: denied.ErrAddressTaken, Guest: guest.Name, Reason: fmt.Sprintf("%s is reserved for %s", addr, other)}
		}
		if err := d.checkSpare(addr, guest.Name); err != nil {
			return err
		}
	}
	return nil
}
