package instance

import "slices"

// Places pairs the guest's interfaces with its places on networks: the i-th is
// the place of the i-th interface, or the zero Attachment. A MAC address alone
// does not tell: both interfaces of a failover pair have the same one, and so
// may interfaces on networks that are apart.
func (i *Instance) Places() []Attachment {
	places := make([]Attachment, len(i.Interfaces))
	for _, a := range i.Attachments() {
		if k := i.interfaceOf(a, places); k >= 0 {
			places[k] = a
		}
	}
	return places
}

// interfaceOf is the index of the interface of a place, among those that have no
// other place: the one whose definition names the network, else one on a bridge,
// else any with the MAC address.
func (i *Instance) interfaceOf(a Attachment, taken []Attachment) int {
	for _, fits := range []func(Interface) bool{
		func(nic Interface) bool { return nic.Network == a.Network && a.Network != "" },
		func(nic Interface) bool { return nic.Bridge != "" },
		func(Interface) bool { return true },
	} {
		for k, nic := range i.Interfaces {
			if nic.MAC == a.MAC && taken[k] == (Attachment{}) && fits(nic) {
				return k
			}
		}
	}
	return -1
}

// Target is the host's end of the guest's interface on a network, or empty while
// libvirt does not name it.
func (i *Instance) Target(a Attachment) string {
	nic := i.interfaceAt(a)
	return nic.Target
}

// MTU is what the definition sets for the guest's interface on a network, or 0.
func (i *Instance) MTU(a Attachment) int {
	nic := i.interfaceAt(a)
	return nic.MTU
}

// leastMTU is the smallest value of DHCP's option 26 (RFC 2132, 5.1).
const leastMTU = 68

// EffectiveMTU is the MTU that a guest gets for one of its interfaces by each
// protocol, or 0 for none: that of the interface in the domain's definition, or
// else that of the network.
func EffectiveMTU(nic, network int) int {
	if nic >= leastMTU {
		return nic
	}
	return network
}

// interfaceAt is the interface of a place, or the zero Interface if its definition
// is not known.
func (i *Instance) interfaceAt(a Attachment) Interface {
	same := func(p Attachment) bool { return p != (Attachment{}) && p.Network == a.Network && p.MAC == a.MAC }
	if k := slices.IndexFunc(i.Places(), same); k >= 0 {
		return i.Interfaces[k]
	}
	return Interface{}
}
