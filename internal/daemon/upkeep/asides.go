package upkeep

import (
	"cmp"
	"fmt"

	"mdserver/internal/api"
	"mdserver/internal/counted"
	"mdserver/internal/health"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
)

// CompleteAsides adds to the records that were set aside what the newest snapshot
// has of their guests: a damaged record may not tell its address.
func (u *Upkeep) CompleteAsides() error {
	database := u.config().Server.Database
	if len(boltstore.Asides(database)) == 0 {
		return nil
	}
	snapshot := backup.NewestSound(database)
	if snapshot == "" {
		return nil
	}
	b, err := backup.ReadFile(snapshot)
	if err != nil {
		return err
	}
	return boltstore.CompleteAsides(database, snapshot, b.Table.Instances, u.inventory.Snapshot().Table().Instances)
}

// Withheld lists the guests whose records were set aside and that were not
// registered again.
func (u *Upkeep) Withheld() []api.Withheld {
	var all []api.Withheld
	for _, w := range u.inventory.Withheld() {
		all = append(all, api.Withheld{UUID: w.UUID, Name: w.Name, Hostname: w.Hostname, Addrs: w.Addrs, File: w.File})
	}
	return all
}

func withheldTrouble(all []api.Withheld) string {
	var names []string
	for _, w := range all {
		names = append(names, cmp.Or(w.Name, w.UUID.String()))
	}
	return fmt.Sprintf("%s: %s; see `mdserver explain NAME`", counted.Of(len(all),
		"guest is not served, because its record was set aside; its addresses and names are reserved",
		"guests are not served, because their records were set aside; their addresses and names are reserved"), health.SomeOf(names))
}
