// Package metadata makes one neutral document for a guest. Every datasource
// frontend makes its answers from it, so that no two frontends can disagree.
package metadata

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// PublicKey is one SSH public key that guests install.
type PublicKey struct {
	Name string // its name in [public-keys]
	Key  string // one line in OpenSSH's authorized_keys format
}

// Site is what all guests of this server have in common.
type Site struct {
	PublicKeys []PublicKey
	Networks   []instance.Network // those that are served
	// MetadataAddress is where guests reach this server.
	MetadataAddress netip.Addr
	Host            string // full name of the host that runs this server
	Location        string // where that is, in the administrator's words

	Region, AvailabilityZone string // what EC2 calls that
	AccountID                string // of the owner of all guests
}

// Document is what a guest may learn of itself. Zero values are absent: a
// frontend shows no name for them. Slices and maps are shared with the guest's
// record and the Site, and are read only.
type Document struct {
	InstanceID string
	Name       string // of the domain, any text that libvirt accepts
	UUID       uuid.UUID
	Hostname   string
	Location   string
	instance.Hardware
	FirstSeen  time.Time
	Tags       map[string]string
	Values     map[string]string // all other metadata of the domain
	Disks      []instance.Disk
	Interfaces []Interface // all that the guest has, in its own order

	// Of the interface on the guest's first served network.
	MAC       instance.MAC
	LocalIPv4 netip.Addr
	LocalIPv6 netip.Addr
	Network   instance.Network

	PublicKeys      []PublicKey
	Domain          string // the DNS domain on that network, or empty
	MetadataAddress netip.Addr
	Host            string // full name of the host

	Region, AvailabilityZone string
	AccountID                string
}

// Interface is one network interface of a guest. Only an interface on a served
// network has addresses; of the others only the hardware is known.
type Interface struct {
	MAC      instance.MAC
	Network  string       // served, or libvirt's, or empty
	IPv4     netip.Prefix // the address, with the length of its network's prefix
	IPv6     netip.Prefix // the same; it is had by DHCPv6
	Gateway4 netip.Addr   // where the default route is: one is enough, see instance.DefaultRoutes
	Gateway6 netip.Addr
	NoRoute6 bool // the IPv6 default route is on another interface
	DNS      []netip.Addr
	Search   []string // domains to search for names in
	MTU      int      // 0: that of the network
	Primary  bool     // the one that metadata is requested on
}

// New draws up the document of one guest.
func New(guest *instance.Instance, site Site) Document {
	var d Document
	d.Fill(guest, &site)
	return d
}

// Fill writes the document of a guest into the memory of another one, which must
// not be in use any more.
func (d *Document) Fill(guest *instance.Instance, site *Site) {
	network := site.network(guest.Network)
	*d = Document{
		InstanceID: guest.ID,
		Name:       guest.Name,
		UUID:       guest.UUID,
		Hostname:   guest.Hostname,
		Location:   guest.Location,
		Hardware:   guest.Hardware,
		FirstSeen:  guest.FirstSeen,
		Tags:       guest.Metadata.Tags,
		Values:     guest.Metadata.Values,
		Disks:      guest.Disks,
		Interfaces: appendInterfaces(d.Interfaces[:0], guest, site),

		MAC:       guest.MAC,
		LocalIPv4: guest.IPv4,
		LocalIPv6: guest.IPv6,
		Network:   network,

		PublicKeys:      site.PublicKeys,
		Domain:          network.Domain,
		MetadataAddress: site.MetadataAddress,
		Host:            site.Host,

		Region:           site.Region,
		AvailabilityZone: site.AvailabilityZone,
		AccountID:        site.AccountID,
	}
}

// network finds a served network by its name.
func (s *Site) network(name string) instance.Network {
	for i := range s.Networks {
		if s.Networks[i].Name == name {
			return s.Networks[i]
		}
	}
	return instance.Network{}
}

// appendInterfaces lists the guest's interfaces. A guest from the Python
// mdserver's database has only the one that the address belongs to.
func appendInterfaces(list []Interface, guest *instance.Instance, site *Site) []Interface {
	list = slices.Grow(list, max(1, len(guest.Interfaces)))
	for i, place := range guest.Places() {
		nic := guest.Interfaces[i]
		if place != (instance.Attachment{}) {
			list = append(list, served(guest, place, nic.MTU, site))
			continue
		}
		list = append(list, Interface{MAC: nic.MAC, Network: nic.Network, MTU: nic.MTU})
	}
	if len(list) == 0 && !guest.MAC.IsZero() {
		list = append(list, served(guest, guest.Primary(), 0, site))
	}
	return list
}

// served is an interface on a served network.
func served(guest *instance.Instance, place instance.Attachment, mtu int, site *Site) Interface {
	network := site.network(place.Network)
	out := Interface{
		MAC: place.MAC, Network: place.Network, MTU: instance.EffectiveMTU(mtu, network.MTU), Primary: place == guest.Primary(),
		DNS: network.DNS, Search: network.SearchDomains(),
	}
	if place.IPv4.IsValid() && network.IPv4.IsValid() {
		out.IPv4 = netip.PrefixFrom(place.IPv4, network.IPv4.Bits())
	}
	if place.IPv6.IsValid() && network.IPv6.IsValid() {
		out.IPv6 = netip.PrefixFrom(place.IPv6, network.IPv6.Bits())
	}
	routed4, routed6 := guest.DefaultRoutes(place)
	if routed4 && out.IPv4.IsValid() {
		out.Gateway4 = network.Gateway4
	}
	if routed6 && out.IPv6.IsValid() {
		out.Gateway6 = network.Gateway6
	}
	out.NoRoute6 = out.IPv6.IsValid() && !routed6
	return out
}

// ResourceID makes the kind of id that AWS gives to networks and interfaces,
// "vpc-" and 17 hexadecimal digits for instance, out of a name that is stable.
func ResourceID(kind, name string) string {
	sum := sha256.Sum256([]byte(kind + " " + name))
	return kind + "-" + hex.EncodeToString(sum[:])[:17]
}
