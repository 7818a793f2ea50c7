package rules

import (
	"net/netip"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/inventory/storage"
)

// withheld finds guests that are withheld.
type withheld struct {
	byAddr map[netip.Addr]*storage.Withheld
	byName map[string]*storage.Withheld // host name in lower case
}

func newWithheld(all []storage.Withheld) withheld {
	w := withheld{byAddr: map[netip.Addr]*storage.Withheld{}, byName: map[string]*storage.Withheld{}}
	for i := range all {
		for _, addr := range all[i].Addrs {
			w.byAddr[addr] = &all[i]
		}
		if all[i].Hostname != "" {
			w.byName[strings.ToLower(all[i].Hostname)] = &all[i]
		}
	}
	return w
}

// WithheldAddr gives the guest that an address is withheld for, if it is another one.
func (r *Rules) WithheldAddr(addr netip.Addr, id uuid.UUID) *storage.Withheld {
	if other := r.withheld.byAddr[addr]; other != nil && other.UUID != id {
		return other
	}
	return nil
}

// WithheldHostname is WithheldAddr for a host name.
func (r *Rules) WithheldHostname(name string, id uuid.UUID) *storage.Withheld {
	if other := r.withheld.byName[strings.ToLower(name)]; other != nil && other.UUID != id {
		return other
	}
	return nil
}

// WithheldFor gives what is withheld for a guest.
func (r *Rules) WithheldFor(id uuid.UUID) []storage.Withheld {
	var own []storage.Withheld
	for _, one := range r.Withheld {
		if one.UUID == id {
			own = append(own, one)
		}
	}
	return own
}
