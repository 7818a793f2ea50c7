package api

import (
	"net/netip"

	"github.com/google/uuid"
)

// Imported is what became of the records of an export that was imported.
type Imported struct {
	Added     []string  `json:"added"`    // names of guests
	Replaced  []string  `json:"replaced"` // the guest had another record
	Unchanged int       `json:"unchanged"`
	Resting   int       `json:"resting"` // addresses that rest now and did not before
	Skipped   []Skipped `json:"skipped"`
	Warning   string    `json:"warning,omitempty"`
}

// Skipped is a guest that was not imported.
type Skipped struct {
	Name   string `json:"name"`
	UUID   string `json:"uuid"`
	Reason string `json:"reason"`
}

// Withheld is a guest whose record was set aside. Its addresses and host name are
// given to no other guest.
type Withheld struct {
	UUID     uuid.UUID    `json:"uuid"`
	Name     string       `json:"name,omitempty"`
	Hostname string       `json:"hostname,omitempty"`
	Addrs    []netip.Addr `json:"addresses,omitempty"`
	File     string       `json:"file"` // that has the record
}
