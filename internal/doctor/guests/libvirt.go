// Package guests checks libvirt, its networks and hooks, and the guests that it
// runs. It decides by the facts alone.
package guests

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"mdserver/internal/account"
	"mdserver/internal/counted"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
)

// Libvirt checks that libvirt answers, and that the server may use it.
func Libvirt(h *host.Facts) []finding.Finding {
	v := h.Libvirt
	switch {
	case v.Err == nil:
		answers := finding.Good("libvirt answers on %s and has %s and %s", v.Socket, counted.Of(len(v.Networks), "network", "networks"), counted.Of(len(v.Domains), "domain", "domains"))
		return append([]finding.Finding{answers}, reach(h)...)
	case errors.Is(v.Err, host.ErrOff):
		return []finding.Finding{finding.Good("not checked: %v", v.Err)}
	case errors.Is(v.Err, context.DeadlineExceeded): // one of several sockets; the others may not be there
	case errors.Is(v.Err, fs.ErrPermission):
		return []finding.Finding{finding.Unchecked("no permission to use libvirt: run as root or as a member of the group libvirt (%v)", v.Err)}
	case errors.Is(v.Err, syscall.ECONNREFUSED):
		return []finding.Finding{finding.Fail("libvirt_dead", "libvirt's socket exists, but its daemon does not run: %v", v.Err).
			Mend(finding.Command("systemctl start %s", v.DaemonUnit))}
	case errors.Is(v.Err, fs.ErrNotExist):
		return []finding.Finding{finding.Fail("libvirt_not_running", "libvirt does not run, its socket is missing: %v", v.Err).
			Mend(finding.Command("systemctl start %s", v.DaemonUnit))}
	}
	return []finding.Finding{finding.Fail("libvirt_no_answer", "libvirt does not answer: %v", v.Err).
		Mend(finding.Command("systemctl restart %s", v.DaemonUnit))}
}

// reach finds that the server may not edit libvirt's networks: its user is not in
// the group of libvirt's socket, or has joined it since the server started.
func reach(h *host.Facts) []finding.Finding {
	i := slices.IndexFunc(h.Networks, func(n host.Network) bool { return n.Libvirt })
	if i < 0 || h.Libvirt.SocketFile.Err != nil {
		return nil
	}
	who := h.Account
	if who.Err != nil {
		return []finding.Finding{finding.Unchecked("the server's user is not known: %v", who.Err)}
	}
	socket := guarded(h.Libvirt.SocketFile, h.Libvirt.Polkit)
	if who.Allowed(socket.Mode, socket.UID, socket.GID, account.Write) || groupMay(socket) && slices.Contains(who.Groups, socket.GID) {
		return nil
	}
	f := finding.Fail("libvirt_socket_denied", "the user %s may not use libvirt's socket %s, which is %s: it cannot edit the network %q",
		who.Name, h.Libvirt.Socket, socket.Rights(), h.Networks[i].Name)
	return []finding.Finding{join(f, who, socket).Restart(h)}
}

// guarded is the socket as polkit guards it: libvirt leaves one that polkit guards
// open to all users, and polkit asks for the group.
func guarded(socket host.File, polkit host.Guard) host.File {
	if polkit.On && socket.Mode.Perm()&account.Write != 0 {
		socket.Mode = socket.Mode&^0o007 | 0o020
		socket.GID, socket.Group = polkit.GID, polkit.Group
	}
	return socket
}

// join adds how an account is to get the right to use a socket.
func join(f finding.Finding, who host.Account, socket host.File) finding.Finding {
	switch {
	case socket.GID == 0 || !groupMay(socket):
		return f.Advise("create a group for libvirt's socket (unix_sock_group and unix_sock_rw_perms in /etc/libvirt/libvirtd.conf), and add %s to it", who.Name)
	case slices.Contains(who.Member, socket.GID):
		return f // since the server started
	default:
		return f.Mend(finding.Command("usermod --append --groups %s %s", socket.Group, who.Name))
	}
}

func groupMay(socket host.File) bool { return socket.Mode.Perm()&(account.Write<<3) != 0 }

// State checks the directory that libvirt needs to start a guest on a network.
func State(h *host.Facts) []finding.Finding {
	switch {
	case !h.LibvirtState.Parent:
		return []finding.Finding{finding.Good("libvirt on this host does not use %s", host.LibvirtState)}
	case !h.LibvirtState.Exists:
		return []finding.Finding{finding.Fail("libvirt_state_missing", "%s is missing; libvirt cannot start guests on its networks without it", host.LibvirtNotes).
			Mend(finding.Command("mkdir --mode=755 %s", host.LibvirtNotes))}
	}
	return []finding.Finding{finding.Good("%s exists", host.LibvirtNotes)}
}

// Networks compares the networks with libvirt's of the same names.
func Networks(h *host.Facts) []finding.Finding {
	if h.Libvirt.Err != nil {
		return []finding.Finding{notChecked(h)}
	}
	var all []finding.Finding
	for _, n := range h.Networks {
		all = append(all, network(h, n)...)
	}
	return finding.Unless(all, finding.Good("the guests' networks are started"))
}

func notChecked(h *host.Facts) finding.Finding {
	return finding.Unchecked("libvirt is not checked: %v", h.Libvirt.Err)
}

// network compares a network with libvirt's of that name. Guests may be on a
// bridge that libvirt knows nothing of.
func network(h *host.Facts, n host.Network) []finding.Finding {
	found, defined := h.Libvirt.Network(n.Name)
	_, bridged := h.Links.ByName[n.Bridge]
	switch {
	case !defined && n.Libvirt:
		return []finding.Finding{absent(h, n)}
	case !defined && !bridged:
		return []finding.Finding{finding.Fail("network_and_bridge_missing", "libvirt has no network %q, and there is no bridge %s", n.Name, n.Bridge).MakeBridge(h, n)}
	case !defined:
		return nil
	case !found.Active:
		return []finding.Finding{finding.Fail("network_not_started", "the network %q is not started", n.Name).
			Mend(finding.Virsh(h, "net-start %s", n.Name), finding.Virsh(h, "net-autostart %s", n.Name))}
	case !n.Libvirt && found.Bridge != "" && found.Bridge != n.Bridge:
		return []finding.Finding{finding.Fail("network_bridge_differs", "libvirt's network %q has the bridge %s, but the configuration says %s", n.Name, found.Bridge, n.Bridge).
			Change(h, finding.Section(h, n.Name), "interface", found.Bridge)}
	}
	return nil
}

// absent says that libvirt lacks a network which it is to serve.
func absent(h *host.Facts, n host.Network) finding.Finding {
	f := finding.Fail("network_missing", "libvirt has no network %q", n.Name)
	if n.Name == "default" && h.Libvirt.StockNetwork {
		return f.Mend(finding.Virsh(h, "net-define %s", host.StockNetwork), finding.Virsh(h, "net-autostart default"), finding.Virsh(h, "net-start default"))
	}
	var names []string
	for _, other := range h.Libvirt.Networks {
		names = append(names, strconv.Quote(other.Name))
	}
	if len(names) == 0 {
		return f.Advise("define the network %q in libvirt with `virsh net-define FILE`", n.Name)
	}
	return f.Advise("define the network %q in libvirt, or change the section [network %s] of %s to one that exists: %s", n.Name, n.Name, h.ConfigFile, strings.Join(names, ", "))
}
