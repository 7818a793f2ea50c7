package draft

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/hosting"
)

// Registration is what became of a domain that was registered.
type Registration struct {
	Instance instance.Instance
	// Created: the guest was not known before.
	Created bool
	// Replaced is the guest of another UUID that had the name and is gone, or nil.
	Replaced *instance.Instance
	// Yielded are guests that were gone and had what this one has or asks for.
	// They are released before their time.
	Yielded []*instance.Instance
	// NameProblem says why the guest does not have the host name that its domain's
	// name would give, or is empty. It is set when a name is chosen.
	NameProblem string
	// RunsOn is the name of another host that has the guest and runs it as well, or
	// empty. Nothing was changed then.
	RunsOn string
	// AddressProblem says why the guest has no address although the network gives
	// them: denied.ErrNetworkFull, storage.ErrAway; or why it has another one than it requests:
	// denied.ErrAddressOutside. It is nil if the guest has what it should.
	AddressProblem error
}

// Register makes dom a guest, or updates the one it is already.
func (d *Draft) Register(dom instance.Domain) (Registration, error) {
	switch dom.Source {
	case instance.ByHook:
		d.named = true
	case instance.ByLocal:
		d.unconfirmed = true
	}
	return d.enrol(dom, hosting.WordOf(dom), func(_, _ *instance.Instance) bool { return true })
}

// enrol is what all ways to register have in common. finish completes the record
// and reports whether to keep it, or else current stays as it is.
func (d *Draft) enrol(dom instance.Domain, w hosting.Word, finish func(current, guest *instance.Instance) bool) (Registration, error) {
	places, err := d.check(dom)
	if err != nil {
		return Registration{}, err
	}
	current, _ := d.ByUUID(dom.UUID)
	home, counts := d.rules.Host.After(current, w)
	if !counts {
		return Registration{Instance: *current, RunsOn: d.rules.Host.Contested(current, w)}, nil
	}
	holder, namesake, err := d.displace(dom, w, places, current)
	if err != nil {
		return Registration{}, err
	}
	reg := Registration{Created: current == nil, Replaced: holder}
	guest := d.record(dom, current)
	guest.Home = home
	if reg.AddressProblem, err = d.assignAddresses(&guest, places, current, holder); err != nil {
		return Registration{}, err
	}
	if reg.NameProblem, err = d.assignNames(&guest, dom, places, current, namesake); err != nil {
		return Registration{}, err
	}
	if !finish(current, &guest) {
		return Registration{Instance: *current}, nil
	}
	d.put(current, &guest)
	reg.Instance, reg.Yielded = guest, d.yielded
	return reg, nil
}

// displace has other guests make way for a domain that becomes one. holder is the guest
// that it replaces, because that has its name, or nil. namesake is set if a guest of
// another host keeps the name. An error refuses the domain.
func (d *Draft) displace(dom instance.Domain, w hosting.Word, places []instance.Attachment, current *instance.Instance) (holder *instance.Instance, namesake bool, err error) {
	if d.named {
		d.makeWay(dom)
	}
	holder, namesake = d.nameHolder(dom, w)
	if err := d.checkConfirmed(dom, current, holder); err != nil {
		return nil, false, err
	}
	if holder != nil {
		d.remove(holder)
	}
	d.yieldTo(dom, places)
	if err := d.checkMACs(dom, places); err != nil {
		return nil, false, err
	}
	return holder, namesake, d.makeRoom(dom, current)
}

// nameHolder gives the other guest that has the name of a domain and makes way for it, or
// nil. A namesake on another host does not: it keeps the name.
func (d *Draft) nameHolder(dom instance.Domain, w hosting.Word) (holder *instance.Instance, namesake bool) {
	holder, ok := d.ByName(dom.Name)
	switch {
	case !ok || holder.UUID == dom.UUID:
		return nil, false
	case w != hosting.Told && d.rules.Host.Elsewhere(holder):
		return nil, true
	}
	return holder, false
}

// assignNames gives the guest its host name and, if a guest of another host has the name
// of its domain, another name. problem says why it does not have the names of its domain.
func (d *Draft) assignNames(guest *instance.Instance, dom instance.Domain, places []instance.Attachment, current *instance.Instance, namesake bool) (problem string, err error) {
	if guest.Hostname, problem, err = d.names().Choose(dom, places, current); err != nil {
		return "", err
	}
	if current != nil && current.Hostname == guest.Hostname {
		guest.Wanted.Hostname = current.Wanted.Hostname
	}
	if holder, there := d.ByName(dom.Name); namesake && there { // it may have made way since
		guest.Wanted.Name = dom.Name
		guest.Name, problem, err = d.nameOfNamesake(dom, holder)
	}
	return problem, err
}

// check refuses domains that cannot be guests, and returns the others' places on
// served networks.
func (d *Draft) check(dom instance.Domain) ([]instance.Attachment, error) {
	if err := dom.Validate(); err != nil {
		return nil, &denied.RequestError{Kind: denied.ErrInvalid, Guest: dom.Name, Reason: err.Error()}
	}
	places := d.places(dom)
	if len(places) == 0 {
		return nil, &denied.RequestError{Kind: denied.ErrNoInterface, Guest: dom.Name,
			Reason: fmt.Sprintf("none of its interfaces is on the network %s; %s", d.rules.Names(), networksOf(dom))}
	}
	for _, place := range places {
		if place.MAC.IsZero() {
			return nil, &denied.RequestError{Kind: denied.ErrInvalid, Guest: dom.Name,
				Reason: fmt.Sprintf("its interface on the network %q has no MAC address", place.Network)}
		}
	}
	return places, nil
}

