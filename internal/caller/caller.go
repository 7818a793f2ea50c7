// Package caller is the vocabulary for who sent a request. Package admission
// decides it when a connection is accepted.
package caller

import (
	"net/netip"

	"mdserver/internal/instance"
)

// Caller is the sender of one request. The zero Caller may do nothing.
type Caller struct {
	Addr  netip.Addr         // for messages; nothing follows from it
	Guest *instance.Instance // nil if no guest sent it
	Local bool               // this host sent it, and not for a guest
}

// IsLocal reports whether the request came from this host itself.
func (c Caller) IsLocal() bool { return c.Local && c.Guest == nil }
