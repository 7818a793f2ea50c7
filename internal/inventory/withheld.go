package inventory

import (
	"fmt"

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

// checkWithheld refuses a record with an address that is withheld for another
// guest, or spare on another host.
func (d *draft) checkWithheld(guest *instance.Instance) error {
	for _, addr := range guest.Addrs() {
		if other := d.rules.WithheldAddr(addr, guest.UUID); other != nil {
			return &denied.RequestError{Kind: denied.ErrAddressTaken, Guest: guest.Name, Reason: fmt.Sprintf("%s is reserved for %s", addr, other)}
		}
		if err := d.addresses().CheckSpare(addr, guest.Name); err != nil {
			return err
		}
	}
	return nil
}
