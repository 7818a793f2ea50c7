// Package explain explains one guest: where each fact came from, why it has its
// addresses and its template, what it requested, and what is missing. It helps to
// find out why a guest did not come up as expected.
package explain

import (
	"time"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// Subject is a guest with what the server knows around it.
type Subject struct {
	Guest    *instance.Instance
	Refusal  *api.Refusal // of its present definition, if there is one
	Snapshot *inventory.Snapshot
	Networks []instance.Network
	Settings []config.Setting // active, and where they were set
	Keys     []string         // names of the SSH keys that guests get
	Template api.TemplateChoice
	Requests api.Requests
	DHCP     *api.DHCP
	Hears    bool      // DHCP can be heard on the guest's first network
	Started  time.Time // of the server
	Ports    []api.Port
	RunsOn   string // another host, which has the guest and runs it as this one does; or empty
	Found    bool   // it ran already when the server began to follow libvirt
	Taps     []Tap
}

// Tap is this host's end of a guest's interface.
type Tap struct {
	Name   string
	Bridge string // that it is on now, or empty
	Wanted string // the bridge of the guest's network
}

// Guest explains one.
func Guest(s Subject) api.Explanation {
	missing := s.missing()
	return api.Explanation{
		Name:         s.Guest.Name,
		Served:       true,
		Refusal:      s.Refusal,
		Facts:        s.facts(),
		Addresses:    s.addresses(),
		Template:     s.Template,
		Requests:     s.Requests,
		DHCP:         s.DHCP,
		Since:        s.Started,
		PortSecurity: s.portSecurity(),
		Missing:      texts(missing),
		Problems:     missing,
	}
}

// set tells where a configuration key was set.
func (s Subject) set(key string) string {
	for _, setting := range s.Settings {
		if setting.Key != key {
			continue
		}
		if setting.File == "" {
			return key + ", the default"
		}
		return key + ", " + place(setting)
	}
	return key
}
