package explain

import (
	"time"

	"mdserver/internal/api"
	"mdserver/internal/shell"
)

// detached names the taps that are not on the bridge of their network.
func (s Subject) detached() []api.Missing {
	var list []api.Missing
	for _, tap := range s.Taps {
		if tap.Wanted == "" || tap.Bridge == tap.Wanted || tap.Bridge == openVSwitch {
			continue
		}
		on := "no bridge"
		if tap.Bridge != "" {
			on = tap.Bridge
		}
		list = append(list, lacks("tap_not_on_bridge", "its tap %s is on %s instead of %s, for example after a restart of the network; connect it with `ip link set %s master %s`",
			tap.Name, on, tap.Wanted, shell.Quote(tap.Name), shell.Quote(tap.Wanted)))
	}
	return list
}

// openVSwitch is the device that has all ports of Open vSwitch's bridges.
const openVSwitch = "ovs-system"

// startedBefore tells what it means for a guest to have been started before the
// server, and to have asked for no metadata since. What a guest does without
// the server depends on its datasource; docs/reference/images.md has the same.
func (s Subject) startedBefore() []api.Missing {
	const code = "started_before_server"
	since := s.Started.Format(time.DateTime)
	if s.Guest.FirstSeen.Before(s.Started) {
		return []api.Missing{lacks(code, "it was running when the server started, %s; earlier requests are not known", since)}
	}
	return []api.Missing{
		lacks(code, "it was started before the server, %s, and was not registered: a first boot then finds no metadata", since),
		lacks(code, "OpenStack: it booted without keys and user-data, and gets them at its next boot"),
		lacks(code, "NoCloud: it tried for ten seconds, booted without keys and user-data, and gets them at its next boot"),
		lacks(code, "EC2: it tries for some minutes, and is set up when the server answers, or else at its next boot"),
		lacks(code, "to set it up now: `virsh reboot %s`, or `cloud-init clean --reboot` on its console, which also repeats what cloud-init did without metadata",
			shell.Quote(s.Guest.Name)),
	}
}
