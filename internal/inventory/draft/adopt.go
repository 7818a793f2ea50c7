package draft

import (
	"fmt"
	"reflect"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/index"
)

// Adopted is what became of a table that was adopted.
type Adopted struct {
	Added     []instance.Instance
	Replaced  []instance.Instance // took the place of an older record of the same guest
	Unchanged int                 // guests
	Resting   int                 // addresses that rest now and did not before
	Skipped   []ImportSkip
}

// Adopt adds the guests and the addresses in quarantine of another inventory as they
// are, and replaces guests that differ if replace is set.
func (d *Draft) Adopt(table instance.Table, replace bool) Adopted {
	var result Adopted
	index.PastOnly(&table, d.now)
	// A record may need what another one gives up, so those that do not fit are
	// tried again while others do.
	for waiting := byRank(table.Instances); ; {
		result.Skipped = nil
		for _, record := range waiting {
			if err := d.adoptOne(record, replace, &result); err != nil {
				result.Skipped = append(result.Skipped, ImportSkip{record, err})
			}
		}
		if len(result.Skipped) == 0 || len(result.Skipped) == len(waiting) {
			break
		}
		waiting = nil
		for _, skip := range result.Skipped {
			waiting = append(waiting, skip.Instance)
		}
	}
	for _, r := range table.Resting {
		if d.mayRest(r) {
			d.rest(r)
			result.Resting++
		}
	}
	return result
}

func (d *Draft) adoptOne(guest instance.Instance, replace bool, result *Adopted) error {
	former, known := d.ByUUID(guest.UUID)
	switch {
	case known && reflect.DeepEqual(*former, guest):
		result.Unchanged++
		return nil
	case known && !replace:
		return denied.Conflict(denied.ErrUUIDTaken, guest.UUID.String(), &guest, former)
	}
	if err := d.fit(&guest, former); err != nil {
		return err
	}
	d.store(former, &guest)
	if known {
		result.Replaced = append(result.Replaced, guest)
	} else {
		result.Added = append(result.Added, guest)
	}
	return nil
}

// fit checks that a record contradicts no guest but former, which may be nil, and
// gives it a host name that is free.
func (d *Draft) fit(guest, former *instance.Instance) error {
	if err := instance.ValidateName(guest.Name); err != nil {
		return &denied.RequestError{Kind: denied.ErrInvalid, Guest: guest.Name, Reason: err.Error()}
	}
	if guest.Network == "" {
		guest.Network = d.rules.Primary()
	}
	if err := d.checkWithheld(guest); err != nil {
		return err
	}
	guest.Hostname = d.names().Fitting(guest, guest.Attachments())
	for _, addr := range guest.Addrs() {
		// One that another record of the table has given up does not rest.
		_, rested := d.base.RestingAt(addr)
		if r, rests := d.RestingAt(addr); rests && rested && r.UUID != guest.UUID {
			return &denied.RequestError{Kind: denied.ErrAddressTaken, Guest: guest.Name, Reason: fmt.Sprintf("%s is in quarantine since its guest was removed", addr)}
		}
	}
	if former == nil {
		return d.Admissible(guest)
	}
	d.Replace(former, nil)
	defer d.Replace(nil, former)
	return d.Admissible(guest)
}

// mayRest reports whether an address is neither in quarantine nor a guest's.
func (d *Draft) mayRest(r instance.Resting) bool {
	_, rests := d.RestingAt(r.Addr)
	_, held := d.ByAddr(r.Addr)
	return r.Addr.IsValid() && !rests && !held && r.Since.Add(d.rules.Quarantine).After(d.now)
}
