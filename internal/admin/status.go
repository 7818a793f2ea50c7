package admin

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"mdserver/internal/admission"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/health"
	"mdserver/internal/inventory"
	"mdserver/internal/libvirt/network"
	"mdserver/internal/libvirt/watch"
	"mdserver/internal/portsecurity"
)

// Status is the state of a running server, for `mdserver status`.
type Status struct {
	Version   string           `json:"version"`
	PID       int              `json:"pid"`
	Started   time.Time        `json:"started"`
	Config    string           `json:"config"`
	Listen    string           `json:"listen"`
	Networks  []Network        `json:"networks"` // in the order of precedence
	Guests    int              `json:"guests"`
	NotServed NotServed        `json:"not_served"` // domains that are no guests
	Addresses Addresses        `json:"addresses"`
	IMDS      IMDS             `json:"imds"`
	Identity  string           `json:"identity"` // what guests are told apart by
	Refused   admission.Counts `json:"refused"`
	Libvirt   Libvirt          `json:"libvirt"`
	Dnsmasq   dnsmasq.Status   `json:"dnsmasq"`             // of the first network that has one
	SetAside  []string         `json:"set_aside,omitempty"` // files with records of the database that were damaged
	// Withheld are guests whose records were set aside and that were not
	// registered again.
	Withheld []inventory.Withheld `json:"withheld,omitempty"`
	Health   []health.Trouble     `json:"health,omitempty"` // what else is wrong
}

// Network is one network that guests are served on.
type Network struct {
	Name    string          `json:"name"`
	Backend string          `json:"backend"`
	Bridge  string          `json:"bridge,omitempty"`
	IPv4    string          `json:"ipv4,omitempty"` // prefix
	IPv6    string          `json:"ipv6,omitempty"`
	Domain  string          `json:"domain,omitempty"`
	Guests  int             `json:"guests"`
	Used    int             `json:"used"` // IPv4 addresses
	Dnsmasq *dnsmasq.Status `json:"dnsmasq,omitempty"`
	Libvirt *network.Status `json:"libvirt,omitempty"` // of a network that libvirt runs
	Trouble string          `json:"trouble,omitempty"`

	PortSecurity portsecurity.Status `json:"port_security"`
}

// Trouble lists all that is wrong.
func (s Status) Trouble() []health.Trouble {
	var list []health.Trouble
	for _, n := range s.Networks {
		if n.Trouble != "" {
			list = append(list, health.Trouble{Part: n.Name, Message: n.Trouble})
		}
	}
	for _, file := range s.SetAside {
		list = append(list, health.Trouble{Part: "database", Message: "records of the database were damaged and set aside in " + file})
	}
	if len(s.Withheld) > 0 {
		list = append(list, health.Trouble{Part: "database", Message: withheldTrouble(s.Withheld)})
	}
	return append(list, s.Health...)
}

// mostNamed is how many guests a message names.
const mostNamed = 5

func withheldTrouble(all []inventory.Withheld) string {
	var names []string
	for _, w := range all {
		if len(names) == mostNamed {
			names = append(names, "…")
			break
		}
		names = append(names, cmp.Or(w.Name, w.UUID.String()))
	}
	return fmt.Sprintf("%d guests are not served, since their records were set aside, and their addresses and names are given to no other: %s; `mdserver explain NAME` tells more",
		len(all), strings.Join(names, ", "))
}

// Libvirt tells how the server learns of guests, besides the hook.
type Libvirt struct {
	URI string `json:"uri"` // "off" for not at all
	watch.Status
}

// IMDS tells how guests read the EC2 tree since the server started.
type IMDS struct {
	Mode         string `json:"mode"`          // of guests that do not say otherwise
	Tokens       uint64 `json:"tokens"`        // issued
	WithoutToken uint64 `json:"without_token"` // requests that showed none
	Refused      uint64 `json:"refused"`       // requests refused for want of a good one
}

// Addresses counts the IPv4 addresses of all networks.
type Addresses struct {
	Used    int `json:"used"`
	Resting int `json:"resting"`
}
