package install

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"mdserver/internal/libvirt/hooks"
)

// ownNetwork is the name of mdserver's own network, which Install defines in
// libvirt. All others are networks that libvirt has and serves itself.
const ownNetwork = "mds"

// Start says how to bring the server into service once it is installed.
type Start struct {
	Network string   // network whose guests to serve; "mds" is mdserver's own. If empty, those that the configuration has, or "default"
	Keys    []string // SSH public keys for the guests, as authorized_keys has them
}

// Query runs a program of the system that changes nothing, and returns what it
// printed on its standard output.
type Query func(ctx context.Context, name string, args ...string) (string, error)

func (o *Options) checkStart() error {
	switch {
	case o.Start == nil:
		return nil
	case o.Root != "":
		return errors.New("start: cannot start with --root")
	case !o.Systemd:
		return errors.New("start: this host does not run systemd")
	case o.Start.Network != "" && !networkName.MatchString(o.Start.Network):
		return fmt.Errorf("network %q: must be the name of a libvirt network: letters, digits, '.', '_' and '-', not beginning with . or -, at most 60", o.Start.Network)
	}
	for _, key := range o.Start.Keys {
		if err := checkKey(key); err != nil {
			return err
		}
	}
	return nil
}

// start brings the server into service. A step whose result is there already
// is left out.
func (j *job) start(ctx context.Context) error {
	if err := j.configure(); err != nil {
		return err
	}
	j.firstGuest()
	for _, n := range j.served {
		j.startNetwork(ctx, n)
	}
	if slices.ContainsFunc(j.served, func(n served) bool { return n.libvirt }) {
		j.joinGroup(ctx)
	}
	j.openFirewall(ctx)
	j.system(ctx, "systemctl", "enable", serverUnit)
	j.reloadLibvirt(ctx)
	j.system(ctx, "systemctl", "restart", serverUnit) // Type=notify: returns when the server is ready
	return nil
}

// undoable runs a command and notes the one that undoes it.
func (j *job) undoable(ctx context.Context, do, undo []string) bool {
	done := j.system(ctx, do[0], do[1:]...)
	noted := slices.ContainsFunc(j.manifest.Undo, func(u []string) bool { return slices.Equal(u, undo) })
	if done && !noted && !j.DryRun {
		j.manifest.Undo = append(j.manifest.Undo, undo)
	}
	return done
}

func virsh(args ...string) []string {
	return append([]string{"virsh", "--connect", "qemu:///system"}, args...)
}

// startNetwork defines mdserver's own network unless libvirt has it, and has
// the network run, now and after each boot.
func (j *job) startNetwork(ctx context.Context, n served) {
	name := n.name
	all, err := j.networks(ctx, "--all")
	if err != nil {
		j.report.add(Failed, "network "+name, err.Error())
		return
	}
	switch {
	case slices.Contains(all, name):
	case n.libvirt:
		j.report.add(Failed, "network "+name, "libvirt has no such network; it has: "+strings.Join(all, ", "))
		return
	case n.otherBridge:
		j.report.add(Skipped, "network "+name, "libvirt has no such network; its bridge is created elsewhere")
		return
	default:
		j.undoable(ctx, virsh("net-define", networkPath(j.Prefix)), virsh("net-undefine", name))
	}
	if started, err := j.networks(ctx, "--all", "--autostart"); err == nil && !slices.Contains(started, name) {
		j.undoable(ctx, virsh("net-autostart", name), virsh("net-autostart", "--disable", name))
	}
	if active, err := j.networks(ctx); err == nil && !slices.Contains(active, name) {
		j.undoable(ctx, virsh("net-start", name), virsh("net-destroy", name))
	}
}

// networks lists libvirt's networks by name.
func (j *job) networks(ctx context.Context, which ...string) ([]string, error) {
	list := virsh(append([]string{"net-list", "--name"}, which...)...)
	out, err := j.Query(ctx, list[0], list[1:]...)
	return strings.Fields(out), err
}

