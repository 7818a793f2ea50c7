// Package naming chooses the host names of guests. A host name is unique, also in
// the DNS of each network that its guest is on.
package naming

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/rules"
	"mdserver/internal/inventory/storage"
)

// Chooser chooses for one change of the table. The places that its methods get are those of
// the guest that a name is for.
type Chooser struct {
	Table *index.Edit
	Rules *rules.Rules
	// Unconfirmed: the name is for a guest that only users other than root have
	// registered.
	Unconfirmed bool
	// Free gets the names, in lower case, that no guest has and that the choice relies
	// on, see instance.Change.
	Free *[]string
}

// Choose is the name that the guest asks for, else the one it has, else one
// derived from its name. One that came from a request in its metadata does not
// outlive the request. problem tells why a derived name could not be given.
func (c Chooser) Choose(dom instance.Domain, places []instance.Attachment, current *instance.Instance) (hostname, problem string, err error) {
	if wanted := dom.Metadata.Hostname(); wanted != "" {
		return wanted, "", c.grant(dom, wanted, places)
	}
	if current != nil && current.Name == dom.Name && current.Metadata.Hostname() == "" && c.never(current.Hostname, places) == "" {
		return current.Hostname, "", nil
	}
	derived := c.derive(dom.Name, dom.UUID, places)
	if why := c.reserved(derived, places); why != "" {
		problem = fmt.Sprintf("the host name %q is not available: %s", derived, why)
	} else if other := c.withheld(derived, dom.UUID, places); other != nil {
		problem = fmt.Sprintf("the host name %q is not available: it is reserved for %s", derived, other)
	}
	return c.Similar(derived, dom.UUID, places), problem, nil
}

// Similar is a host name like the given one that the guest can have.
func (c Chooser) Similar(hostname string, id uuid.UUID, places []instance.Attachment) string {
	return Distinct(hostname, id, func(name string) bool {
		return c.Holder(name, id, places) == nil && c.reserved(name, places) == "" && c.withheld(name, id, places) == nil
	})
}

// grant checks a host name that the guest asks for.
func (c Chooser) grant(dom instance.Domain, wanted string, places []instance.Attachment) error {
	refuse := func(why string) error {
		return &denied.RequestError{Kind: denied.ErrInvalid, Guest: dom.Name, Reason: fmt.Sprintf("the metadata requests the hostname %q, which is not available: %s", wanted, why)}
	}
	if why := c.reserved(wanted, places); why != "" {
		return refuse(why)
	}
	if c.Unconfirmed && !c.mayBeDotted(wanted, places) {
		return refuse("only root may request a name outside the network's domain")
	}
	if other := c.withheld(wanted, dom.UUID, places); other != nil {
		return refuse(fmt.Sprintf("it is reserved for %s", other))
	}
	if other := c.Holder(wanted, dom.UUID, places); other != nil {
		return &denied.ConflictError{Kind: denied.ErrHostnameTaken, Value: wanted, Guest: dom.Name, Holder: other.Name,
			Hint: denied.OrRemove("request another one in the metadata", other)}
	}
	return nil
}

// derive makes a host name from a domain's name. Its dots stay only below a domain
// of a served network: elsewhere the name may be that of another machine.
func (c Chooser) derive(name string, id uuid.UUID, places []instance.Attachment) string {
	if !c.mayBeDotted(name, places) {
		return instance.DeriveLabel(name, id, c.Rules.FallbackHostname)
	}
	return instance.DeriveHostname(name, id, c.Rules.FallbackHostname)
}

func (c Chooser) mayBeDotted(name string, places []instance.Attachment) bool {
	return !strings.Contains(name, ".") || slices.ContainsFunc(places, func(place instance.Attachment) bool {
		network, _ := c.Rules.Network(place.Network)
		return network.Below(name)
	})
}

