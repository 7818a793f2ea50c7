package inventory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/naming"
	"mdserver/internal/inventory/storage"
)

// While the shared store is away, requests are worked out cut off. What they make is
// kept on this host, laid over the table of the store, and shared later.

// cutOffAll answers requests without the shared store; failure says why.
func (inv *Inventory) cutOffAll(requests []*request, failure error) {
	refused := false
	for _, req := range requests {
		err := inv.cutOff(req, failure)
		refused = refused || errors.Is(err, ErrStore)
		req.done <- err
	}
	if refused {
		inv.noteWrite(failure)
	}
}

// cutOff works out a request and keeps its result on this host.
func (inv *Inventory) cutOff(req *request, failure error) error {
	d := newCutOffDraft(inv.Snapshot().Index, inv.rules.Load())
	if err := req.apply(d); err != nil || d.change.Empty() {
		return err
	}
	u, err := inv.unsharedOf(d.change)
	if err != nil {
		return fmt.Errorf("%w: %w; repeat it when etcd answers: %w", ErrStore, err, failure)
	}
	if err := inv.shared.Keep(inv.ctx, u); err != nil {
		return fmt.Errorf("%w: the change was not made: %w; %w", ErrStore, err, failure)
	}
	inv.unshared[u.Record.UUID] = u
	inv.publish(d.Commit(), d.events)
	return nil
}

