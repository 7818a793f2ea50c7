package draft

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

// Merged is what became of records that were merged. Records of guests that the
// inventory has as they are in none of these.
type Merged struct {
	Added    []instance.Instance
	Replaced []instance.Instance // took the place of an older guest
	Updated  []instance.Instance // metadata alone
	Kept     []ImportSkip        // the inventory's own guest is newer, or in the way
	Released []instance.Instance // records of guests that were released here
}

// Merge adds the changes of another database since an earlier import; since is the
// time of that import.
func (d *Draft) Merge(records []instance.Instance, since time.Time) Merged {
	var result Merged
	for _, record := range byRank(records) {
		d.mergeOne(record, since, &result)
	}
	return result
}

func (d *Draft) mergeOne(record instance.Instance, since time.Time, result *Merged) {
	holders := d.sharing(record)
	switch {
	case len(holders) == 0 && known(record, since):
		result.Released = append(result.Released, record)
	case len(holders) == 1 && sameGuest(&record, holders[0]):
		if later(record.LastUpdate, holders[0].LastUpdate) && !maps.Equal(record.Metadata.Flat(), holders[0].Metadata.Flat()) {
			result.Updated = append(result.Updated, d.refresh(holders[0], record))
		}
	case slices.ContainsFunc(holders, func(h *instance.Instance) bool { return later(h.LastUpdate, record.LastUpdate) }):
		result.Kept = append(result.Kept, ImportSkip{record, newerHere(&record, holders)})
	default:
		guest, err := d.replace(record, holders)
		switch {
		case err != nil:
			result.Kept = append(result.Kept, ImportSkip{record, err})
		case len(holders) > 0:
			result.Replaced = append(result.Replaced, guest)
		default:
			result.Added = append(result.Added, guest)
		}
	}
}

// sharing gives the guests that have the record's UUID or name.
func (d *Draft) sharing(record instance.Instance) []*instance.Instance {
	var holders []*instance.Instance
	if guest, ok := d.ByUUID(record.UUID); ok {
		holders = append(holders, guest)
	}
	if guest, ok := d.ByName(record.Name); ok && !slices.Contains(holders, guest) {
		holders = append(holders, guest)
	}
	return holders
}

// replace puts a record in the place of guests, which it may contradict.
func (d *Draft) replace(record instance.Instance, holders []*instance.Instance) (instance.Instance, error) {
	for _, holder := range holders {
		d.Replace(holder, nil)
		if holder.UUID == record.UUID {
			record = completed(record, *holder)
		}
	}
	guest, err := d.prepare(record)
	for _, holder := range holders {
		d.Replace(nil, holder)
	}
	if err != nil {
		return record, err
	}
	var former *instance.Instance
	for _, holder := range holders {
		if holder.UUID == guest.UUID {
			former = holder
		} else {
			d.remove(holder)
		}
	}
	d.put(former, &guest)
	return guest, nil
}

// completed is a record with all that the other database does not keep, from the
// guest's own record: its further interfaces and their addresses, its hardware and
// what is known of it.
func completed(record, guest instance.Instance) instance.Instance {
	full := guest
	full.ID, full.Name, full.Hostname = record.ID, record.Name, record.Hostname
	full.Location, full.Metadata = record.Location, record.Metadata
	full.FirstSeen, full.LastUpdate = record.FirstSeen, record.LastUpdate
	if record.IPv4.IsValid() {
		full.IPv4 = record.IPv4
	}
	if record.IPv6.IsValid() {
		full.IPv6 = record.IPv6
	}
	if !record.MAC.IsZero() {
		full.MAC = record.MAC
		full.Interfaces = withMACOf(guest, record.MAC)
	}
	full.Further = slices.DeleteFunc(slices.Clone(guest.Further), func(place instance.Attachment) bool {
		return place.MAC == full.MAC || slices.ContainsFunc(place.Addrs(), func(a netip.Addr) bool { return a == full.IPv4 || a == full.IPv6 })
	})
	return full
}

// withMACOf gives the guest's interfaces. The one on its first network has this
// MAC address, unless another one has it already.
func withMACOf(guest instance.Instance, mac instance.MAC) []instance.Interface {
	nics := slices.Clone(guest.Interfaces)
	if slices.ContainsFunc(nics, func(nic instance.Interface) bool { return nic.MAC == mac }) {
		return nics
	}
	for i := range nics {
		if nics[i].MAC == guest.MAC {
			nics[i].MAC = mac
		}
	}
	return nics
}

// refresh gives a guest the metadata of a record.
func (d *Draft) refresh(former *instance.Instance, record instance.Instance) instance.Instance {
	guest := *former
	guest.Metadata, guest.LastUpdate = record.Metadata, d.seen(record.LastUpdate)
	d.put(former, &guest)
	return guest
}

// known reports whether a record was in the other database at the time of the
// import. One without times is taken for new.
func known(record instance.Instance, since time.Time) bool {
	last := record.FirstSeen
	if record.LastUpdate.After(last) {
		last = record.LastUpdate
	}
	return !last.IsZero() && !last.After(since)
}

// sameGuest compares what identifies a guest. An address that the record lacks
// contradicts nothing.
func sameGuest(record, guest *instance.Instance) bool {
	return record.Name == guest.Name && record.UUID == guest.UUID &&
		(record.MAC.IsZero() || record.MAC == guest.MAC) &&
		(!record.IPv4.IsValid() || record.IPv4 == guest.IPv4) &&
		(!record.IPv6.IsValid() || record.IPv6 == guest.IPv6)
}

// later compares times as exactly as the other database keeps them.
func later(a, b time.Time) bool { return a.Sub(b) > time.Microsecond }

func newerHere(record *instance.Instance, holders []*instance.Instance) error {
	kind, value := denied.ErrNameTaken, record.Name
	if i := slices.IndexFunc(holders, func(h *instance.Instance) bool { return h.UUID == record.UUID }); i >= 0 && record.UUID != uuid.Nil {
		kind, value = denied.ErrUUIDTaken, record.UUID.String()
	}
	return &denied.ConflictError{Kind: kind, Value: value, Guest: record.Name, Holder: holders[0].Name, Hint: "which was updated later"}
}
