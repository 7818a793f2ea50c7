// Package hosting decides which of the hosts that share an inventory has a guest,
// and where it runs.
package hosting

import "mdserver/internal/instance"

// Host is this host among those that share the inventory.
type Host struct {
	ID   string // empty if there are no others: then all guests are this host's
	Name string // for people
	// Alive, if it is set, reports whether another host takes part in the inventory
	// now, or may do so.
	Alive func(hostID string) bool
}

// Word is what this host knows of a guest when it registers it. It decides whether
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
type Word int

const (
	Told     Word = iota // an administrator registers it by hand
	Defined              // libvirt has its definition, and does not run it
	Starts               // libvirt is about to start it
	Received             // libvirt is about to receive it from another host
	Runs                 // libvirt runs it
)

// WordOf is the word of a registration by another way than libvirt's own.
func WordOf(dom instance.Domain) Word {
	switch dom.Source {
	case instance.ByHook, instance.ByUpload:
		if dom.Received {
			return Received
		}
		return Starts
	}
	return Told
}

// Has reports whether this host has a guest.
func (h Host) Has(guest *instance.Instance) bool {
	return h.ID == "" || guest.HostID == h.ID
}

// Elsewhere reports whether another host has a guest.
func (h Host) Elsewhere(guest *instance.Instance) bool {
	return guest.HostID != "" && !h.Has(guest)
}

// alive reports whether a host takes part in the inventory.
func (h Host) alive(hostID string) bool { return h.Alive != nil && h.Alive(hostID) }

// After is which host has a guest after a word of this one. current is nil for a new
// guest. If the word does not count, the guest's record stays as it is.
func (h Host) After(current *instance.Instance, w Word) (home instance.Home, counts bool) {
	switch {
	case h.ID == "":
		return instance.Home{}, true
	case current == nil:
		return h.moved(instance.Home{}, w), true
	case h.Has(current):
		return h.stays(current.Home, w), true
	case w == Told:
		return current.Home, true
	case h.takes(current, w):
		return h.moved(current.Home, w), true
	}
	return instance.Home{}, false
}

// takes reports whether a guest of another host, or of none, moves here.
func (h Host) takes(current *instance.Instance, w Word) bool {
	now := current.Home
	switch w {
	case Received:
		return true
	case Starts:
		return now.Run != instance.Running || !h.alive(now.HostID)
	case Runs:
		switch {
		case !h.alive(now.HostID):
			return true
		case now.FromID == h.ID: // it is still on its way
			return false
		}
		return now.Run != instance.Running
	}
	return current.Presence.State == instance.Gone || now.HostID == "" && current.Presence.State != instance.Away
}

// moved is the home of a guest that this host takes.
func (h Host) moved(from instance.Home, w Word) instance.Home {
	if w == Told {
		return from
	}
	home := instance.Home{Host: h.Name, HostID: h.ID, Epoch: from.Epoch + 1, Run: runState(w)}
	switch {
	case w != Received || from.Run == instance.NotRunning && from.FromID == "":
	case from.FromID != "" && from.FromID != h.ID: // it has not left that one yet
		home.FromHost, home.FromID = from.FromHost, from.FromID
	default:
		home.FromHost, home.FromID = from.Host, from.HostID
	}
	return home
}

// stays is the home of a guest that this host has already.
func (h Host) stays(home instance.Home, w Word) instance.Home {
	home.Host = h.Name
	switch {
	case w == Told:
	case home.FromID == "" || w == Starts:
		home.Run = runState(w)
	case w == Runs:
		return Arrived(home, instance.Running)
	case w == Defined:
		return SentBack(home)
	}
	return home
}

// SentBack is the home of a guest that did not arrive.
func SentBack(home instance.Home) instance.Home {
	return instance.Home{Host: home.FromHost, HostID: home.FromID, Epoch: home.Epoch + 1, Run: instance.Running}
}

func runState(w Word) instance.RunState {
	switch w {
	case Starts:
		return instance.Starting
	case Runs:
		return instance.Running
	}
	return instance.NotRunning
}

// Contested is the name of the host that runs a guest which this one starts or runs,
// too. It is empty while the guest is on its way to that host.
func (h Host) Contested(current *instance.Instance, w Word) string {
	if w != Starts && w != Runs || current.FromID == h.ID {
		return ""
	}
	return current.Host
}
