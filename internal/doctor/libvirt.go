package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
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

func checkLibvirt(ctx context.Context, h *Host) []Finding {
	v := h.libvirt
	switch {
	case v.err == nil:
		answers := fine("libvirt answers on %s and has %d networks and %d domains", v.socket, len(v.networks), len(v.domains))
		return append([]Finding{answers}, h.checkReach(ctx)...)
	case errors.Is(v.err, errOff):
		return []Finding{fine("not checked: %v", v.err)}
	case errors.Is(v.err, context.DeadlineExceeded): // one of several sockets; the others may not be there
		return []Finding{silent(v.err)}
	case errors.Is(v.err, fs.ErrPermission):
		return []Finding{unknown("no permission to use libvirt: run as root or as a member of the group libvirt (%v)", v.err)}
	case errors.Is(v.err, syscall.ECONNREFUSED):
		return []Finding{wrong("libvirt_dead", "libvirt's socket exists, but its daemon does not run: %v", v.err).mend(startLibvirt())}
	case errors.Is(v.err, fs.ErrNotExist):
		return []Finding{wrong("libvirt_not_running", "libvirt does not run, its socket is missing: %v", v.err).mend(startLibvirt())}
	}
	return []Finding{silent(v.err)}
}

func silent(err error) Finding {
	return wrong("libvirt_no_answer", "libvirt does not answer: %v", err).mend(command("systemctl restart %s", daemonUnit()))
}

func startLibvirt() string { return command("systemctl start %s", daemonUnit()) }

// daemonUnit is the unit that runs guests on this host.
func daemonUnit() string {
	for _, name := range daemons {
		if _, err := os.Stat("/usr/sbin/" + name); err == nil {
			return name + ".service"
		}
	}
	return "libvirtd.service"
}

func checkLibvirtNetworks(ctx context.Context, h *Host) []Finding {
	if h.libvirt.err != nil {
		return []Finding{unknown("libvirt is not checked: %v", h.libvirt.err)}
	}
	var all []Finding
	for _, n := range h.Networks {
		all = append(all, h.checkLibvirtNetwork(ctx, n)...)
	}
	return unless(all, fine("the guests' networks are started"))
}

// checkLibvirtNetwork compares a network with libvirt's of that name. Guests may
// be on a bridge that libvirt knows nothing of.
func (h *Host) checkLibvirtNetwork(ctx context.Context, n Network) []Finding {
	found, defined := h.libvirt.network(n.Name)
	switch {
	case !defined && n.Libvirt:
		return []Finding{h.absent(n)}
	case !defined:
		if _, err := findBridge(n.Bridge); err != nil {
			return []Finding{wrong("network_and_bridge_missing", "libvirt has no network %q, and there is no bridge %s", n.Name, n.Bridge).makeBridge(h, n)}
		}
	case !found.active:
		return []Finding{wrong("network_not_started", "the network %q is not started", n.Name).mend(h.virsh("net-start %s", n.Name), h.virsh("net-autostart %s", n.Name))}
	case !n.Libvirt && found.bridge != "" && found.bridge != n.Bridge:
		f := wrong("network_bridge_differs", "libvirt's network %q has the bridge %s, but the configuration says %s", n.Name, found.bridge, n.Bridge)
		return []Finding{f.change(ctx, h, h.section(n.Name), "interface", found.bridge)}
	}
	return nil
}

// stockNetwork is what libvirt's packages install as its network "default".
const stockNetwork = "/usr/share/libvirt/networks/default.xml"

// absent says that libvirt lacks a network which it is to serve.
func (h *Host) absent(n Network) Finding {
	f := wrong("network_missing", "libvirt has no network %q", n.Name)
	if n.Name == "default" && exists(stockNetwork) {
		return f.mend(h.virsh("net-define %s", stockNetwork), h.virsh("net-autostart default"), h.virsh("net-start default"))
	}
	var names []string
	for _, other := range h.libvirt.networks {
		names = append(names, strconv.Quote(other.name))
	}
	if len(names) == 0 {
		return f.advise("define the network %q in libvirt with `virsh net-define FILE`", n.Name)
	}
	return f.advise("define the network %q in libvirt, or change the section [network %s] of %s to one that exists: %s", n.Name, n.Name, h.ConfigFile, strings.Join(names, ", "))
}

// network finds libvirt's network of a name.
func (v view) network(name string) (network, bool) {
	i := slices.IndexFunc(v.networks, func(n network) bool { return n.name == name })
	if i < 0 {
		return network{}, false
	}
	return v.networks[i], true
}

// owner finds libvirt's network that creates the bridge of a served network.
func (v view) owner(n Network) (network, bool) {
	if found, ok := v.network(n.Name); ok {
		return found, true
	}
	i := slices.IndexFunc(v.networks, func(other network) bool { return n.Bridge != "" && other.bridge == n.Bridge })
	if i < 0 {
		return network{}, false
	}
	return v.networks[i], true
}
