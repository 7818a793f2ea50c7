package draft

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/naming"
	"mdserver/internal/inventory/storage"
)

// Unshared is the record that the change leads to, if it can be made without the
// shared store: it takes nothing that another host could take meanwhile, and gives
// up nothing. settled is the table of the store, and kept are the records that are not
// shared so far.
func (d *Draft) Unshared(settled *index.Index, kept map[uuid.UUID]storage.Unshared) (storage.Unshared, error) {
	c := d.Change
	if len(c.Delete)+len(c.Rest)+len(c.Wake)+len(c.Hold) > 0 || len(c.Put) != 1 {
		return storage.Unshared{}, errors.New("only a change of one guest that gives up nothing can be made without etcd")
	}
	u := storage.Unshared{Record: c.Put[0]}
	u.Base, _ = settled.ByUUID(u.Record.UUID)
	if before, ok := kept[u.Record.UUID]; ok {
		u.Base = before.Base
	}
	if u.Base != nil && !sameIdentity(u.Base, &u.Record) && !readdressed(d.rules, u.Base, &u.Record) {
		return storage.Unshared{}, fmt.Errorf("guest %q cannot get another name, interface, address or instance-id without etcd", u.Base.Name)
	}
	for _, addr := range u.Record.Addrs() {
		if u.Base != nil && slices.Contains(u.Base.Addrs(), addr) {
			continue
		}
		spare, ok := settled.SpareAt(addr)
		if !ok || spare.Owner != d.rules.ID {
			return storage.Unshared{}, fmt.Errorf("%s is not a spare address of this host, so guest %q cannot get it without etcd", addr, u.Record.Name)
		}
	}
	return u, nil
}

// sameIdentity reports whether a guest has all that is unique of its former record
// and, except for further addresses, nothing else.
func sameIdentity(before, after *instance.Instance) bool {
	were, are := before.Attachments(), after.Attachments()
	return before.Name == after.Name && before.Hostname == after.Hostname && before.ID == after.ID &&
		slices.EqualFunc(were, are, func(was, is instance.Attachment) bool {
			return was.Network == is.Network && was.MAC == is.MAC &&
				(was.IPv4 == is.IPv4 || !was.IPv4.IsValid()) && (was.IPv6 == is.IPv6 || !was.IPv6.IsValid())
		})
}

// Outcome is what became of an unshared record.
type Outcome struct {
	Guest   instance.Instance
	Dropped string   // why it is not kept, or empty
	Changed []string // what is different in the shared record
}

// Share adds an unshared record to the table. What another guest has got meanwhile
// stays that guest's. own is whether this host itself has made the present record: if
// that is not the base, then by a commit whose outcome was unknown.
func (d *Draft) Share(u storage.Unshared, own bool) Outcome {
	guest := u.Record
	current, known := d.ByUUID(guest.UUID)
	switch {
	case own:
	case !known && u.Base != nil:
		return d.giveUp(u, "another host has released it")
	case tellsOfArrival(d.rules, u):
		return d.shareArrival(u, current)
	case known:
		if why := d.superseded(u, current); why != "" {
			return d.giveUp(u, why)
		}
	}
	if known && current.LastUpdate.After(guest.LastUpdate) { // it was shared before the server ended
		return Outcome{Guest: *current}
	}
	places := guest.Attachments()
	if err := d.checkMACs(instance.Domain{Name: guest.Name, UUID: guest.UUID}, places); err != nil {
		return d.giveUp(u, err.Error())
	}
	if other, ok := d.ByID(guest.ID); ok && other.UUID != guest.UUID {
		return d.giveUp(u, denied.Conflict(denied.ErrIDTaken, guest.ID, &guest, other).Error())
	}
	changed := d.distinguish(&guest, places)
	changed = append(changed, d.readdress(&guest, current)...)
	if !known || !SameButTime(*current, guest) {
		d.store(current, &guest)
	}
	return Outcome{Guest: guest, Changed: changed}
}

// superseded says why the shared record of a guest is newer than an unshared one, or
// is empty.
func (d *Draft) superseded(u storage.Unshared, current *instance.Instance) string {
	mine := u.Record.Home
	moved := current.Epoch > mine.Epoch || current.Epoch == mine.Epoch && current.HostID != mine.HostID
	stays := u.Base != nil && d.rules.Host.Elsewhere(current) && current.Epoch == mine.Epoch
	switch {
	case moved:
		return fmt.Sprintf("it is on the host %q", current.Host)
	case u.Base == nil && current.HostID == "" && (u.Record.Name != current.Name || u.Record.MAC != current.MAC):
		return "another host has registered it"
	case u.Base != nil && !sameIdentity(u.Base, current), stays && !SameButTime(*u.Base, *current):
		return "another host has changed it"
	}
	return ""
}

