package inventory

import (
	"fmt"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// hostname is the one that the guest asks for, else the one it has, else one
// derived from its name. One that came from a request in its metadata does not
// outlive the request.
func (d *draft) hostname(dom instance.Domain, places []instance.Attachment, current *instance.Instance) (string, error) {
	if wanted := dom.Metadata.Hostname(); wanted != "" {
		if other := d.hostnameHolder(wanted, dom.UUID, places); other != nil {
			return "", &ConflictError{Kind: ErrHostnameTaken, Value: wanted, Guest: dom.Name, Holder: other.Name,
				Hint: fmt.Sprintf("ask for another one in the metadata, or, if %q is gone, remove it: mdserver instance rm %s", other.Name, shellRef(other))}
		}
		return wanted, nil
	}
	if current != nil && current.Name == dom.Name && current.Metadata.Hostname() == "" {
		return current.Hostname, nil
	}
	derived := instance.DeriveHostname(dom.Name, dom.UUID, d.rules.FallbackHostname)
	return d.uniqueHostname(derived, dom.UUID, places), nil
}

// hostnameHolder gives the other guest that has hostname, or a name in the DNS
// of one of the places that hostname would have there as well; or nil.
func (d *draft) hostnameHolder(hostname string, id uuid.UUID, places []instance.Attachment) *instance.Instance {
	if other, ok := d.byHostname.Get(hostnameKey(hostname)); ok && other.UUID != id {
		return other
	}
	for _, place := range places {
		network, _ := d.rules.network(place.Network)
		for _, rival := range network.Rivals(hostname) {
			other, ok := d.byHostname.Get(hostnameKey(rival))
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

// uniqueHostname distinguishes hostname if another guest has it. The digits
// come from the UUID; should even that be taken, from UUIDs derived from it.
func (d *draft) uniqueHostname(hostname string, id uuid.UUID, places []instance.Attachment) string {
	unique, seed := hostname, id
	for d.hostnameHolder(unique, id, places) != nil {
		unique = instance.DistinctHostname(hostname, seed)
		seed = uuid.NewSHA1(seed, []byte(hostname))
	}
	return unique
}
