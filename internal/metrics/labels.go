package metrics

import (
	"maps"
	"slices"
	"strings"
)

// other is the label of all that has none of its own.
const other = "other"

// RootFrontend is the frontend that answers every path that no other one has.
const RootFrontend = "ec2"

// frontends are chosen by the first name of a path, as the server's router
// chooses them.
var frontends = map[string]string{
	"openstack":       "openstack",
	"nocloud":         "nocloud",
	"service":         "service",
	"instance-upload": "upload",
	"mdserver":        "report",
}

func allFrontends() []string {
	return append(slices.Collect(maps.Values(frontends)), RootFrontend)
}

// Frontend names the frontend that answers a path.
func Frontend(path string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	if frontend, ok := frontends[name]; ok {
		return frontend
	}
	return RootFrontend
}

// statusClass is the class of an HTTP status (RFC 9110, 15).
func statusClass(status int) string {
	classes := [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}
	if i := status/100 - 1; i >= 0 && i < len(classes) {
		return classes[i]
	}
	return other
}

// families are programs that ask for metadata, by the beginning of their
// User-Agent.
var families = []struct{ prefix, family string }{
	{"Cloud-Init/", "cloud-init"},
	{"curl/", "curl"},
	{"Ignition/", "ignition"},
	{"Wget", "wget"},
	{"aws-", "aws"},
	{"amazon-", "aws"},
	{"Boto", "aws"},
	{"systemd-", "systemd"},
	{"Go-http-client/", "go"},
	{"python-", "python"},
	{"Python-", "python"},
	{"Ruby", "ruby"},
	{"ansible-", "ansible"},
	{"Fluent-Bit", "fluent-bit"},
	{"iPXE/", "ipxe"},
}

// noFamily is that of a program that does not say what it is.
const noFamily = "none"

func allFamilies() []string {
	all := []string{noFamily, other}
	for _, f := range families {
		all = append(all, f.family)
	}
	return all
}

// clientFamily is the kind of program that sent a request, as far as it says so.
func clientFamily(agent string) string {
	if agent == "" {
		return noFamily
	}
	for _, f := range families {
		if strings.HasPrefix(agent, f.prefix) {
			return f.family
		}
	}
	return other
}

// documents are those that are rendered, as package userdata names them.
var documents = []string{"user-data", "vendor-data", "vendor_data.json"}

// Results of a render.
const (
	renderOK     = "ok"
	renderFailed = "failed"
)

// dhcpMessages are those of DHCPv4 (RFC 2132, 9.6), as dnsmasq names them.
var dhcpMessages = []string{
	"DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPDECLINE", "DHCPACK", "DHCPNAK", "DHCPRELEASE", "DHCPINFORM",
}

func dhcpMessage(name string) string {
	if slices.Contains(dhcpMessages, name) {
		return name
	}
	return other
}