// giveUp leaves an unshared record out. The guest may still use its addresses, so
// they rest.
func (d *Draft) giveUp(u storage.Unshared, why string) Outcome {
	for _, place := range u.Record.Attachments() {
		for _, addr := range place.Addrs() {
			if !d.addresses().IsOwnSpare(addr) {
				continue
			}
			d.spend(addr)
			if d.rules.Quarantine > 0 {
				d.rest(instance.Resting{Addr: addr, MAC: place.MAC, UUID: u.Record.UUID, InstanceID: u.Record.ID, Since: d.now})
			}
		}
	}
	return Outcome{Guest: u.Record, Dropped: why}
}

// distinguish gives a guest other names if another one has got them.
func (d *Draft) distinguish(guest *instance.Instance, places []instance.Attachment) (changed []string) {
	name, hostname := guest.Name, guest.Hostname
	holder := func(name string) *instance.Instance {
		other, ok := d.ByName(name)
		if !ok || other.UUID == guest.UUID {
			return nil
		}
		return other
	}
	if other := holder(name); other != nil { // see nameOfNamesake
		guest.Name = naming.Distinct(guest.UUID.String(), guest.UUID, func(name string) bool { return holder(name) == nil })
		guest.Wanted.Name = name
		changed = append(changed, fmt.Sprintf("its name is %q, because a guest on the host %q is %q", guest.Name, other.Host, name))
	}
	if other := d.names().Holder(hostname, guest.UUID, places); other != nil {
		guest.Hostname = d.names().Similar(hostname, guest.UUID, places)
		guest.Wanted.Hostname = hostname
		changed = append(changed, fmt.Sprintf("its host name is %q, because guest %q on the host %q has %q", guest.Hostname, other.Name, other.Host, hostname))
	}
	return changed
}

// readdress takes addresses from a guest that are not its own or spare here any more,
// and gives it those that it lacks.
func (d *Draft) readdress(guest, current *instance.Instance) (changed []string) {
	had := *guest
	guest.Attach(d.keptPlaces(guest, current))
	for _, addr := range had.Addrs() {
		if !slices.Contains(guest.Addrs(), addr) {
			changed = append(changed, fmt.Sprintf("it lost the address %s, which this host does not have any more", addr))
		}
	}
	if d.cutOff || !d.serves(guest) {
		return changed
	}
	kept := *guest
	problem, err := d.assignAddresses(guest, guest.Attachments(), &kept, nil)
	if err != nil {
		*guest = kept
	}
	if err = cmp.Or(err, problem); err != nil {
		changed = append(changed, err.Error())
	}
	for _, addr := range guest.Addrs() {
		if !slices.Contains(had.Addrs(), addr) {
			changed = append(changed, fmt.Sprintf("it has the address %s now", addr))
		}
	}
	return changed
}

// keptPlaces are a guest's places with the addresses that it may keep: spare ones of
// this host, and those of its shared record, which may be nil.
func (d *Draft) keptPlaces(guest, current *instance.Instance) []instance.Attachment {
	keep := func(addr, shared netip.Addr) netip.Addr {
		holder, held := d.ByAddr(addr)
		if d.addresses().IsOwnSpare(addr) || held && holder == current {
			return addr
		}
		return shared
	}
	places, shared := guest.Attachments(), d.former(guest.Attachments(), current)
	for i := range places {
		if network, _ := d.rules.Network(places[i].Network); !d.keepsAddresses(network, guest, shared[i]) {
			d.rules.WithinRange(shared[i : i+1])
		}
		places[i].IPv4 = keep(places[i].IPv4, shared[i].IPv4)
		places[i].IPv6 = keep(places[i].IPv6, shared[i].IPv6)
	}
	return places
}

// serves reports whether all networks of a guest are known.
func (d *Draft) serves(guest *instance.Instance) bool {
	return !slices.ContainsFunc(guest.Attachments(), func(place instance.Attachment) bool {
		_, known := d.rules.Network(place.Network)
		return !known
	})
}
