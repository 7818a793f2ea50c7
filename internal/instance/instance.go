// Package instance is the vocabulary that the rest of mdserver shares: what
// libvirt says of a guest (Domain), what mdserver keeps of it (Instance), and the
// small types both are made of. It imports no other package of mdserver, and does
// no input or output.
package instance

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/google/uuid"
)

// Domain is what a libvirt domain definition says about a guest. It is input:
// names and metadata are the administrator's, and have been checked only as far as
// libvirt itself checks them.
type Domain struct {
	Name       string
	UUID       uuid.UUID
	Interfaces []Interface // in the order of the definition
	Disks      []Disk      // in the order of the definition
	Metadata   Metadata
	Hardware
	Source     string // who registered it, one of By…; "" for ByLibvirt
	Received   bool   // the hook registers it because another host sends it
	Incomplete bool   // the bridge of a network could not be asked for
}

// Who registers guests.
const (
	ByHook    = "hook"    // libvirt's hook, by the control socket
	ByUpload  = "upload"  // POST /instance-upload by root, as the Python mdserver's hook does
	ByLocal   = "local"   // POST /instance-upload by another user of this host
	ByCommand = "command" // mdserver instance add
	ByLibvirt = "libvirt" // libvirt's events
)

// Interface is one network interface of a guest. Network is the name of the
// libvirt network it is attached to, and Bridge that of the host's bridge, as
// far as the definition tells them. Target is the host's end of the interface, a
// tap device such as vnet3; libvirt names it while the guest runs. Model is the
// card that the guest sees, such as virtio, and empty for a device of the host.
// MTU is 0 unless the definition sets one.
type Interface struct {
	MAC     MAC    `json:"mac"`
	Network string `json:"network,omitempty"`
	Bridge  string `json:"bridge,omitempty"`
	Target  string `json:"target,omitempty"`
	Model   string `json:"model,omitempty"`
	MTU     int    `json:"mtu,omitempty"`
}

// Disk is one disk, CD-ROM or floppy drive of a guest: Target is the device
// name that the definition gives it (vda), Device is libvirt's kind of drive
// (disk, cdrom, floppy, lun), and Serial what the guest reads from the drive.
type Disk struct {
	Target string `json:"target"`
	Bus    string `json:"bus,omitempty"`
	Device string `json:"device"`
	Serial string `json:"serial,omitempty"`
}

// Instance is one guest as mdserver knows it. It is a value: an Instance does not
// change once the inventory has published it.
type Instance struct {
	ID         string      `json:"instance_id"` // what cloud-init calls instance-id
	Name       string      `json:"name"`        // libvirt's domain name, any text libvirt accepts
	Hostname   string      `json:"hostname"`    // valid and unique, see DeriveHostname
	UUID       uuid.UUID   `json:"uuid"`
	Location   string      `json:"location,omitempty"`
	Metadata   Metadata    `json:"metadata"`
	Network    string      `json:"network,omitempty"` // served, the guest's first; see Attachments
	MAC        MAC         `json:"mac"`               // of the interface on that network
	Interfaces []Interface `json:"interfaces,omitempty"`
	Disks      []Disk      `json:"disks,omitempty"`
	IPv4       netip.Addr  `json:"ipv4"` // on that network; the zero Addr when it has none
	IPv6       netip.Addr  `json:"ipv6"`
	// Further are the guest's other places on served networks.
	Further []Attachment `json:"further,omitempty"`
	Hardware
	Password string   `json:"password,omitempty"` // that the guest posted, usually encrypted; for the administrator alone
	Presence Presence `json:"presence,omitzero"`
	Home
	// Unshared: this host has made or changed the record while the shared store did
	// not answer. The other hosts do not know of that yet.
	Unshared   bool      `json:"unshared,omitempty"`
	Wanted     Wanted    `json:"wanted,omitzero"`
	FirstSeen  time.Time `json:"first_seen"`
	LastUpdate time.Time `json:"last_update"`

	Seen map[string]time.Time `json:"seen,omitempty"` // who registered it, and when last: see ByHook
}

// Wanted are names that a guest would have if no guest of another host had them. They
// are empty if it has them.
type Wanted struct {
	Name     string `json:"name,omitempty"` // its domain's
	Hostname string `json:"hostname,omitempty"`
}

// WithoutSecrets is the record as it may be shown in lists.
func (i Instance) WithoutSecrets() Instance {
	i.Password = ""
	return i
}

// Resting is an address whose guest was released. It is not given to another
// guest until its quarantine is over, and its former owner gets it back, with
// its instance-id, when it returns before that.
type Resting struct {
	Addr       netip.Addr `json:"addr"`
	MAC        MAC        `json:"mac,omitzero"` // of the interface that had it; older records have none
	UUID       uuid.UUID  `json:"uuid"`
	InstanceID string     `json:"instance_id"`
	Since      time.Time  `json:"since"`
}

// Spare is an address that a host has claimed beforehand. It gives it to a new guest
// when the shared store does not answer. No two hosts have the same one.
type Spare struct {
	Addr    netip.Addr `json:"addr"`
	Network string     `json:"network"`
	Host    string     `json:"host"`  // its name
	Owner   string     `json:"owner"` // the ID of the host's store; two hosts may have one name
}

// Event is one change of the inventory: Old is nil for a guest that is new,
// New is nil for one that was released.
type Event struct {
	Old, New *Instance
}

// Change is one durable step of the inventory, applied whole or not at all.
type Change struct {
	Put    []Instance
	Delete []uuid.UUID
	Rest   []Resting    // addresses that begin to rest
	Wake   []netip.Addr // addresses that rest no longer
	Hold   []Spare      // addresses that a host claims beforehand
	Drop   []netip.Addr // addresses that are spare no longer
	// Free are host names, in lower case, that the change relies on: no guest has them
	// before it, because they would mean the same in DNS as one in Put.
	Free []string
}

// Table is all that a store holds.
type Table struct {
	Instances []Instance
	Resting   []Resting
	Spares    []Spare // of all hosts; only a shared store has them
}

// Empty reports whether the change leaves all records as they are.
func (c Change) Empty() bool {
	return len(c.Put)+len(c.Delete)+len(c.Rest)+len(c.Wake)+len(c.Hold)+len(c.Drop) == 0
}

// idDigits is the length of the hexadecimal part of an EC2 instance id.
const idDigits = 17

// DeriveID makes the instance-id of a guest from its domain UUID: "i-" and 17
// hexadecimal digits, the form AWS documents. It depends on nothing else, so
// a guest keeps it for life, unless it is given another one on purpose.
func DeriveID(id uuid.UUID) string {
	sum := sha256.Sum256(id[:])
	return "i-" + hex.EncodeToString(sum[:])[:idDigits]
}

// NewID makes an instance-id of the same form that depends on nothing, for a guest
// that will be provisioned again.
func NewID() string {
	var random [(idDigits + 1) / 2]byte
	_, _ = rand.Read(random[:]) // never fails
	return "i-" + hex.EncodeToString(random[:])[:idDigits]
}
