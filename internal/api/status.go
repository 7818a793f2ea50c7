package api

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Status is the state of a running server.
type Status struct {
	Version   string    `json:"version"`
	PID       int       `json:"pid"`
	Started   time.Time `json:"started"`
	Config    string    `json:"config"`
	Listen    string    `json:"listen"`
	Networks  []Network `json:"networks"` // in the order of precedence
	Guests    int       `json:"guests"`
	NotServed NotServed `json:"not_served"`
	Addresses Addresses `json:"addresses"`
	IMDS      IMDS      `json:"imds"`
	Identity  string    `json:"identity"` // how guests are identified
	Refused   Counts    `json:"refused"`
	Libvirt   Libvirt   `json:"libvirt"`
	Dnsmasq   Dnsmasq   `json:"dnsmasq"`             // of the first network that has one
	SetAside  []string  `json:"set_aside,omitempty"` // files with damaged records of the database
	// Withheld are guests whose records were set aside and that were not
	// registered again.
	Withheld []Withheld `json:"withheld,omitempty"`
	Store    *Store     `json:"store,omitempty"` // that several hosts share, if they do
	Health   []Part     `json:"health"`          // of each part of the server
}

// Trouble lists everything that is wrong, warnings last.
func (s Status) Trouble() []Trouble {
	var wrong, warnings []Trouble
	for _, part := range s.Health {
		for _, t := range part.Trouble {
			if t.State == Warning {
				warnings = append(warnings, t)
			} else {
				wrong = append(wrong, t)
			}
		}
	}
	return append(wrong, warnings...)
}

// Wrong reports whether something does not work. A warning alone is not wrong.
func (s Status) Wrong() bool {
	return slices.ContainsFunc(s.Health, func(p Part) bool { return p.State == Wrong })
}

// Part is the health of one part of the server.
type Part struct {
	Name    string    `json:"name"`
	State   Condition `json:"state"` // the worst of its troubles
	Since   time.Time `json:"since"` // when it got into this state
	Trouble []Trouble `json:"trouble,omitempty"`
}

// Condition is how a part of the server is.
type Condition string

// The conditions, from good to bad.
const (
	OK      Condition = "ok"
	Warning Condition = "warning" // everything works, but needs attention
	Wrong   Condition = "wrong"   // something does not work
)

// Trouble is something that is wrong now, or was and can come back.
type Trouble struct {
	Part    string    `json:"part"` // database, log, disk, libvirt, clock, network NAME …
	State   Condition `json:"state"`
	Message string    `json:"message"`
	Since   time.Time `json:"since,omitzero"` // if the part knows
	Look    []string  `json:"look,omitempty"` // commands that repair it, or show more
}

// String returns the trouble in one line.
func (t Trouble) String() string { return t.Part + ": " + t.Message }

// NotServed counts the domains that are no guests.
type NotServed struct {
	Refused  int `json:"refused"`  // because of a fault
	Unserved int `json:"unserved"` // on no network that is served
}

// Addresses counts the IPv4 addresses of all networks.
type Addresses struct {
	Used    int `json:"used"`
	Resting int `json:"resting"`
}

// IMDS counts how guests have read the EC2 tree since the server started.
type IMDS struct {
	Mode         string `json:"mode"`          // of guests without a mode of their own
	Tokens       uint64 `json:"tokens"`        // issued
	WithoutToken uint64 `json:"without_token"` // requests without a token
	Refused      uint64 `json:"refused"`       // requests refused for want of a valid token
}

// Counts are what was turned away since the server started.
type Counts struct {
	Connections uint64 `json:"connections"` // more than were allowed
	Requests    uint64 `json:"requests"`    // faster than were allowed
	Interface   uint64 `json:"interface"`   // from a wrong interface
	MAC         uint64 `json:"mac"`         // from a wrong MAC address
	Port        uint64 `json:"port"`        // from another port than the guest's
	Unknown     uint64 `json:"unknown"`     // connections of unknown origin
	Closed      uint64 `json:"closed"`      // connections whose guest was released or changed
}

// Store is the state of the inventory in etcd.
type Store struct {
	HostID    string `json:"host_id"`         // of this host
	Connected bool   `json:"connected"`       // this host follows it
	Error     string `json:"error,omitempty"` // why it does not
	// Revision of etcd that this host knows the inventory of.
	Revision int64 `json:"revision"`
	// Staleness is how long ago etcd last answered and this host knew all of it, or how
	// long ago the server started if that was never so.
	Staleness float64          `json:"staleness_seconds"`
	Members   int              `json:"members"`
	Usable    int              `json:"members_usable"`
	Spares    []SpareAddresses `json:"spare_addresses"`  // of this host
	Unshared  int              `json:"unshared"`         // guests that other hosts do not know yet
	Conflicts uint64           `json:"conflicts"`        // batches of changes that were worked out again
	Contested []Contested      `json:"contested"`        // guests that run here, although another host has them
	Drained   time.Time        `json:"drained,omitzero"` // since when this host is out of service, if it is
	// Networks are the conflicts of this host's networks with those of other hosts.
	Networks []NetworkConflict `json:"network_conflicts"`
}

// Contested is a guest that runs on two hosts.
type Contested struct {
	Name string    `json:"name"`
	UUID uuid.UUID `json:"uuid"`
	Host string    `json:"host"` // that has it
}

// SpareAddresses are those that a host has claimed on a network, for guests that start
// while etcd does not answer.
type SpareAddresses struct {
	Network   string `json:"network"`
	Family    string `json:"family"` // ipv4 or ipv6
	Addresses int    `json:"addresses"`
}

// Libvirt is how the server follows libvirt, besides the hook.
type Libvirt struct {
	URI string `json:"uri"` // "off" if it does not
	LibvirtSync
}

// LibvirtSync is the state of the connection to libvirt.
type LibvirtSync struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`            // of being connected or not
	Socket    string    `json:"socket,omitempty"` // of the present or the last connection, even to what does not answer
	Domains   int       `json:"domains"`          // when the connection was made
	Events    uint64    `json:"events"`           // since the server started
	Error     string    `json:"error,omitempty"`  // why it is not connected
}
