package inventory

import (
	"context"
	"fmt"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

// word is what this host knows of a guest when it registers it. It decides whether
// this host has the guest from then on, if several share the inventory.
//
// A guest moves to the host that starts, receives or runs it, and its epoch grows by
// one in the same change. It does not move if the host that has it is alive and runs
// it: then two hosts run the same guest, or a migration is about to end. What else a
// host knows of a guest that another one has changes nothing. So the definitions on
// a host that was away for a while take nothing back.
//
// A guest that is received is on its way as long as the other host runs it. If it
// does not arrive, it belongs to that host again. It may have arrived only if this host
// was about to start it: before it receives a guest that runs, libvirt does that.
type word int

const (
	told     word = iota // an administrator registers it by hand
	defined              // libvirt has its definition, and does not run it
	starts               // libvirt is about to start it
	received             // libvirt is about to receive it from another host
	runs                 // libvirt runs it
)

// wordOf is the word of a registration by another way than libvirt's own.
func wordOf(dom instance.Domain) word {
	switch dom.Source {
	case instance.ByHook, instance.ByUpload:
		if dom.Received {
			return received
		}
		return starts
	}
	return told
}

// HostID identifies this host, or is empty if no others share the inventory.
func (inv *Inventory) HostID() string { return inv.rules.Load().HostID }

// Has reports whether this host has a guest.
func (inv *Inventory) Has(guest *instance.Instance) bool { return inv.rules.Load().here(guest) }

// ForgetHost takes all guests from a host, and gives back its spare addresses. The guests
// belong to no host then, and to the next one that starts or runs them. It returns how
// many there were.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) ForgetHost(ctx context.Context, hostID string) (count int, err error) {
	err = inv.submit(ctx, func(d *draft) error {
		count = d.forgetHost(hostID)
		return nil
	})
	return count, err
}

func (d *draft) forgetHost(hostID string) (count int) {
	d.dropSpares(func(spare *instance.Spare) bool { return spare.Owner == hostID })
	var guests []*instance.Instance
	for guest := range d.base.All() {
		if guest.HostID == hostID || guest.FromID == hostID {
			guests = append(guests, guest)
		}
	}
	for _, guest := range guests {
		changed := *guest
		if guest.HostID != hostID {
			changed.FromHost, changed.FromID = "", ""
		} else {
			changed.Home = instance.Home{Epoch: guest.Epoch + 1}
			count++
			if !gone(guest) {
				changed.Presence = instance.Presence{State: instance.Away, Since: d.now}
			}
		}
		d.store(guest, &changed)
	}
	return count
}

// here reports whether this host has a guest.
func (r *rules) here(guest *instance.Instance) bool {
	return r.HostID == "" || guest.HostID == r.HostID
}

// elsewhere reports whether another host has a guest.
func (d *draft) elsewhere(guest *instance.Instance) bool {
	return guest.HostID != "" && !d.rules.here(guest)
}

// alive reports whether a host takes part in the inventory.
func (r *rules) alive(hostID string) bool { return r.Alive != nil && r.Alive(hostID) }

// home is which host has a guest after a word of this one. current is nil for a new
// guest. If the word does not count, the guest's record stays as it is.
func (d *draft) home(current *instance.Instance, w word) (home instance.Home, counts bool) {
	switch {
	case d.rules.HostID == "":
		return instance.Home{}, true
	case current == nil:
		return d.moved(instance.Home{}, w), true
	case d.rules.here(current):
		return d.stays(current.Home, w), true
	case w == told:
		return current.Home, true
	case d.takes(current, w):
		return d.moved(current.Home, w), true
	}
	return instance.Home{}, false
}

// takes reports whether a guest of another host, or of none, moves here.
func (d *draft) takes(current *instance.Instance, w word) bool {
	now := current.Home
	switch w {
	case received:
		return true
	case starts:
		return now.Run != instance.Running || !d.rules.alive(now.HostID)
	case runs:
		switch {
		case !d.rules.alive(now.HostID):
			return true
		case now.FromID == d.rules.HostID: // it is still on its way
			return false
		}
		return now.Run != instance.Running
	}
	return gone(current) || now.HostID == "" && current.Presence.State != instance.Away
}

// moved is the home of a guest that this host takes.
func (d *draft) moved(from instance.Home, w word) instance.Home {
	if w == told {
		return from
	}
	home := instance.Home{Host: d.rules.HostName, HostID: d.rules.HostID, Epoch: from.Epoch + 1, Run: runState(w)}
	switch {
	case w != received || from.Run == instance.NotRunning && from.FromID == "":
	case from.FromID != "" && from.FromID != d.rules.HostID: // it has not left that one yet
		home.FromHost, home.FromID = from.FromHost, from.FromID
	default:
		home.FromHost, home.FromID = from.Host, from.HostID
	}
	return home
}

// stays is the home of a guest that this host has already.
func (d *draft) stays(home instance.Home, w word) instance.Home {
	home.Host = d.rules.HostName
	switch {
	case w == told:
	case home.FromID == "" || w == starts:
		home.Run = runState(w)
	case w == runs:
		return arrived(home, instance.Running)
	case w == defined:
		return sentBack(home)
	}
	return home
}

// sentBack is the home of a guest that did not arrive.
func sentBack(home instance.Home) instance.Home {
	return instance.Home{Host: home.FromHost, HostID: home.FromID, Epoch: home.Epoch + 1, Run: instance.Running}
}

func runState(w word) instance.RunState {
	switch w {
	case starts:
		return instance.Starting
	case runs:
		return instance.Running
	}
	return instance.NotRunning
}

// contested is the name of the host that runs a guest which this one starts or runs,
// too. It is empty while the guest is on its way to that host.
func (d *draft) contested(current *instance.Instance, w word) string {
	if w != starts && w != runs || current.FromID == d.rules.HostID {
		return ""
	}
	return current.Host
}

// nameOfNamesake is the name of a guest whose domain has the same name as a domain on
// another host: that one keeps it.
func (d *draft) nameOfNamesake(dom instance.Domain) (name, problem string, err error) {
	name = dom.UUID.String()
	if other, ok := d.ByName(name); ok && other.UUID != dom.UUID {
		return "", "", &denied.ConflictError{Kind: denied.ErrNameTaken, Value: name, Guest: dom.Name, Holder: other.Name, Hint: "rename one of them"}
	}
	holder, _ := d.ByName(dom.Name)
	return name, fmt.Sprintf("the host %s has another domain of the name %q; rename one of them", holder.Host, dom.Name), nil
}
