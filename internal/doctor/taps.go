package doctor

import (
	"context"

	"mdserver/internal/bridge"
)

// checkTaps finds running guests whose interface is not on its network's bridge:
// libvirt makes a new bridge when a network is restarted, and leaves the taps of
// the running guests off it.
func checkTaps(_ context.Context, h *Host) []Finding {
	if h.libvirt.err != nil {
		return []Finding{unknown("libvirt is not checked: %v", h.libvirt.err)}
	}
	var all []Finding
	for _, d := range h.libvirt.domains {
		for _, nic := range d.Interfaces {
			if nic.Target.Dev != "" && h.servesInterface(nic) {
				all = append(all, h.checkTap(d, nic)...)
			}
		}
	}
	return unless(all, fine("the running guests are on their networks' bridges"))
}

func (h *Host) checkTap(d domain, nic nic) []Finding {
	wanted := h.bridgeOf(nic)
	if _, err := findBridge(wanted); err != nil {
		return nil // the network is not started, which another check finds
	}
	master, there, err := bridge.Master(nic.Target.Dev)
	switch {
	case err != nil:
		return []Finding{unknown("%v", err)}
	case !there || master == wanted || master == openVSwitch:
		return nil
	case master == "":
		return []Finding{wrong("tap_without_bridge", "the guest %q has no network: its tap %s is on no bridge, and should be on %s", d.Name, nic.Target.Dev, wanted).attach(nic, wanted)}
	}
	return []Finding{wrong("tap_on_other_bridge", "the guest %q is on another network: its tap %s is on %s, and should be on %s", d.Name, nic.Target.Dev, master, wanted).attach(nic, wanted)}
}

// openVSwitch is the device that has all ports of Open vSwitch's bridges.
const openVSwitch = "ovs-system"

func (f Finding) attach(nic nic, bridge string) Finding {
	return f.mend(command("ip link set %s master %s", nic.Target.Dev, bridge))
}