// never says why a host name is given to no guest with these places, or is
// empty: it, or a name that it leads to in DNS, means this host, or has others
// take the guest for something that it is not.
func (c Chooser) never(hostname string, places []instance.Attachment) string {
	return c.inDNS(hostname, places, func(name string, _ instance.Attachment) string {
		if why := instance.ReservedName(name); why != "" {
			return why
		}
		if slices.Contains(c.Rules.OwnNames, name) {
			return "it is a name of this host"
		}
		return ""
	})
}

// reserved is never, and also says of a name in this host's hosts file why it
// is not given. A guest that has the name keeps it when the file changes.
func (c Chooser) reserved(hostname string, places []instance.Attachment) string {
	if why := c.never(hostname, places); why != "" || c.Rules.Hosts == nil {
		return why
	}
	return c.inDNS(hostname, places, func(name string, place instance.Attachment) string {
		listed := c.Rules.Hosts(name)
		if len(listed) == 0 || slices.ContainsFunc(place.Addrs(), func(own netip.Addr) bool { return slices.Contains(listed, own) }) {
			return ""
		}
		return fmt.Sprintf("it is the name of %v in this host's hosts file", listed[0])
	})
}

// inDNS asks for a reason against each name that hostname leads to in the DNS of
// the places, until there is one.
func (c Chooser) inDNS(hostname string, places []instance.Attachment, why func(name string, place instance.Attachment) string) string {
	for _, place := range places {
		network, _ := c.Rules.Network(place.Network)
		for _, name := range network.DNSNames(hostname) {
			if reason := why(name, place); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// Holder gives the other guest that has hostname, or a name in the DNS
// of one of the places that hostname would have there as well; or nil.
func (c Chooser) Holder(hostname string, id uuid.UUID, places []instance.Attachment) *instance.Instance {
	if other, ok := c.Table.ByHostname(hostname); ok && other.UUID != id {
		return other
	}
	for _, place := range places {
		network, _ := c.Rules.Network(place.Network)
		for _, rival := range network.ConflictingNames(hostname) {
			other, ok := c.Table.ByHostname(rival)
			if !ok {
				*c.Free = append(*c.Free, rival)
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

// Distinct adds digits to hostname until it is free. They come from the UUID;
// should even that be taken, from UUIDs derived from it.
func Distinct(hostname string, id uuid.UUID, free func(string) bool) string {
	unique, seed := hostname, id
	for !free(unique) {
		unique = instance.DistinctHostname(hostname, seed)
		seed = uuid.NewSHA1(seed, []byte(hostname))
	}
	return unique
}

// Fitting returns the host name of a record that comes from elsewhere, or a
// distinct one if the guest cannot have it. Its DNS names at these places must not
// be reserved for a guest that was set aside.
func (c Chooser) Fitting(guest *instance.Instance, places []instance.Attachment) string {
	return Distinct(guest.Hostname, guest.UUID, func(name string) bool {
		return c.Holder(name, guest.UUID, nil) == nil && c.never(name, guest.Attachments()) == "" && c.withheld(name, guest.UUID, places) == nil
	})
}

// Rename gives another host name to a guest whose name is given to none, and the
// reason. It is empty if the guest may keep its name.
func (c Chooser) Rename(guest *instance.Instance) (hostname, why string) {
	places := guest.Attachments()
	if why = c.never(guest.Hostname, places); why == "" {
		return guest.Hostname, ""
	}
	return Distinct(guest.Hostname, guest.UUID, func(name string) bool {
		return c.Holder(name, guest.UUID, places) == nil && c.reserved(name, places) == ""
	}), why
}

// withheld gives the guest that a host name, or a name that shares one in the
// DNS of the places with it, is withheld for. A guest keeps the name that it has.
func (c Chooser) withheld(hostname string, id uuid.UUID, places []instance.Attachment) *storage.Withheld {
	if current, ok := c.Table.ByUUID(id); ok && strings.EqualFold(current.Hostname, hostname) {
		return nil
	}
	names := []string{hostname}
	for _, place := range places {
		network, _ := c.Rules.Network(place.Network)
		names = append(names, network.ConflictingNames(hostname)...)
	}
	for _, name := range names {
		if other := c.Rules.WithheldHostname(name, id); other != nil {
			return other
		}
	}
	return nil
}