// libvirtGroup may use libvirt's read-write socket.
const libvirtGroup = "libvirt"

// joinGroup lets the server edit the definition of a network that libvirt
// serves. It is not done for mdserver's own network: the group is as good as root.
func (j *job) joinGroup(ctx context.Context) {
	switch members, found := j.members(libvirtGroup); {
	case !found:
		j.report.add(Skipped, "group "+libvirtGroup, "there is no such group; libvirt's configuration decides who can use its socket")
	case slices.Contains(members, j.User):
		j.report.add(Unchanged, "group "+libvirtGroup, j.User+" is a member")
	default:
		j.undoable(ctx, []string{"usermod", "--append", "--groups", libvirtGroup, j.User},
			[]string{"gpasswd", "--delete", j.User, libvirtGroup})
	}
}

// members lists the members of a group that group(5) has.
func (j *job) members(group string) ([]string, bool) {
	content, err := j.tree.Read("/etc/group")
	if err != nil {
		return nil, false
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		if fields := strings.Split(lines.Text(), ":"); len(fields) == 4 && fields[0] == group {
			return strings.Split(fields[3], ","), true
		}
	}
	return nil, false
}

// daemonUnits are the units that run guests: of libvirt's modular daemons, and
// of the monolithic one.
var daemonUnits = []string{"virtqemud.service", "libvirtd.service"}

// reloadLibvirt makes libvirt see the hook. A daemon that does not run looks
// for hooks when it starts.
func (j *job) reloadLibvirt(ctx context.Context) {
	for _, unit := range daemonUnits {
		if _, err := j.Query(ctx, "systemctl", "is-active", unit); err != nil {
			continue
		}
		if j.knowsHook(ctx, unit) {
			j.report.add(Unchanged, unit, "has read the hook")
			continue
		}
		j.system(ctx, "systemctl", "reload-or-restart", unit)
	}
}

// knowsHook reports whether a daemon of libvirt has looked for hooks since there
// was one. In a case of doubt it has not.
func (j *job) knowsHook(ctx context.Context, unit string) bool {
	if j.report.did(hookPath, Created, Replaced) {
		return false
	}
	out, err := j.Query(ctx, "systemctl", "show", "--property", "StateChangeTimestamp", "--value", unit)
	if err != nil {
		return false
	}
	since, ok := hooks.Changed(strings.TrimSpace(out))
	oldest := hooks.Oldest(os.DirFS(j.tree.Base()))
	return ok && !oldest.IsZero() && oldest.Before(since)
}

// undo undoes what start did, the last step first. What cannot be undone yet
// stays noted.
func (j *job) undo(ctx context.Context) {
	var rest [][]string
	for _, command := range slices.Backward(j.manifest.Undo) {
		if len(command) == 0 {
			continue
		}
		if network, stops := stopsNetwork(command); stops && j.inUse(ctx, network) {
			j.report.add(Kept, "network "+network, "guests use it")
			j.report.next("stop the network after its guests", strings.Join(command, " "))
			rest = append(rest, command)
			continue
		}
		if !j.system(ctx, command[0], command[1:]...) {
			rest = append(rest, command)
		}
		if command[0] == "firewall-cmd" {
			j.system(ctx, "firewall-cmd", "--reload")
		}
	}
	slices.Reverse(rest)
	j.manifest.Undo = rest
}

// stopsNetwork finds the network that a command takes from its guests.
func stopsNetwork(command []string) (name string, stops bool) {
	last := len(command) - 1
	return command[last], slices.Contains(command, "net-destroy")
}

// inUse reports whether a running guest has an interface on a network, or
// whether that is unknown.
func (j *job) inUse(ctx context.Context, network string) bool {
	list := virsh("net-port-list", "--uuid", network)
	out, err := j.Query(ctx, list[0], list[1:]...)
	return err != nil || strings.TrimSpace(out) != ""
}
