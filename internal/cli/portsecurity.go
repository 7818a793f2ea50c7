package cli

import (
	"fmt"
	"io"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/cli/output"
	ports "mdserver/internal/portsecurity/table"
)

// printPortSecurity tells what a guest may send on each of its networks.
func printPortSecurity(w io.Writer, all []api.GuestPortSecurity) {
	output.Printf(w, "\nPORT SECURITY\n")
	for _, p := range all {
		place := p.Network
		if p.Port != "" {
			place += " at " + p.Port
		}
		output.Printf(w, "%s on %s: %s\n", p.State, place, p.Why)
		if len(p.Sends) > 0 {
			output.Printf(w, "  sends from %s\n", strings.Join(sources(p), ", "))
		}
		if len(p.Dropped) > 0 {
			output.Printf(w, "  dropped %s\n", ports.Describe(p.Dropped))
		}
	}
}

// sources are the addresses that a guest may send from, MACs first.
func sources(p api.GuestPortSecurity) []string {
	var list []string
	for _, mac := range p.MACs {
		list = append(list, mac.String())
	}
	for _, prefix := range p.Sends {
		if prefix.IsSingleIP() {
			list = append(list, prefix.Addr().String())
			continue
		}
		list = append(list, prefix.String())
	}
	return list
}

// describePortSecurity is one word or a few for a list of networks.
func describePortSecurity(s api.PortSecurity) string {
	switch {
	case !s.On:
		return "off"
	case s.Trouble != "":
		return "failed"
	}
	return "on"
}

func describeEnforced(s api.PortSecurity) string {
	if !s.On || s.Trouble != "" {
		return describePortSecurity(s)
	}
	text := fmt.Sprintf("on, %d guests' ports", s.Guests)
	if s.Off > 0 {
		text += fmt.Sprintf(", %d with it off", s.Off)
	}
	if s.Strangers > 0 {
		text += fmt.Sprintf(", %d taps of no known guest", s.Strangers)
	}
	if len(s.Dropped) > 0 {
		text += ", dropped " + ports.Describe(s.Dropped)
	}
	return text
}
