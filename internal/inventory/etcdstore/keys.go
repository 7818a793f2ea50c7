package etcdstore

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// Below the prefix are these keys:
//
//	schema                   who wrote the first record, and in which format
//	guests/UUID              the record of a guest
//	quarantine/ADDRESS       an address that is in quarantine
//	spares/ADDRESS           an address that a host has claimed beforehand
//	claims/address/ADDRESS   the UUID of the guest that has it, or spare/ and the ID of
//	                         the host; the others have the UUID:
//	claims/mac/MAC/NETWORK
//	claims/name/NAME
//	claims/hostname/NAME     in lower case
//	claims/id/INSTANCE-ID
//	writers/ID               the last transaction of a host, see fence
//	notes/KEY                a note
//	aside/UUID               a record that was set aside
//	hosts/ID, alive/ID, drained/ID  a host, see package fleet
//
// Claims follow from the records of guests and spare addresses. They change only in the transaction
// that changes the record, so a new claim that no other guest has is safe.
const (
	schemaKey  = "schema"
	guestsKey  = "guests/"
	restingKey = "quarantine/"
	sparesKey  = "spares/"
	writersKey = "writers/"
	notesKey   = "notes/"
	asideKey   = "aside/"
)

func guestKey(id uuid.UUID) string         { return guestsKey + id.String() }
func restKey(addr netip.Addr) string       { return restingKey + addr.String() }
func spareKey(addr netip.Addr) string      { return sparesKey + addr.String() }
func addressClaim(addr netip.Addr) string  { return "claims/address/" + addr.String() }
func hostnameClaim(hostname string) string { return "claims/hostname/" + strings.ToLower(hostname) }

// claims are the keys that only this guest may have.
func claims(guest *instance.Instance) []string {
	keys := []string{"claims/name/" + guest.Name, hostnameClaim(guest.Hostname), "claims/id/" + guest.ID}
	for _, place := range guest.Attachments() {
		if !place.MAC.IsZero() {
			keys = append(keys, fmt.Sprintf("claims/mac/%s/%s", place.MAC, place.Network))
		}
		for _, addr := range place.Addrs() {
			keys = append(keys, addressClaim(addr))
		}
	}
	return keys
}
