package storage

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Withheld is what is known of a guest whose record was damaged, lost or
// contradicts another one. Its addresses and host name are given to no other guest.
// When it is registered again it gets them back.
type Withheld struct {
	UUID     uuid.UUID    `json:"uuid"`
	ID       string       `json:"instance_id,omitempty"` // if the record is whole
	Name     string       `json:"name,omitempty"`        // of the domain
	Hostname string       `json:"hostname,omitempty"`
	Addrs    []netip.Addr `json:"addresses,omitempty"`
	File     string       `json:"file"` // that has the record; it is withheld until this is removed
}

func (w Withheld) String() string {
	name := strconv.Quote(w.Name)
	if w.Name == "" {
		name = w.UUID.String()
	}
	return fmt.Sprintf("the guest %s, whose record was set aside in %s", name, w.File)
}

// Means reports whether a reference such as a name, UUID, instance-id, host name or
// address means the guest.
func (w Withheld) Means(ref string) bool {
	switch {
	case ref == "":
		return false
	case ref == w.Name, ref == w.ID, strings.EqualFold(ref, w.Hostname):
		return true
	}
	if id, err := uuid.Parse(ref); err == nil && id == w.UUID {
		return true
	}
	addr, err := netip.ParseAddr(ref)
	return err == nil && slices.Contains(w.Addrs, addr)
}
