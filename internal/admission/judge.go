package admission

import (
	"net/netip"

	"mdserver/internal/ingress"
	"mdserver/internal/instance"
)

// facts are what the kernel reported about a connection when it was accepted. They
// never change; what follows from them may.
type facts struct {
	ingress.Source
	port    ingress.Port
	portErr error
}

// refusal is why a connection is not its sender's to use.
type refusal int

const (
	none           refusal = iota
	wrongInterface         // guests are not served there
	wrongNetwork           // another one than the address is of
	wrongMAC
	wrongPort
	contestedPort // the right one, and the MAC was at another one a moment ago
	refusals
)

// texts are the answers to refused senders. A contested port gets none.
var texts = [refusals]string{
	wrongInterface: "Forbidden: guests are not served on this network",
	wrongNetwork:   "Forbidden: the address belongs to another network",
	wrongMAC:       "Forbidden: not sent by the guest that owns the address",
	wrongPort:      "Forbidden: not sent from where the guest that owns the address is",
}

// messages are what the log says.
var messages = [refusals]string{
	wrongInterface: "request refused: guests are not served on this interface",
	wrongNetwork:   "request refused: its address belongs to another network",
	wrongMAC:       "request refused: the MAC is not that of the address's guest",
	wrongPort:      "request refused: the bridge port is not that of the MAC's guest",
	contestedPort:  "connection closed: the MAC was at another bridge port a moment ago",
}

// verdict is who sent what comes by a connection: a guest, this host, or, if
// neither, a stranger. The guest of a refused one is who the sender says it is.
type verdict struct {
	guest   *instance.Instance
	place   instance.Attachment // where the guest is
	local   bool
	refusal refusal
}

// is reports whether two verdicts name the same sender.
func (v verdict) is(other verdict) bool {
	if v.local != other.local || v.refusal != other.refusal || (v.guest == nil) != (other.guest == nil) {
		return false
	}
	return v.guest == nil || v.guest.UUID == other.guest.UUID
}

// judge decides, from the facts and from what is known of guests now, who sent
// what comes by a connection.
func (d *Admission) judge(f *facts) verdict {
	policy := d.policy.Load()
	if f.Loopback() {
		if guest, ok := d.byAddr(f); ok { // a network of guests on this host's loopback addresses
			return verdict{guest: guest}
		}
		return verdict{local: !scoped(f.Addr())}
	}
	if !policy.admits(f.Interface) {
		return verdict{refusal: wrongInterface}
	}
	v := verdict{}
	if guest, ok := d.byAddr(f); ok {
		v.guest = guest
		v.place, _ = guest.At(f.Addr())
	} else if v.guest, v.place = d.byLinkLocal(f, policy); v.guest == nil {
		return v
	}
	v.refusal = d.doubt(f, &v, policy)
	return v
}

// scoped reports whether an address says nothing without its link. Those of IPv4
// do, as 169.254.169.254.
func scoped(addr netip.Addr) bool { return addr.Is6() && addr.IsLinkLocalUnicast() }

// byAddr finds the guest that has the sender's address.
func (d *Admission) byAddr(f *facts) (*instance.Instance, bool) {
	if scoped(f.Addr()) {
		return nil, false
	}
	return d.guests.ByAddr(f.Addr())
}

// byLinkLocal finds the guest that has the sender's MAC on the link of its
// link-local address.
func (d *Admission) byLinkLocal(f *facts, policy *Policy) (*instance.Instance, instance.Attachment) {
	if !f.Addr().IsLinkLocalUnicast() || f.MAC.IsZero() {
		return nil, instance.Attachment{}
	}
	for _, guest := range d.guests.ByMAC(f.MAC) {
		if place, ok := here(guest.ByMAC(f.MAC), f, policy); ok {
			return guest, place
		}
	}
	return nil, instance.Attachment{}
}

// here returns the place on the link that the sender's packet came from.
func here(places []instance.Attachment, f *facts, policy *Policy) (instance.Attachment, bool) {
	for _, place := range places {
		if policy.Bridges[place.Network] == f.Interface {
			return place, true
		}
	}
	return instance.Attachment{}, false
}

// doubt tells why a sender is not the guest that it seems to be.
func (d *Admission) doubt(f *facts, v *verdict, policy *Policy) refusal {
	home := policy.Bridges[v.place.Network]
	away := home != "" && home != f.Interface
	if away && !policy.Routed {
		return wrongNetwork
	}
	ours := policy.ours(f.Interface)
	verified := policy.Verify == VerifyAll || policy.Verify == VerifyBridge && ours
	if !verified && !f.Addr().IsLinkLocalUnicast() {
		return none
	}
	if away && ours { // the guest is there itself, or is not the sender
		places := v.guest.ByMAC(f.MAC)
		if len(places) == 0 {
			return wrongMAC
		}
		other, ok := here(places, f, policy)
		if !ok {
			return wrongNetwork
		}
		v.place = other
	}
	if !d.matches(f, v.place.MAC, policy) {
		return wrongMAC
	}
	return d.doubtPort(f, v)
}

// matches compares the sender's MAC with a guest's. The Python mdserver's database
// may lack a guest's MAC; any MAC that is not another guest's matches then.
func (d *Admission) matches(f *facts, mac instance.MAC, policy *Policy) bool {
	if mac.IsZero() && policy.Verify != VerifyAll {
		return len(d.guests.ByMAC(f.MAC)) == 0
	}
	return f.MAC == mac && !f.MAC.IsZero()
}

// doubtPort compares the bridge's port that the sender's MAC is at with the tap
// that libvirt gave the guest.
func (d *Admission) doubtPort(f *facts, v *verdict) refusal {
	target := v.guest.Target(v.place)
	switch {
	case f.portErr != nil:
		if target != "" {
			return wrongPort
		}
	case !f.port.Bridged:
	case f.port.MadeFor(v.place.MAC), f.port.Name == target && !d.taps.another(target, v.guest):
		if f.port.Contested {
			return contestedPort
		}
	case target != "" && ingress.Exists(target), d.taps.another(f.port.Name, v.guest):
		return wrongPort
	}
	return none
}
