package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// daemons are the programs that run guests: the monolithic and the modular one.
var daemons = []string{"libvirtd", "virtqemud"}

// daemon finds the libvirt daemon that runs guests here: the peer behind the
// socket or, where systemd holds that, the one among this host's processes.
func (v view) daemon() (process, bool) {
	if pid, err := peer(v.socket); err == nil && slices.Contains(daemons, commandName(pid)) {
		return process{pid, commandName(pid)}, true
	}
	for _, p := range neighbours() {
		if slices.Contains(daemons, p.name) {
			return p, true
		}
	}
	return process{}, false
}

// peer is the process that listens on a Unix socket.
func peer(path string) (int, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer syscall.Close(fd)
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		return 0, err
	}
	cred, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(cred.Pid), nil
}

func checkLibvirt(_ context.Context, h *Host) []Finding {
	v := h.libvirt
	switch {
	case v.err == nil:
		return []Finding{fine("libvirt answers on %s, with %d networks and %d domains", v.socket, len(v.networks), len(v.domains))}
	case errors.Is(v.err, errOff):
		return []Finding{fine("not asked: %v", v.err)}
	case errors.Is(v.err, fs.ErrPermission):
		return []Finding{unknown("no permission to use libvirt: be root or a member of the group libvirt (%v)", v.err)}
	case errors.Is(v.err, syscall.ECONNREFUSED):
		return []Finding{wrong("nobody listens on libvirt's socket, its daemon is dead: %v", v.err).mend(startLibvirt())}
	case errors.Is(v.err, fs.ErrNotExist):
		return []Finding{wrong("libvirt's socket is not there, libvirt does not run: %v", v.err).mend(startLibvirt())}
	}
	return []Finding{wrong("libvirt does not answer: %v", v.err).mend("systemctl restart " + daemonUnit())}
}

func startLibvirt() string { return "systemctl start " + daemonUnit() }

// daemonUnit is the unit that runs guests on this host.
func daemonUnit() string {
	for _, name := range daemons {
		if _, err := os.Stat("/usr/sbin/" + name); err == nil {
			return name + ".service"
		}
	}
	return "libvirtd.service"
}

func checkLibvirtNetworks(_ context.Context, h *Host) []Finding {
	if h.libvirt.err != nil {
		return []Finding{unknown("libvirt is not asked: %v", h.libvirt.err)}
	}
	var all []Finding
	for _, n := range h.Networks {
		all = append(all, h.libvirt.check(n)...)
	}
	return unless(all, fine("the networks of guests are started"))
}

func (v view) check(n Network) []Finding {
	i := slices.IndexFunc(v.networks, func(other network) bool { return other.name == n.Name })
	if i < 0 {
		return []Finding{wrong("libvirt has no network %q", n.Name).
			mend("virsh net-define /usr/local/share/mdserver/mds-network.xml", "virsh net-autostart "+quote(n.Name), "virsh net-start "+quote(n.Name))}
	}
	found := v.networks[i]
	switch {
	case !found.active:
		return []Finding{wrong("the network %q is not started", n.Name).mend("virsh net-start "+quote(n.Name), "virsh net-autostart "+quote(n.Name))}
	case found.bridge != "" && found.bridge != n.Bridge:
		return []Finding{wrong("the network %q has the bridge %s, but the configuration says %s", n.Name, found.bridge, n.Bridge).
			mend("sed -i 's/^interface *=.*/interface = " + found.bridge + "/' /etc/mdserver/mdserver.conf")}
	}
	return nil
}
