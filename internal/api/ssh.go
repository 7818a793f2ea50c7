package api

import (
	"net/netip"
	"time"

	"github.com/google/uuid"
)

// SSHGuest is what SSH clients need to know of a guest.
type SSHGuest struct {
	Name      string          `json:"name"`
	UUID      uuid.UUID       `json:"uuid"`
	Hostname  string          `json:"hostname"`
	Names     []string        `json:"names"`     // the host name, and names in DNS
	Addresses []netip.Addr    `json:"addresses"` // the preferred one first
	User      string          `json:"user,omitempty"`
	Keys      []SSHKey        `json:"keys"` // as the guest last reported them
	Since     *time.Time      `json:"since,omitempty"`
	Reported  *time.Time      `json:"reported,omitempty"`
	Changes   []SSHKeysChange `json:"changes,omitempty"` // without a new instance-id
}

// SSHKey is a public key.
type SSHKey struct {
	Type        string `json:"type"`
	Key         string `json:"key"` // in base64
	Fingerprint string `json:"fingerprint"`
}

// SSHAuthority are the keys whose host certificates clients may trust.
type SSHAuthority struct {
	SSHKey                // signs now
	Former []SSHFormerKey `json:"former,omitempty"` // the newest first
}

// SSHFormerKey is a key that signed certificates before.
type SSHFormerKey struct {
	SSHKey
	Until time.Time `json:"until"` // when the last one ends
}

// SSHKeysChange is a report with other host keys than the one before.
type SSHKeysChange struct {
	At      time.Time `json:"at"`
	Added   []string  `json:"added,omitempty"`   // fingerprints
	Removed []string  `json:"removed,omitempty"` // fingerprints
}
