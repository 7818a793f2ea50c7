package server

import (
	"fmt"

	"mdserver/internal/api"
	"mdserver/internal/counted"
	ports "mdserver/internal/portsecurity/table"
)

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
	text := fmt.Sprintf("on, ports of %s", counted.Guests(s.Guests))
	if s.Off > 0 {
		text += fmt.Sprintf(", %d with it off", s.Off)
	}
	if s.Strangers > 0 {
		text += fmt.Sprintf(", %s of no known guest", counted.Of(s.Strangers, "tap", "taps"))
	}
	if len(s.Dropped) > 0 {
		text += ", dropped " + ports.Describe(s.Dropped)
	}
	return text
}
