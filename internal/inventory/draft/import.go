package draft

import (
	"slices"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

// Import is what became of records that were imported.
type Import struct {
	Added   []instance.Instance
	Skipped []ImportSkip
}

// ImportSkip is a record that was not imported, and why.
type ImportSkip struct {
	Instance instance.Instance
	Err      error
}

// Import adds records of another database as they are.
func (d *Draft) Import(records []instance.Instance) Import {
	var result Import
	for _, record := range byRank(records) {
		guest, err := d.importOne(record)
		if err != nil {
			result.Skipped = append(result.Skipped, ImportSkip{record, err})
			continue
		}
		result.Added = append(result.Added, guest)
	}
	return result
}

// byRank puts the records first whose name can serve as host name, so that no
// derived name displaces them.
func byRank(records []instance.Instance) []instance.Instance {
	sorted := slices.Clone(records)
	slices.SortStableFunc(sorted, func(a, b instance.Instance) int {
		return rank(a) - rank(b)
	})
	return sorted
}

// rank orders records by their claim to a host name.
func rank(guest instance.Instance) int {
	switch {
	case guest.Metadata.Hostname() != "":
		return 0
	case instance.ValidHostname(guest.Name):
		return 1
	}
	return 2
}

func (d *Draft) importOne(record instance.Instance) (instance.Instance, error) {
	guest, err := d.prepare(record)
	if err != nil {
		return record, err
	}
	d.put(nil, &guest)
	return guest, nil
}

// prepare completes a record of another database, and checks that it
// contradicts no guest.
func (d *Draft) prepare(guest instance.Instance) (instance.Instance, error) {
	if err := instance.ValidateName(guest.Name); err != nil {
		return guest, &denied.RequestError{Kind: denied.ErrInvalid, Guest: guest.Name, Reason: err.Error()}
	}
	if guest.ID == "" {
		guest.ID = instance.DeriveID(guest.UUID)
	}
	if !instance.ValidHostname(guest.Hostname) {
		guest.Hostname = instance.DeriveHostname(guest.Name, guest.UUID, d.rules.FallbackHostname)
	}
	guest.FirstSeen, guest.LastUpdate = d.seen(guest.FirstSeen), d.seen(guest.LastUpdate)
	if guest.Network == "" { // the other database knows of one network
		guest.Network = d.rules.Primary()
	}
	guest.Hostname = d.names().Fitting(&guest, nil) // in DNS as the Python mdserver had it
	if len(guest.Interfaces) == 0 && !guest.MAC.IsZero() {
		guest.Interfaces = []instance.Interface{{MAC: guest.MAC, Network: guest.Network}}
	}
	if err := d.checkWithheld(&guest); err != nil {
		return guest, err
	}
	return guest, d.Admissible(&guest)
}

// seen makes a time storable; one that is missing becomes now.
func (d *Draft) seen(t time.Time) time.Time {
	if t = t.Round(0).UTC(); t.Year() <= 1 || t.Year() > 9999 {
		return d.now
	}
	return t
}
