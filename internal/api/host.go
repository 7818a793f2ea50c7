package api

import (
	"time"

	"github.com/google/uuid"
)

// Host is one of the hosts that share an inventory.
type Host struct {
	ID      string    `json:"id,omitempty"` // empty if there is one host only
	Name    string    `json:"name"`
	Version string    `json:"version"`
	State   HostState `json:"state"`
	Guests  int       `json:"guests"`
	Since   time.Time `json:"since"`            // when its server started last
	This    bool      `json:"this"`             // it is the host that was asked
	Drained time.Time `json:"drained,omitzero"` // since when it is out of service, if it is
	// Conflicts are those of its networks with the networks of other hosts that are alive.
	Conflicts []NetworkConflict `json:"network_conflicts,omitempty"`
}

// NetworkConflict is what two hosts do not agree on about a network of both.
type NetworkConflict struct {
	Network string   `json:"network"`
	Hosts   []string `json:"hosts"` // the names of the two
	Keys    []string `json:"keys"`  // of the network, in the configuration
	Problem string   `json:"problem"`
	Remedy  string   `json:"remedy"`
}

// HostState is whether a host takes part in the inventory.
type HostState string

// The states of a host.
const (
	HostAlive HostState = "alive"
	HostAway  HostState = "away"
)

// RunsOn is what still runs on a host.
type RunsOn struct {
	Host   Host        `json:"host"`
	Guests []HostGuest `json:"guests"`
}

// HostGuest is a guest that runs on a host.
type HostGuest struct {
	Name  string      `json:"name"`
	UUID  uuid.UUID   `json:"uuid"`
	State GuestOnHost `json:"state"`
	To    string      `json:"to,omitempty"` // the host that it is on its way to
}

// GuestOnHost is what a guest does on a host that it runs on.
type GuestOnHost string

// What a guest does on a host.
const (
	GuestStarts  GuestOnHost = "starting"
	GuestRuns    GuestOnHost = "running"
	GuestLeaving GuestOnHost = "leaving"
)

// Forgotten is what became of a host that was forgotten.
type Forgotten struct {
	Host   Host `json:"host"`
	Guests int  `json:"guests"` // that belonged to it, and belong to no host now
}
