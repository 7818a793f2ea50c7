package exporter

import (
	"cmp"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"mdserver/internal/api"
)

// Target is a group of targets for Prometheus' discovery by HTTP: one guest.
//
// Source: "Writing HTTP service discovery", Prometheus' documentation.
type Target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// metaLabel begins the name of each label. Prometheus drops such labels when it has
// worked out the targets.
const metaLabel = "__meta_mdserver_"

// Targets makes a target of each guest that has an address. It is never nil:
// Prometheus wants an empty list where there is none.
func Targets(guests []api.Guest, port int) []Target {
	list := []Target{}
	for _, guest := range guests {
		addr, ok := address(guest)
		if !ok {
			continue
		}
		list = append(list, Target{
			Targets: []string{net.JoinHostPort(addr.String(), strconv.Itoa(port))},
			Labels:  labels(guest),
		})
	}
	return list
}

// address is the guest's first IPv4 address, or else its first IPv6 address.
func address(guest api.Guest) (netip.Addr, bool) {
	addrs := guest.Addrs()
	for _, addr := range addrs {
		if addr.Is4() {
			return addr, true
		}
	}
	if len(addrs) == 0 {
		return netip.Addr{}, false
	}
	return addrs[0], true
}

// labels are what is known of a guest. One without a value is left out, as
// Prometheus does.
func labels(guest api.Guest) map[string]string {
	all := map[string]string{}
	set := func(name, value string) {
		if value != "" {
			all[metaLabel+name] = value
		}
	}
	set("name", guest.Name)
	set("hostname", guest.Hostname)
	set("uuid", guest.UUID.String())
	set("instance_id", guest.ID)
	set("location", guest.Location)
	set("network", guest.Network)
	set("mac", guest.MAC.String())
	set("state", cmp.Or(string(guest.State), string(api.Unknown)))
	if guest.IPv4.IsValid() {
		set("ipv4", guest.IPv4.String())
	}
	if guest.IPv6.IsValid() {
		set("ipv6", guest.IPv6.String())
	}
	for tag, value := range guest.Metadata.Tags {
		name := labelName(tag)
		set("tagpresent_"+name, "true")
		// Tags whose names differ in signs only share a label; it has the greatest
		// value, so that it does not change by itself.
		set("tag_"+name, max(value, all[metaLabel+"tag_"+name]))
	}
	return all
}

// labelName replaces what the name of a label must not have.
func labelName(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, text)
}
