package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// view is what libvirt shows of itself.
type view struct {
	socket   string // the one that is asked
	err      error  // why it does not answer
	listed   bool   // what follows is known
	networks []network
	domains  []domain
}

// network is one of libvirt's.
type network struct {
	name, bridge string
	active       bool
}

// sockets of the system's libvirt: the monolithic daemon's and the modular one's.
var sockets = []string{"/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"}

// look finds libvirt's socket and whether anybody answers there.
func look() view {
	v := view{socket: sockets[0]}
	for _, path := range sockets {
		if err := socketError(path); v.err == nil || !errors.Is(err, fs.ErrNotExist) {
			v.socket, v.err = path, err
		}
		if v.err == nil {
			return v
		}
	}
	return v
}

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

func checkLibvirt(ctx context.Context, h *Host) []Finding {
	v := h.libvirt
	switch {
	case v.err == nil:
		return []Finding{fine("libvirt answers on %s", v.socket)}
	case errors.Is(v.err, fs.ErrPermission):
		return []Finding{unknown("no permission to use %s: be root or a member of the group libvirt", v.socket)}
	case errors.Is(v.err, fs.ErrNotExist):
		return []Finding{wrong("libvirt's socket %s is not there: libvirt does not run", v.socket).mend(startLibvirt())}
	case errors.Is(v.err, syscall.ECONNREFUSED):
		return []Finding{wrong("nobody listens on libvirt's socket %s: its daemon is dead", v.socket).mend(startLibvirt())}
	}
	return []Finding{wrong("libvirt does not answer on %s: %v", v.socket, v.err).mend("systemctl restart " + daemonUnit())}
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
	if !h.libvirt.listed {
		return []Finding{unknown("libvirt cannot be asked")}
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
