package api

import (
	"net/netip"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// Network is one network that guests are served on.
type Network struct {
	Name    string          `json:"name"`
	Backend string          `json:"backend"`
	Bridge  string          `json:"bridge,omitempty"`
	IPv4    string          `json:"ipv4,omitempty"` // prefix
	IPv6    string          `json:"ipv6,omitempty"`
	Domain  string          `json:"domain,omitempty"`
	Scope   string          `json:"scope,omitempty"` // shared, or host: each of several hosts has a range of its own
	Guests  int             `json:"guests"`
	Used    int             `json:"used"`             // IPv4 addresses, with the scope host those of this host's range
	Ranges  []string        `json:"ranges,omitempty"` // IPv4 addresses that guests can be given, as FIRST-LAST or one address
	Free    int             `json:"free"`             // IPv4 addresses for the next guests, those in quarantine included
	Dnsmasq *Dnsmasq        `json:"dnsmasq,omitempty"`
	Libvirt *LibvirtNetwork `json:"libvirt,omitempty"` // of a network that libvirt runs
	Trouble string          `json:"trouble,omitempty"`

	PortSecurity PortSecurity `json:"port_security"`
}

// Dnsmasq is the state of a network's dnsmasq.
type Dnsmasq struct {
	Mode      DnsmasqMode `json:"mode"`                 // in effect: external if mdserver uses a foreign dnsmasq
	PID       int         `json:"pid,omitempty"`        // of the dnsmasq that serves, 0 if none does
	Restarts  int         `json:"restarts"`             // of our child
	Replaced  int         `json:"replaced,omitempty"`   // how often it did not answer and was killed
	Repairs   int         `json:"repairs,omitempty"`    // how often its files or its answers were wrong
	Since     time.Time   `json:"since"`                // the last change was live, or tried
	Live      bool        `json:"live"`                 // dnsmasq has confirmed the last change
	Revision  string      `json:"revision,omitempty"`   // digest of what dnsmasq confirmed last
	LastError string      `json:"last_error,omitempty"` // what is wrong now
	Guests    int         `json:"guests"`
	Warning   string      `json:"warning,omitempty"` // why dnsmasq has no user of its own
}

// DnsmasqMode is who runs dnsmasq.
type DnsmasqMode string

// The modes of dnsmasq.
const (
	DnsmasqChild    DnsmasqMode = "child"    // mdserver starts, watches and stops it
	DnsmasqExternal DnsmasqMode = "external" // a unit of its own; mdserver writes files and signals it
	DnsmasqOff      DnsmasqMode = "off"      // it is not run, and no file is written
)

// LibvirtNetwork is the state of a network that libvirt runs.
type LibvirtNetwork struct {
	Connected bool   `json:"connected"`
	Active    bool   `json:"active"`           // libvirt runs the network
	Entries   int    `json:"entries"`          // of guests
	Leases    int    `json:"leases,omitempty"` // how many libvirt grants at a time, if that is limited
	LastError string `json:"last_error,omitempty"`
}

// PortSecurity is the state of port security on one network.
type PortSecurity struct {
	On        bool   `json:"on"`
	Guests    int    `json:"guests"`    // ports of guests that send only as themselves
	Off       int    `json:"off"`       // ports of guests whose metadata turns it off
	Strangers int    `json:"strangers"` // tap devices of no known guest
	Dropped   Drops  `json:"dropped"`
	Trouble   string `json:"trouble,omitempty"`
	Ports     []Port `json:"ports,omitempty"` // that dropped something
}

// Port is one port of a bridge, with what it may send and what was dropped.
type Port struct {
	Name    string `json:"port"`
	Bridge  string `json:"bridge"`
	Network string `json:"network"`
	Role    string `json:"role"` // guest, stranger, other or uplink

	// Of a guest's port:
	Guest   string         `json:"guest,omitempty"`
	UUID    uuid.UUID      `json:"uuid,omitzero"`
	Off     bool           `json:"off,omitempty"` // by the guest's metadata
	MACs    []instance.MAC `json:"macs,omitempty"`
	Addrs   []netip.Addr   `json:"addresses,omitempty"`
	Allowed []netip.Prefix `json:"allowed_addresses,omitempty"`

	Dropped Drops `json:"dropped,omitempty"`
}

// Drops counts dropped frames, by the kinds of package portsecurity/table.
type Drops map[string]uint64
