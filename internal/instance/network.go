package instance

import (
	"net/netip"
	"slices"
)

// Network is one network that mdserver serves: its guests, the addresses that it
// gives to guests and those that it never gives, and the settings for guests. No
// two networks of a server overlap, so an address determines its network.
type Network struct {
	Name   string // libvirt's name of it
	Bridge string // the host's interface on it; may be unknown for a while

	// Pending: what addresses the network has is not known yet. Guests keep
	// those that they have.
	Pending  bool
	IPv4     netip.Prefix // the zero Prefix: not served
	IPv6     netip.Prefix
	Excluded []AddrRange // gateway, the server's own addresses, reserved ranges

	// Leased are the addresses that the network's DHCP server assigned itself, or
	// has foreign entries for. No other guest may get such an address.
	Leased map[netip.Addr]MAC

	Gateway4 netip.Addr
	Gateway6 netip.Addr   // valid where DHCPv6 is served
	DNS      []netip.Addr // the DNS servers that guests get, if any
	Domain   string       // the guests' DNS domain, or empty
	Search   []string     // the domains that guests search; Domain if empty
	MTU      int          // that guests get; 0: not set

	NamePrefix string // before each guest's name in DNS, or empty

	// PerHost: of several hosts with one inventory, each has a range of its own, and
	// IPv4 and IPv6 are this host's. Guests of other hosts have addresses elsewhere.
	PerHost bool

	PortSecurity bool // guests on it may send only as themselves
}

// SearchDomains are the domains that guests search for names without a dot.
func (n Network) SearchDomains() []string {
	if len(n.Search) == 0 && n.Domain != "" {
		return []string{n.Domain}
	}
	return n.Search
}

// Prefix returns the network's prefix of the family that addr belongs to.
func (n Network) Prefix(addr netip.Addr) netip.Prefix {
	if addr.Is4() {
		return n.IPv4
	}
	return n.IPv6
}

// Contains reports whether addr is an address of the network.
func (n Network) Contains(addr netip.Addr) bool { return n.Prefix(addr).Contains(addr) }

// Has reports whether nic is on the network: the domain definition names the
// network, or else its bridge.
func (n Network) Has(nic Interface) bool {
	return nic.Network == n.Name || nic.Bridge != "" && nic.Bridge == n.Bridge
}

// Overlaps reports whether the two networks share an address.
func (n Network) Overlaps(other Network) bool {
	return n.IPv4.Overlaps(other.IPv4) || n.IPv6.Overlaps(other.IPv6)
}

// Attachment is the place of one of a guest's interfaces on a served network, with
// its addresses there. Network and MAC identify it: a guest may have several
// interfaces on one network.
type Attachment struct {
	Network string     `json:"network,omitempty"`
	MAC     MAC        `json:"mac"`
	IPv4    netip.Addr `json:"ipv4"` // the zero Addr when it has none
	IPv6    netip.Addr `json:"ipv6"`
}

// Addrs are the addresses that the attachment has, IPv4 first.
func (a Attachment) Addrs() []netip.Addr {
	return slices.DeleteFunc([]netip.Addr{a.IPv4, a.IPv6}, func(addr netip.Addr) bool { return !addr.IsValid() })
}

// Primary is the guest's place on its first network.
func (i *Instance) Primary() Attachment {
	return Attachment{Network: i.Network, MAC: i.MAC, IPv4: i.IPv4, IPv6: i.IPv6}
}

// Attachments are the guest's places on all served networks, the primary one
// first.
func (i *Instance) Attachments() []Attachment {
	return append([]Attachment{i.Primary()}, i.Further...)
}

// Attach gives the guest its places on networks, the primary one first.
func (i *Instance) Attach(places []Attachment) {
	first := places[0]
	i.Network, i.MAC, i.IPv4, i.IPv6 = first.Network, first.MAC, first.IPv4, first.IPv6
	i.Further = append([]Attachment(nil), places[1:]...) // nil for none
}

// On gives the guest's place on the named network, the first one if several
// interfaces are on it.
func (i *Instance) On(network string) (Attachment, bool) {
	return i.find(func(a Attachment) bool { return a.Network == network })
}

// AllOn gives the guest's places on the named network, one for each interface,
// in the order of the domain's definition.
func (i *Instance) AllOn(network string) []Attachment {
	return slices.DeleteFunc(i.Attachments(), func(a Attachment) bool { return a.Network != network })
}

// DefaultRoutes reports whether the guest's default route of each family is at
// one of its places: the first one with an address of that family.
func (i *Instance) DefaultRoutes(a Attachment) (ipv4, ipv6 bool) {
	first4, has4 := i.find(func(p Attachment) bool { return p.IPv4.IsValid() })
	first6, has6 := i.find(func(p Attachment) bool { return p.IPv6.IsValid() })
	return has4 && a == first4, has6 && a == first6
}

// At gives the place where the guest has addr.
func (i *Instance) At(addr netip.Addr) (Attachment, bool) {
	return i.find(func(a Attachment) bool { return addr.IsValid() && (a.IPv4 == addr || a.IPv6 == addr) })
}

// ByMAC gives the guest's places with this MAC address, which may be used on
// several networks.
func (i *Instance) ByMAC(mac MAC) []Attachment {
	if mac.IsZero() {
		return nil
	}
	return slices.DeleteFunc(i.Attachments(), func(a Attachment) bool { return a.MAC != mac })
}

// Addrs are all addresses that the guest has.
func (i *Instance) Addrs() []netip.Addr {
	addrs := i.Primary().Addrs()
	for _, a := range i.Further {
		addrs = append(addrs, a.Addrs()...)
	}
	return addrs
}

func (i *Instance) find(is func(Attachment) bool) (Attachment, bool) {
	if first := i.Primary(); is(first) {
		return first, true
	}
	if k := slices.IndexFunc(i.Further, is); k >= 0 {
		return i.Further[k], true
	}
	return Attachment{}, false
}