// unsharedOf is the record that a change leads to, if it can be made without the
// shared store: it takes nothing that another host could take meanwhile, and gives
// up nothing.
func (inv *Inventory) unsharedOf(c instance.Change) (storage.Unshared, error) {
	if len(c.Delete)+len(c.Rest)+len(c.Wake)+len(c.Hold) > 0 || len(c.Put) != 1 {
		return storage.Unshared{}, errors.New("only a change of one guest that gives up nothing can be made without etcd")
	}
	u := storage.Unshared{Record: c.Put[0]}
	u.Base, _ = inv.settled.ByUUID(u.Record.UUID)
	if before, ok := inv.unshared[u.Record.UUID]; ok {
		u.Base = before.Base
	}
	if u.Base != nil && !sameIdentity(u.Base, &u.Record) && !readdressed(inv.rules.Load(), u.Base, &u.Record) {
		return storage.Unshared{}, fmt.Errorf("guest %q cannot get another name, interface, address or instance-id without etcd", u.Base.Name)
	}
	for _, addr := range u.Record.Addrs() {
		if u.Base != nil && slices.Contains(u.Base.Addrs(), addr) {
			continue
		}
		spare, ok := inv.settled.SpareAt(addr)
		if !ok || spare.Owner != inv.shared.ID() {
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

// inOrder are the unshared records, always in the same order.
func (inv *Inventory) inOrder() []storage.Unshared {
	return slices.SortedFunc(maps.Values(inv.unshared), func(a, b storage.Unshared) int {
		return cmp.Or(a.Record.FirstSeen.Compare(b.Record.FirstSeen), bytes.Compare(a.Record.UUID[:], b.Record.UUID[:]))
	})
}

// overlay lays the unshared records over the table of the store.
func (inv *Inventory) overlay() *index.Index {
	d := newCutOffDraft(inv.settled, inv.rules.Load())
	for _, u := range inv.inOrder() {
		d.share(u, inv.shared.Wrote(u.Record.UUID))
	}
	return d.Commit()
}

// refresh publishes the table with what is unshared, if it is stale.
func (inv *Inventory) refresh() {
	if !inv.stale {
		return
	}
	inv.stale = false
	before, after := inv.Snapshot().Index, inv.overlay()
	inv.publish(after, index.Differences(before, after))
}

// shareAll shares what is not shared step by step, unless it has to make way. The result
// is published once, because laying the records that are left over the table costs more
// than a step.
func (inv *Inventory) shareAll(ctx context.Context, makeWay func() bool) error {
	defer inv.refresh()
	for len(inv.unshared) > 0 && !makeWay() {
		if err := inv.shareSome(ctx); err != nil {
			return err
		}
	}
	return nil
}

// shareSome shares as many of the unshared records as fit in one step of the store, or
// none if it was changed meanwhile.
func (inv *Inventory) shareSome(ctx context.Context) error {
	inv.take()
	r := inv.workOutShares()
	err := inv.persistShared(ctx, r.changes)
	switch {
	case errors.Is(err, storage.ErrConflict) && inv.awaitUpdate(ctx):
		inv.conflicts.Add(1)
		return nil
	case err != nil:
		return err
	}
	for _, o := range r.outcomes {
		inv.settleUnshared(o)
	}
	return nil
}

// shares are unshared records that are shared at once.
type shares struct {
	outcomes []outcome
	changes  []instance.Change
}

// workOutShares takes as many unshared records as fit in one step of the store, at
// least one.
func (inv *Inventory) workOutShares() shares {
	var s shares
	weight := 0.0
	table, rules := inv.settled, inv.rules.Load()
	for _, u := range inv.inOrder() {
		d := newDraft(table, rules)
		o := d.share(u, inv.shared.Wrote(u.Record.UUID))
		if !onlyWakes(d.change) {
			weight += inv.shared.Weight(d.change)
			if len(s.changes) > 0 && weight > 1 {
				break
			}
			s.changes, table = append(s.changes, d.change), d.Commit()
		}
		s.outcomes = append(s.outcomes, o)
	}
	return s
}

// settleUnshared forgets a record that was shared, and tells what had to change.
func (inv *Inventory) settleUnshared(o outcome) {
	id := o.guest.UUID
	if err := inv.shared.Forget(inv.ctx, id); err != nil {
		inv.log.Error("a record that is shared now cannot be removed from those that are not", "guest", o.guest.Name, "error", err)
	}
	delete(inv.unshared, id)
	inv.stale = true
	switch {
	case o.dropped != "":
		inv.log.Error("a guest that was registered while etcd did not answer could not be shared", "guest", o.guest.Name, "uuid", id, "reason", o.dropped)
		inv.refusals.Note(api.Refusal{Name: o.guest.Name, UUID: id, State: api.Refused, Source: instance.ByLibvirt,
			Reason: "it was registered while etcd did not answer, and could not be shared: " + o.dropped})
	case len(o.changed) > 0:
		for _, change := range o.changed {
			inv.log.Warn("a guest that was registered while etcd did not answer has changed", "guest", o.guest.Name, "uuid", id, "change", change)
		}
	default:
		inv.log.Info("a guest is shared with the other hosts now", "guest", o.guest.Name, "uuid", id)
	}
}

// outcome is what became of an unshared record.
type outcome struct {
	guest   instance.Instance
	dropped string   // why it is not kept, or empty
	changed []string // what is different in the shared record
}

// share adds an unshared record to the table. What another guest has got meanwhile
// stays that guest's. own is whether this host itself has made the present record: if
// that is not the base, then by a commit whose outcome was unknown.
func (d *draft) share(u storage.Unshared, own bool) outcome {
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
		return outcome{guest: *current}
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
	if !known || !sameButTime(*current, guest) {
		d.store(current, &guest)
	}
	return outcome{guest: guest, changed: changed}
}

// superseded says why the shared record of a guest is newer than an unshared one, or
// is empty.
func (d *draft) superseded(u storage.Unshared, current *instance.Instance) string {
	mine := u.Record.Home
	moved := current.Epoch > mine.Epoch || current.Epoch == mine.Epoch && current.HostID != mine.HostID
	stays := u.Base != nil && d.rules.Host.Elsewhere(current) && current.Epoch == mine.Epoch
	switch {
	case moved:
		return fmt.Sprintf("it is on the host %q", current.Host)
	case u.Base == nil && current.HostID == "" && (u.Record.Name != current.Name || u.Record.MAC != current.MAC):
		return "another host has registered it"
	case u.Base != nil && !sameIdentity(u.Base, current), stays && !sameButTime(*u.Base, *current):
		return "another host has changed it"
	}
	return ""
}

// giveUp leaves an unshared record out. The guest may still use its addresses, so
// they rest.
func (d *draft) giveUp(u storage.Unshared, why string) outcome {
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
	return outcome{guest: u.Record, dropped: why}
}

// distinguish gives a guest other names if another one has got them.
func (d *draft) distinguish(guest *instance.Instance, places []instance.Attachment) (changed []string) {
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
func (d *draft) readdress(guest, current *instance.Instance) (changed []string) {
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
func (d *draft) keptPlaces(guest, current *instance.Instance) []instance.Attachment {
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
func (d *draft) serves(guest *instance.Instance) bool {
	return !slices.ContainsFunc(guest.Attachments(), func(place instance.Attachment) bool {
		_, known := d.rules.Network(place.Network)
		return !known
	})
}

// loadUnshared reads what an earlier run has kept.
func (inv *Inventory) loadUnshared(ctx context.Context) error {
	inv.unshared = map[uuid.UUID]storage.Unshared{}
	list, err := inv.shared.Unshared(ctx)
	for _, u := range list {
		inv.unshared[u.Record.UUID] = u
		inv.stale = true
	}
	return err
}
