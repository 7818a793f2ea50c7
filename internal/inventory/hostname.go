package inventory

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

// hostname is the one that the guest asks for, else the one it has, else one
// derived from its name. One that came from a request in its metadata does not
// outlive the request. problem tells why a derived name could not be given.
func (d *draft) hostname(dom instance.Domain, places []instance.Attachment, current *instance.Instance) (hostname, problem string, err error) {
	if wanted := dom.Metadata.Hostname(); wanted != "" {
		return wanted, "", d.grantHostname(dom, wanted, places)
	}
	if current != nil && current.Name == dom.Name && current.Metadata.Hostname() == "" && d.never(current.Hostname, places) == "" {
		return current.Hostname, "", nil
	}
	derived := d.derive(dom.Name, dom.UUID, places)
	if why := d.reserved(derived, places); why != "" {
		problem = fmt.Sprintf("the host name %q is not available: %s", derived, why)
	} else if other := d.withheldName(derived, dom.UUID, places); other != nil {
		problem = fmt.Sprintf("the host name %q is not available: it is reserved for %s", derived, other)
	}
	hostname = distinct(derived, dom.UUID, func(name string) bool {
		return d.hostnameHolder(name, dom.UUID, places) == nil && d.reserved(name, places) == "" && d.withheldName(name, dom.UUID, places) == nil
	})
	return hostname, problem, nil
}

// grantHostname checks a host name that the guest asks for.
func (d *draft) grantHostname(dom instance.Domain, wanted string, places []instance.Attachment) error {
	refuse := func(why string) error {
		return &denied.RequestError{Kind: denied.ErrInvalid, Guest: dom.Name, Reason: fmt.Sprintf("the metadata requests the hostname %q, which is not available: %s", wanted, why)}
	}
	if why := d.reserved(wanted, places); why != "" {
		return refuse(why)
	}
	if d.unconfirmed && !d.mayBeDotted(wanted, places) {
		return refuse("only root may request a name outside the network's domain")
	}
	if other := d.withheldName(wanted, dom.UUID, places); other != nil {
		return refuse(fmt.Sprintf("it is reserved for %s", other))
	}
	if other := d.hostnameHolder(wanted, dom.UUID, places); other != nil {
		return &denied.ConflictError{Kind: denied.ErrHostnameTaken, Value: wanted, Guest: dom.Name, Holder: other.Name,
			Hint: fmt.Sprintf("request another one in the metadata, or, if %q no longer exists, remove it: mdserver instance rm %s", other.Name, shellRef(other))}
	}
	return nil
}

// derive makes a host name from a domain's name. Its dots stay only below a domain
// of a served network: elsewhere the name may be that of another machine.
func (d *draft) derive(name string, id uuid.UUID, places []instance.Attachment) string {
	if !d.mayBeDotted(name, places) {
		return instance.DeriveLabel(name, id, d.rules.FallbackHostname)
	}
	return instance.DeriveHostname(name, id, d.rules.FallbackHostname)
}

func (d *draft) mayBeDotted(name string, places []instance.Attachment) bool {
	return !strings.Contains(name, ".") || slices.ContainsFunc(places, func(place instance.Attachment) bool {
		network, _ := d.rules.Network(place.Network)
		return network.Below(name)
	})
}

// never says why a host name is given to no guest with these places, or is
// empty: it, or a name that it leads to in DNS, means this host, or has others
// take the guest for something that it is not.
func (d *draft) never(hostname string, places []instance.Attachment) string {
	return d.inDNS(hostname, places, func(name string, _ instance.Attachment) string {
		if why := instance.ReservedName(name); why != "" {
			return why
		}
		if slices.Contains(d.rules.OwnNames, name) {
			return "it is a name of this host"
		}
		return ""
	})
}

// reserved is never, and also says of a name in this host's hosts file why it
// is not given. A guest that has the name keeps it when the file changes.
func (d *draft) reserved(hostname string, places []instance.Attachment) string {
	if why := d.never(hostname, places); why != "" || d.rules.Hosts == nil {
		return why
	}
	return d.inDNS(hostname, places, func(name string, place instance.Attachment) string {
		listed := d.rules.Hosts(name)
		if len(listed) == 0 || slices.ContainsFunc(place.Addrs(), func(own netip.Addr) bool { return slices.Contains(listed, own) }) {
			return ""
		}
		return fmt.Sprintf("it is the name of %v in this host's hosts file", listed[0])
	})
}

// inDNS asks for a reason against each name that hostname leads to in the DNS of
// the places, until there is one.
func (d *draft) inDNS(hostname string, places []instance.Attachment, why func(name string, place instance.Attachment) string) string {
	for _, place := range places {
		network, _ := d.rules.Network(place.Network)
		for _, name := range network.DNSNames(hostname) {
			if reason := why(name, place); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// hostnameHolder gives the other guest that has hostname, or a name in the DNS
// of one of the places that hostname would have there as well; or nil.
func (d *draft) hostnameHolder(hostname string, id uuid.UUID, places []instance.Attachment) *instance.Instance {
	if other, ok := d.ByHostname(hostname); ok && other.UUID != id {
		return other
	}
	for _, place := range places {
		network, _ := d.rules.Network(place.Network)
		for _, rival := range network.ConflictingNames(hostname) {
			other, ok := d.ByHostname(rival)
			if !ok {
				d.change.Free = append(d.change.Free, rival)
			}
			if !ok || other.UUID == id {
				continue
			}
			if _, there := other.On(place.Network); there {
				return other
			}
		}
	}
	return nil
}

// distinct adds digits to hostname until it is free. They come from the UUID;
// should even that be taken, from UUIDs derived from it.
func distinct(hostname string, id uuid.UUID, free func(string) bool) string {
	unique, seed := hostname, id
	for !free(unique) {
		unique = instance.DistinctHostname(hostname, seed)
		seed = uuid.NewSHA1(seed, []byte(hostname))
	}
	return unique
}

// freeHostname returns the host name of a record that comes from elsewhere, or a
// distinct one if the guest cannot have it. Its DNS names at these places must not
// be reserved for a guest that was set aside.
func (d *draft) freeHostname(guest *instance.Instance, places []instance.Attachment) string {
	return distinct(guest.Hostname, guest.UUID, func(name string) bool {
		return d.hostnameHolder(name, guest.UUID, nil) == nil && d.never(name, guest.Attachments()) == "" && d.withheldName(name, guest.UUID, places) == nil
	})
}

// Renamed is a guest that has another host name, and why.
type Renamed struct {
	Guest  instance.Instance
	Former string
	Reason string
}

// RenameReserved gives another host name to each guest whose name is given to
// none: one that it has from a time when it was, or a name that this host has
// now.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) RenameReserved(ctx context.Context) (renamed []Renamed, err error) {
	err = inv.submit(ctx, func(d *draft) error {
		renamed = d.renameReserved()
		return nil
	})
	return renamed, err
}

func (d *draft) renameReserved() []Renamed {
	var all []Renamed
	for current := range d.base.All() {
		places := current.Attachments()
		why := d.never(current.Hostname, places)
		if why == "" {
			continue
		}
		guest := *current
		guest.Hostname = distinct(current.Hostname, current.UUID, func(name string) bool {
			return d.hostnameHolder(name, current.UUID, places) == nil && d.reserved(name, places) == ""
		})
		guest.LastUpdate = d.now
		d.put(current, &guest)
		all = append(all, Renamed{guest, current.Hostname, why})
	}
	return all
}
