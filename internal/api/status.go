package api

import (
	"cmp"
	"fmt"
	"strings"
	"time"
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
	Identity  string    `json:"identity"` // how guests are told apart
	Refused   Counts    `json:"refused"`
	Libvirt   Libvirt   `json:"libvirt"`
	Dnsmasq   Dnsmasq   `json:"dnsmasq"`             // of the first network that has one
	SetAside  []string  `json:"set_aside,omitempty"` // files with damaged records of the database
	// Withheld are guests whose records were set aside and that were not
	// registered again.
	Withheld []Withheld `json:"withheld,omitempty"`
	Health   []Trouble  `json:"health,omitempty"` // everything else that is wrong
}

// Trouble lists everything that is wrong.
func (s Status) Trouble() []Trouble {
	var list []Trouble
	for _, n := range s.Networks {
		if n.Trouble != "" {
			list = append(list, Trouble{Part: n.Name, Message: n.Trouble})
		}
	}
	for _, file := range s.SetAside {
		list = append(list, Trouble{Part: "database", Message: "records of the database were damaged and set aside in " + file})
	}
	if len(s.Withheld) > 0 {
		list = append(list, Trouble{Part: "database", Message: withheldTrouble(s.Withheld)})
	}
	return append(list, s.Health...)
}

// mostNamed is how many guests a message names.
const mostNamed = 5

func withheldTrouble(all []Withheld) string {
	var names []string
	for _, w := range all[:min(len(all), mostNamed)] {
		names = append(names, cmp.Or(w.Name, w.UUID.String()))
	}
	if len(all) > mostNamed {
		names = append(names, "…")
	}
	return fmt.Sprintf("%d guests are not served, since their records were set aside, and their addresses and names are given to no other: %s; `mdserver explain NAME` tells more",
		len(all), strings.Join(names, ", "))
}

// Trouble is something that is wrong now, or was and can come back.
type Trouble struct {
	Part    string    `json:"part"` // database, log, disk, libvirt, a network …
	Message string    `json:"message"`
	Since   time.Time `json:"since,omitzero"`
	Look    []string  `json:"look,omitempty"` // commands that show more
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

// Libvirt is how the server follows libvirt, besides the hook.
type Libvirt struct {
	URI string `json:"uri"` // "off" if it does not
	LibvirtSync
}

// LibvirtSync is the state of the connection by which domains are followed.
type LibvirtSync struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`            // of being connected or not
	Socket    string    `json:"socket,omitempty"` // of the present or the last connection
	Domains   int       `json:"domains"`          // when the connection was made
	Events    uint64    `json:"events"`           // since the server started
	Error     string    `json:"error,omitempty"`  // why it is not connected
}
