package hostkeys

import (
	"net/netip"
	"slices"
	"strings"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// Directory finds guests by the names and addresses that SSH clients use for
// them. Both come from the inventory; nothing in it is chosen by a guest.
type Directory struct {
	Guests   *inventory.Snapshot
	Networks []instance.Network // those that are served
}

// furtherForms is an entry_order with every name that a guest can have in DNS beside its
// host name.
var furtherForms = []string{"prefix", "domain"}

// Names are the host name of a guest and its names in the DNS of its networks,
// in lower case. A name that could mean two guests, on networks that are apart,
// is left out unless it is the host name of this one.
func (d Directory) Names(guest *instance.Instance) []string {
	return slices.DeleteFunc(d.forms(guest), func(name string) bool {
		owner, ok := d.byName(name)
		return !ok || owner.UUID != guest.UUID
	})
}

// Addresses are the addresses of a guest on all networks.
func Addresses(guest *instance.Instance) []netip.Addr {
	var list []netip.Addr
	for _, place := range guest.Attachments() {
		list = append(list, place.Addrs()...)
	}
	return list
}

// Find returns the guest that an SSH client means by a host: a name, an
// address, or one of them with a port, as in [web1]:2222.
func (d Directory) Find(host string) (*instance.Instance, bool) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		var port string
		if host, port, ok = strings.Cut(inner, "]:"); !ok || strings.Trim(port, "0123456789") != "" {
			return nil, false
		}
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return d.Guests.ByAddr(addr)
	}
	return d.byName(strings.ToLower(strings.TrimSuffix(host, ".")))
}

func (d Directory) byName(name string) (*instance.Instance, bool) {
	if guest, ok := d.Guests.ByHostname(name); ok {
		return guest, true
	}
	var found *instance.Instance
	for _, network := range d.Networks {
		for _, hostname := range network.ConflictingNames(name) {
			guest, ok := d.Guests.ByHostname(hostname)
			if !ok || !slices.Contains(d.forms(guest), name) {
				continue
			}
			if found != nil && found.UUID != guest.UUID {
				return nil, false
			}
			found = guest
		}
	}
	return found, found != nil
}

// forms are all names that a guest has in the DNS of its networks.
func (d Directory) forms(guest *instance.Instance) []string {
	names := []string{strings.ToLower(guest.Hostname)}
	for _, place := range guest.Attachments() {
		i := slices.IndexFunc(d.Networks, func(n instance.Network) bool { return n.Name == place.Network })
		if i < 0 {
			continue
		}
		for _, name := range instance.HostNames(guest.Hostname, d.Networks[i].NamePrefix, d.Networks[i].Domain, furtherForms) {
			if name = strings.ToLower(name); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return !instance.ValidHostname(name) })
}