// places are the domain's interfaces on the networks, still without addresses:
// by network, and on one network in the order of the definition. An interface is
// on one network only. Interfaces that share a MAC address on one network, as in
// a failover pair, have one place. So do those without a MAC address after the
// first.
func (d *Draft) places(dom instance.Domain) []instance.Attachment {
	var places []instance.Attachment
	taken := make([]bool, len(dom.Interfaces))
	for _, network := range d.rules.Networks {
		first := len(places)
		for i, nic := range dom.Interfaces {
			if taken[i] || !network.Has(nic) {
				continue
			}
			taken[i] = true
			place := instance.Attachment{Network: network.Name, MAC: nic.MAC}
			if len(places) == first || !nic.MAC.IsZero() && !slices.Contains(places[first:], place) {
				places = append(places, place)
			}
		}
	}
	return places
}

func networksOf(dom instance.Domain) string {
	var names []string
	for _, nic := range dom.Interfaces {
		name := "no libvirt network"
		switch {
		case nic.Network != "":
			name = strconv.Quote(nic.Network)
		case nic.Bridge != "":
			name = "the bridge " + strconv.Quote(nic.Bridge)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "it has no network interface"
	}
	return "they are on " + strings.Join(names, ", ")
}

func (d *Draft) checkMACs(dom instance.Domain, places []instance.Attachment) error {
	for _, place := range places {
		for _, other := range d.sameMAC(place, dom.UUID) {
			return &denied.ConflictError{Kind: denied.ErrMACInUse, Value: place.MAC.String(), Guest: dom.Name, Holder: other.Name,
				Hint: denied.OrRemove("give one of them another MAC address", other)}
		}
	}
	return nil
}

// sameMAC gives the other guests that have the MAC address of a place on the
// same network. A network that is not served counts as the same: its guests are
// on another one as soon as the network is known by a new name.
func (d *Draft) sameMAC(place instance.Attachment, owner uuid.UUID) []*instance.Instance {
	return slices.DeleteFunc(d.ByMAC(place.MAC), func(other *instance.Instance) bool {
		return other.UUID == owner || !slices.ContainsFunc(other.ByMAC(place.MAC), func(theirs instance.Attachment) bool {
			_, served := d.rules.Network(theirs.Network)
			return theirs.Network == place.Network || !served
		})
	})
}

// record is all of the new record that follows from the domain and the old
// record alone.
func (d *Draft) record(dom instance.Domain, current *instance.Instance) instance.Instance {
	guest := instance.Instance{
		ID:         d.instanceID(dom.UUID, current),
		Name:       dom.Name,
		UUID:       dom.UUID,
		Location:   d.rules.Location,
		Metadata:   instance.Metadata{Values: maps.Clone(dom.Metadata.Values), Tags: maps.Clone(dom.Metadata.Tags), Warnings: slices.Clone(dom.Metadata.Warnings)},
		Interfaces: slices.Clone(dom.Interfaces),
		Disks:      slices.Clone(dom.Disks),
		Hardware:   dom.Hardware,
		FirstSeen:  d.now,
		LastUpdate: d.now,
	}
	guest.Seen = d.tellers(dom, current)
	if current != nil {
		guest.FirstSeen = current.FirstSeen
		guest.Password = current.Password
		guest.Unshared = current.Unshared
		guest.Presence = keptPresence(current.Presence)
	}
	return guest
}

// tellers adds the source that registers the guest now to the earlier ones.
func (d *Draft) tellers(dom instance.Domain, current *instance.Instance) map[string]time.Time {
	seen := map[string]time.Time{}
	if current != nil {
		maps.Copy(seen, current.Seen)
	}
	seen[cmp.Or(dom.Source, instance.ByLibvirt)] = d.now
	return seen
}

// instanceID keeps the instance-id that the guest has or had: a new one would
// make cloud-init set up a running machine again.
func (d *Draft) instanceID(id uuid.UUID, current *instance.Instance) string {
	if current != nil {
		return current.ID
	}
	if d.unconfirmed {
		return instance.DeriveID(id)
	}
	for _, former := range d.RestingOf(id) {
		if _, taken := d.ByID(former.InstanceID); !taken && former.InstanceID != "" {
			return former.InstanceID
		}
	}
	for _, own := range d.rules.WithheldFor(id) {
		if _, taken := d.ByID(own.ID); !taken && own.ID != "" {
			return own.ID
		}
	}
	return instance.DeriveID(id)
}

// nameOfNamesake is the name of a guest whose domain has the same name as a domain on
// another host: that one, the holder, keeps it.
func (d *Draft) nameOfNamesake(dom instance.Domain, holder *instance.Instance) (name, problem string, err error) {
	name = dom.UUID.String()
	if other, ok := d.ByName(name); ok && other.UUID != dom.UUID {
		return "", "", &denied.ConflictError{Kind: denied.ErrNameTaken, Value: name, Guest: dom.Name, Holder: other.Name, Hint: "rename one of them"}
	}
	return name, fmt.Sprintf("the host %s has another domain of the name %q; rename one of them", holder.Host, dom.Name), nil
}
