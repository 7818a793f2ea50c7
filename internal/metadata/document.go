// Package metadata makes one neutral document of a guest, out of which every
// datasource face (EC2 today) draws its answers. What is true of a guest is
// decided here once, so that no two faces can disagree.
package metadata

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

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
	Network    instance.Network // the metadata network
}

// Document is what a guest may learn of itself. Zero values are absent: a
// face shows no name for them.
type Document struct {
	InstanceID string
	Hostname   string
	MAC        instance.MAC
	LocalIPv4  netip.Addr
	LocalIPv6  netip.Addr
	PublicKeys []PublicKey // shared with the Site, read only
	Network    instance.Network
}

// New draws up the document of one guest.
func New(guest *instance.Instance, site Site) Document {
	return Document{
		InstanceID: guest.ID,
		Hostname:   guest.Hostname,
		MAC:        guest.MAC,
		LocalIPv4:  guest.IPv4,
		LocalIPv6:  guest.IPv6,
		PublicKeys: site.PublicKeys,
		Network:    site.Network,
	}
}

// ResourceID makes the kind of id that AWS gives to networks and interfaces,
// "vpc-" and 17 hexadecimal digits for instance, out of a name that is stable.
func ResourceID(kind, name string) string {
	sum := sha256.Sum256([]byte(kind + " " + name))
	return kind + "-" + hex.EncodeToString(sum[:])[:17]
}
