package draft

import (
	"fmt"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

// checkWithheld refuses a record with an address that is withheld for another
// guest, or spare on another host.
func (d *Draft) checkWithheld(guest *instance.Instance) error {
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
