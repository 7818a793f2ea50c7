package guests

import (
	"fmt"
	"slices"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/instance"
	"mdserver/internal/smbios"
)

// Guests checks that the domains are served.
func Guests(h *host.Facts) []finding.Finding {
	all := refused(h)
	if h.Libvirt.Err != nil {
		return append(all, notChecked(h))
	}
	var others []host.Domain
	for _, d := range h.Libvirt.Domains {
		if !serves(h, d) {
			others = append(others, d)
		}
	}
	served := len(h.Libvirt.Domains) - len(others)
	for _, d := range others {
		// One that is made for this server, or the first of a new host.
		if datasource, _ := d.Datasource(); datasource != smbios.None || served == 0 {
			all = append(all, elsewhere(h, d))
		}
	}
	return finding.Unless(all, finding.Good("%d of %d domains are on served networks", served, len(h.Libvirt.Domains)))
}

// refused tells which domains the server refuses.
func refused(h *host.Facts) []finding.Finding {
	if h.Server.RefusalsErr != nil {
		return []finding.Finding{finding.Unchecked("the refused domains are not known: %v", h.Server.RefusalsErr)}
	}
	var all []finding.Finding
	for _, r := range h.Server.Refusals {
		if r.State != api.Refused {
			continue
		}
		f := finding.Fail("domain_refused", "the domain %q is refused: %s", r.Name, r.Reason)
		if r.Source == instance.ByLocal { // which any user can send
			f.State = finding.Warning
		}
		f.Advice = r.Advice
		all = append(all, f)
	}
	return all
}

// serves reports whether a guest has an interface on one of our networks, as
// the inventory counts it: by the network's name or its bridge.
func serves(h *host.Facts, d host.Domain) bool {
	return slices.ContainsFunc(d.Interfaces, func(nic host.NIC) bool { return servesInterface(h, nic) })
}

func servesInterface(h *host.Facts, nic host.NIC) bool {
	bridge := bridgeOf(h, nic)
	return slices.ContainsFunc(h.Networks, func(n host.Network) bool {
		return nic.Source.Network == n.Name || n.Bridge != "" && bridge == n.Bridge
	})
}

// bridgeOf is the bridge that an interface should be on; empty if that is not
// known.
func bridgeOf(h *host.Facts, nic host.NIC) string {
	if nic.Source.Bridge != "" {
		return nic.Source.Bridge
	}
	found, _ := h.Libvirt.Network(nic.Source.Network)
	return found.Bridge
}

// elsewhere reports a domain that is on none of the networks, and how it can be
// served: on one of them, or on its own network.
func elsewhere(h *host.Facts, d host.Domain) finding.Finding {
	var places, serve []string
	for _, nic := range d.Interfaces {
		place := nic.Type
		switch {
		case nic.Source.Network != "":
			place = "network " + nic.Source.Network
			serve = append(serve, fmt.Sprintf("serve the network %q: in %s, add the section [network %s] with the line \"backend = libvirt\", and reload mdserver",
				nic.Source.Network, h.ConfigFile, nic.Source.Network))
		case nic.Source.Bridge != "":
			place = "bridge " + nic.Source.Bridge
		}
		places = append(places, place)
	}
	where := "has no network interface"
	if len(places) > 0 {
		where = "is on " + strings.Join(places, ", ")
	}
	n := h.Networks[0].Name
	f := finding.Warn("guest_on_unserved_network", "the domain %q %s, and not on the served network %q", d.Name, where, n)
	slices.Sort(serve)
	f.Advice = slices.Compact(serve)
	return f.Mend(finding.Virsh(h, "attach-interface %s network %s --model virtio --config", d.Name, n))
}

// Taps finds running guests whose interface is not on its network's bridge:
// libvirt makes a new bridge when a network is restarted, and leaves the taps of
// the running guests off it.
func Taps(h *host.Facts) []finding.Finding {
	switch {
	case h.Libvirt.Err != nil:
		return []finding.Finding{notChecked(h)}
	case h.Links.Err != nil:
		return []finding.Finding{finding.Unchecked("%v", h.Links.Err)}
	}
	var all []finding.Finding
	for _, d := range h.Libvirt.Domains {
		for _, nic := range d.Interfaces {
			if servesInterface(h, nic) {
				all = append(all, tap(h, d.Name, nic.Target.Dev, bridgeOf(h, nic))...)
			}
		}
	}
	return finding.Unless(all, finding.Good("the running guests are on their networks' bridges"))
}

// openVSwitch is the device that has all ports of Open vSwitch's bridges.
const openVSwitch = "ovs-system"

// tap checks where a guest's tap is. A guest that does not run has none, and a
// bridge is missing if its network is not started, which another check finds.
func tap(h *host.Facts, guest, dev, wanted string) []finding.Finding {
	link, there := h.Links.ByName[dev]
	_, bridged := h.Links.ByName[wanted]
	if !there || !bridged || link.Master == wanted || link.Master == openVSwitch {
		return nil
	}
	f := finding.Fail("tap_on_other_bridge", "the guest %q is on another network: its tap %s is on %s, and should be on %s", guest, dev, link.Master, wanted)
	if link.Master == "" {
		f = finding.Fail("tap_without_bridge", "the guest %q has no network: its tap %s is on no bridge, and should be on %s", guest, dev, wanted)
	}
	return []finding.Finding{f.Mend(finding.Command("ip link set %s master %s", dev, wanted))}
}
