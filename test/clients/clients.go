// Package clients holds what is known of the programs that ask a metadata
// server: which of them the end-to-end tests run, and, of the others, each
// request that they make, in their order and with their headers, and what they
// make of the answer. [Client.Replay] sends those requests to a server;
// [Markdown] writes the list for people.
//
// What a client does was read in its source of the version named. A table says
// what the client would stumble over, no more: what it would pass over in
// silence is no error.
package clients

import (
	"net/netip"
	"slices"
)

// Client is one program, as one cloud's guest runs it.
type Client struct {
	Name, Version string
	As            string // the cloud that it takes its surroundings for
	Reads         string // what it reads and does, for people
	Tokens        Tokens

	// Test is the end-to-end test that runs it; "" for one that is replayed.
	// Package is the Debian package that it comes in, and Image the image of
	// scripts/build-image with that package; "" for this machine's own.
	Test, Package, Image string

	// Of one that is replayed:
	Source      string                // files of its source, where its requests were read
	Headers     []string              // lines that it sends with each request
	TokenHeader string                // what it writes before a token
	Ask         func(Guest) []Request // its requests, in order
}

// Tokens is whether a client shows tokens where it reads the EC2 tree.
type Tokens string

// docs/reference/images.md says what follows for an administrator.
const (
	Always Tokens = "always"    // gives up where there are none
	IfAny  Tokens = "if it can" // goes on without one
	Never  Tokens = "never"     // is refused where one is required
	Unused Tokens = "–"         // reads nothing of the tree
)

// Replayed reports whether the tests replay the client, and do not run it.
func (c Client) Replayed() bool { return c.Test == "" }

// All are the clients in the order of the documentation.
func All() []Client {
	return slices.Concat(cloudInit, coreOS, amazon, cloudbase, nixOS, alpine, talos, systemd, setups, agents, sdks, others)
}

// Guest is what a client is to find out of itself.
type Guest struct {
	ID, UUID, Name string // instance-id, domain UUID, host name
	Region, Zone   string
	Type           string // instance-type
	NICs           []NIC  // the first is the primary one
	Keys           []Key
	Userdata       string // "" if it has none
	Vendordata     string // "" if there is none
}

// NIC is a network interface with its addresses; IPv6 may be the zero Prefix.
type NIC struct {
	MAC        string
	IPv4, IPv6 netip.Prefix
	Gateway    netip.Addr // of IPv4
}

// Key is a public key.
type Key struct{ Name, Text string }

func (g Guest) ipv4() string { return g.NICs[0].IPv4.Addr().String() }

// ipv6 is "" for a guest without.
func (g Guest) ipv6() string {
	if addr := g.NICs[0].IPv6; addr.IsValid() {
		return addr.Addr().String()
	}
	return ""
}
