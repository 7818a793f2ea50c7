// Package ansible writes guests in the form that Ansible expects of an inventory
// script.
//
// Source: "Developing dynamic inventory", Ansible's documentation.
package ansible

import (
	"slices"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

// everyGuest is the group of all guests.
const everyGuest = "mdserver"

// states always have groups, so that a pattern such as all:!state_off is good
// where no guest is off.
var states = []api.State{api.Running, api.Off, api.Away, api.Gone, api.Unknown}

// Inventory is the answer to --list: groups by their names, and the variables of
// all hosts in "_meta".
type Inventory map[string]any

// Group is a group of hosts.
type Group struct {
	Hosts []string `json:"hosts"`
}

// Variables are those of one host.
type Variables map[string]any

// meta spares Ansible a call with --host for each host.
type meta struct {
	Hostvars map[string]Variables `json:"hostvars"`
}

// Guest is a guest with the host keys that it has reported.
type Guest struct {
	api.Guest
	Keys []api.SSHKey
}

// List makes the inventory of some guests. Each is a host by its host name, in
// groups by its networks, its state and its tags.
func List(guests []Guest) Inventory {
	groups := map[string][]string{everyGuest: {}}
	for _, state := range states {
		groups[groupName("state", string(state))] = []string{}
	}
	vars := map[string]Variables{}
	for _, guest := range guests {
		vars[guest.Hostname] = Host(guest)
		for _, group := range groupsOf(guest.Guest) {
			groups[group] = append(groups[group], guest.Hostname)
		}
	}
	list := Inventory{"_meta": meta{vars}}
	for name, hosts := range groups {
		slices.Sort(hosts)
		list[name] = Group{slices.Compact(hosts)}
	}
	return list
}

func groupsOf(guest api.Guest) []string {
	groups := []string{everyGuest, groupName("state", string(guest.State))}
	for _, network := range networks(guest) {
		groups = append(groups, groupName("network", network))
	}
	for tag, value := range guest.Metadata.Tags {
		if value == "" {
			groups = append(groups, groupName("tag", tag))
		} else {
			groups = append(groups, groupName("tag", tag, value))
		}
	}
	return groups
}

// groupName joins words with underscores. All that a group's name must not have
// becomes an underscore, too: letters and digits of ASCII are allowed.
func groupName(words ...string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, strings.Join(words, "_"))
}

func networks(guest api.Guest) []string {
	list := []string{}
	for _, place := range guest.Attachments() {
		if place.Network != "" && !slices.Contains(list, place.Network) {
			list = append(list, place.Network)
		}
	}
	return list
}

// Host returns the variables of a guest: where Ansible reaches it, and what is
// known of it.
func Host(guest Guest) Variables {
	vars := Variables{
		"mdserver_name":        literal(guest.Name),
		"mdserver_uuid":        guest.UUID.String(),
		"mdserver_instance_id": literal(guest.ID),
		"mdserver_state":       string(guest.State),
		"mdserver_mac":         guest.MAC.String(),
		"mdserver_networks":    literals(networks(guest.Guest)),
		"mdserver_host_keys":   literals(lines(guest.Keys)),
	}
	// The first address wins, and IPv4 before IPv6.
	for _, place := range slices.Backward(guest.Attachments()) {
		setAddress(vars, place)
	}
	if addr, ok := vars["mdserver_ipv4"]; ok {
		vars["ansible_host"] = addr
	} else if addr, ok := vars["mdserver_ipv6"]; ok {
		vars["ansible_host"] = addr
	}
	tags := map[string]any{}
	for tag, value := range guest.Metadata.Tags {
		tags[tag] = literal(value)
	}
	vars["mdserver_tags"] = tags
	return vars
}

// lines are keys as files of OpenSSH have them.
func lines(keys []api.SSHKey) []string {
	list := make([]string, len(keys))
	for i, key := range keys {
		list[i] = key.Type + " " + key.Key
	}
	return list
}

func setAddress(vars Variables, place instance.Attachment) {
	if place.IPv4.IsValid() {
		vars["mdserver_ipv4"] = place.IPv4.String()
	}
	if place.IPv6.IsValid() {
		vars["mdserver_ipv6"] = place.IPv6.String()
	}
}

// unsafe is a text that Ansible does not take for a template.
type unsafe struct {
	Text string `json:"__ansible_unsafe"`
}

// literal keeps Ansible from running a text that another chose as a template:
// {{ lookup('pipe', 'id') }} runs id on the machine of Ansible.
func literal(text string) any {
	if strings.Contains(text, "{") {
		return unsafe{text}
	}
	return text
}

func literals(list []string) []any {
	all := make([]any, len(list))
	for i, text := range list {
		all[i] = literal(text)
	}
	return all
}
