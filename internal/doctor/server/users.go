package server

import (
	"slices"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
)

// Users checks that what guests talk to is kept apart: dnsmasq from the server's
// files, and the server from libvirt where it need not edit it.
func Users(h *host.Facts) []finding.Finding {
	switch {
	case !h.Server.Running():
		return []finding.Finding{finding.Good("the server does not run")}
	case h.Server.ProcessErr != nil:
		return []finding.Finding{finding.Unchecked("the server's user is not known: %v", h.Server.ProcessErr)}
	}
	var all []finding.Finding
	for _, n := range h.Server.Status.Networks {
		if own, known := h.Server.Dnsmasq[n.Name]; known {
			all = append(all, apart(h, n, own)...)
		}
	}
	const libvirt = "libvirt"
	server := h.Server.Process
	edits := slices.ContainsFunc(h.Networks, func(n host.Network) bool { return n.Libvirt })
	if server.UID != 0 && slices.Contains(server.Groups, libvirt) && !edits && h.Config.Libvirt.URI.Socket == "" {
		all = append(all, finding.Warn("server_in_group_libvirt", "the server is in the group libvirt, which is equivalent to root, but no network needs it: "+
			"only networks with backend = libvirt do").
			Mend(finding.Command("gpasswd --delete %s libvirt", server.User)).Restart(h))
	}
	return finding.Unless(all, finding.Good("dnsmasq cannot use the server's files"))
}

// apart warns of a dnsmasq that has rights that it does not need.
func apart(h *host.Facts, n api.Network, own host.Credentials) []finding.Finding {
	server := h.Server.Process
	why := ""
	switch {
	case n.Dnsmasq.Warning != "":
		why = n.Dnsmasq.Warning
	case own.UID == server.UID || own.UID == 0:
		why = "dnsmasq runs as " + own.User + ", and can read the server's files"
	case own.GID == server.GID:
		why = "dnsmasq runs in the server's group, and can read the server's configuration"
	case len(own.Groups) > 0:
		why = "dnsmasq is in the groups " + strings.Join(own.Groups, ", ")
	default:
		return nil
	}
	return []finding.Finding{finding.Warn("dnsmasq_overprivileged", "network %q: %s", n.Name, why).
		Advise("if %s sets user in [dnsmasq], set it to mdserver-dnsmasq", h.ConfigFile).
		Mend("mdserver install").Restart(h)}
}
