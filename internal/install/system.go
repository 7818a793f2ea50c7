package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"

	"mdserver/internal/install/rootfs"
)

// Exec is the Runner that really runs.
func Exec(ctx context.Context, name string, args ...string) error {
	output, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		if text := strings.TrimSpace(string(output)); text != "" {
			return fmt.Errorf("%s: %w: %s", name, err, text)
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// ExecQuery is the Query that really runs.
func ExecQuery(ctx context.Context, name string, args ...string) (string, error) {
	output, err := exec.CommandContext(ctx, name, args...).Output()
	if err == nil {
		return string(output), nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return string(output), fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(exit.Stderr)))
	}
	return string(output), fmt.Errorf("%s: %w", name, err)
}

// live reports whether the system that runs now is the one worked on, under
// systemd.
func (j *job) live() bool { return j.Systemd && j.Root == "" }

// system runs one command of the running system and reports whether it
// succeeded. A failure is only reported: the files are in place and the
// administrator can run the command again.
func (j *job) system(ctx context.Context, name string, args ...string) bool {
	line := strings.Join(append([]string{name}, args...), " ")
	if j.DryRun {
		j.report.add(Done, line, "")
		return true
	}
	if err := j.Run(ctx, name, args...); err != nil {
		j.report.add(Failed, line, err.Error())
		return false
	}
	j.report.add(Done, line, "")
	return true
}

func (j *job) afterInstall(ctx context.Context) {
	if !j.live() {
		return
	}
	j.system(ctx, "systemctl", "daemon-reload")
	j.stopPathUnit(ctx)
	j.system(ctx, "systemd-tmpfiles", "--create", "/etc/tmpfiles.d/mdserver.conf")
	j.indexManual(ctx)
	j.label(ctx)
}

// indexManual lets man -k and whatis find the man pages, or forget them. mandb
// chooses the directories: Debian has an index of its own for /usr/local/man, a
// link to /usr/local/share/man, and man looks there.
func (j *job) indexManual(ctx context.Context) {
	if j.has("/usr/bin/mandb") {
		j.system(ctx, "mandb", "--quiet")
	}
}

// label gives files the labels of SELinux's policy, where that is in use.
// The policy names the type virt_hook_t for all below /etc/libvirt/hooks; see
// virt_hook_unconfined_selinux(8). This was read there, not tried.
func (j *job) label(ctx context.Context) {
	if j.has("/sys/fs/selinux/enforce") {
		j.system(ctx, "restorecon", "-R", hooksDir, programPath(j.Prefix), etcDir, stateDir)
	}
}

// nextSteps says what is left to do.
func (j *job) nextSteps(ctx context.Context) {
	conf := etcDir + "/mdserver.conf"
	if !j.hasKeys() {
		j.report.next("put your SSH keys into "+conf+", section [public-keys]", programPath(j.Prefix)+" config check")
	}
	if info, err := j.tree.Lstat("/etc/libvirt/qemu/networks/mds.xml"); err == nil && info == nil {
		j.report.next("create the guests' network, unless you have it",
			"virsh net-define "+networkPath(j.Prefix), "virsh net-autostart mds", "virsh net-start mds")
	}
	if j.User != "mdserver" && j.dnsmasq.uid == rootfs.NoOwner {
		j.report.next("set user = " + j.User + " in the section [dnsmasq] of " + conf)
	}
	j.adviseFirewall(ctx)
	j.report.next("start mdserver, now and at every boot", "systemctl enable mdserver.service", "systemctl restart mdserver.service")
	j.report.next("make libvirt read the new hook: it looks for hooks only when it starts or reloads",
		"systemctl reload "+j.guestDaemon())
}

// guestDaemon is the unit of the daemon that runs guests and their hooks: the
// one that is enabled, or else the one that is there. Either can be, where
// libvirt's daemons are modular; such a host may have libvirtd as well.
func (j *job) guestDaemon() string {
	const enabled = "/etc/systemd/system/"
	for _, unit := range daemonUnits {
		name := strings.TrimSuffix(unit, ".service")
		if j.has(enabled+"multi-user.target.wants/"+unit) || j.has(enabled+"sockets.target.wants/"+name+".socket") {
			return unit
		}
	}
	if !j.has("/usr/sbin/libvirtd") && j.has("/usr/sbin/virtqemud") {
		return "virtqemud.service"
	}
	return "libvirtd.service"
}

// hasKeys reports whether the running system's configuration has SSH keys.
func (j *job) hasKeys() bool {
	if j.Root != "" || j.Load == nil {
		return false
	}
	cfg, err := j.loadConfig()
	return err == nil && len(cfg.PublicKeys) > 0
}

// firstGuest says how to start a guest.
func (j *job) firstGuest() {
	j.report.next("start a guest from a vendor's cloud image in /var/lib/libvirt/images",
		"virt-install --connect qemu:///system --name web1 --memory 1024 --osinfo linux2022 --import --noautoconsole "+
			"--disk size=10,backing_store=/var/lib/libvirt/images/IMAGE.qcow2 --network network="+j.served[0].name+
			" --sysinfo 'system.product=OpenStack Nova'")
}

// findLeftovers looks for files of the Python mdserver that only the administrator
// can judge.
func (j *job) findLeftovers() {
	j.findHook()
	if unit := path.Join(unitDir, pathUnit); j.has(unit) && !j.moved(unit) {
		j.report.find("the unit "+unit+" would start a second dnsmasq, and is no longer needed",
			"systemctl stop "+pathUnit, "mv "+unit+" "+unit+originalSuffix, "systemctl daemon-reload")
	}
	for _, unit := range []string{serverUnit, dnsmasqUnit} {
		if drop := path.Join(unitDir, unit+".d"); j.has(drop) {
			j.report.find(drop + "/ changes the unit: check that it still fits; remove an ExecStart of the Python mdserver")
		}
	}
	j.findDnsmasq(os.DirFS("/proc"))
	j.findUnreadableConfig()
}

// moved reports whether a file is set aside, in a dry run only by word.
func (j *job) moved(name string) bool {
	return j.DryRun && slices.Contains(j.manifest.Aside, name)
}

func (j *job) findHook() {
	const hook = originalHookPath
	content, err := j.tree.Read(hook)
	switch {
	case err != nil || !isOriginalHook(content) || j.moved(hook):
	case isShippedHook(content):
		j.report.find("the Python mdserver's hook "+hook+" registers every guest a second time, and delays its start while mdserver is stopped",
			"rm "+hook)
	default:
		j.report.find(hook + " is a changed version of the Python mdserver's hook and posts guests to /instance-upload: " +
			"remove that part, because it delays a guest's start while mdserver is stopped")
	}
}

// findDnsmasq looks for a dnsmasq that our dnsmasq would get in the way of. The
// processes are those below proc.
func (j *job) findDnsmasq(proc fs.FS) {
	if j.Root != "" {
		return
	}
	content, err := j.tree.Read("/run/mdserver/mds.pid")
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || processName(proc, pid) != "dnsmasq" || processName(proc, parentOf(proc, pid)) == "mdserver" {
		return
	}
	j.report.find(fmt.Sprintf("dnsmasq (process %d) of the Python mdserver's unit still runs, and mdserver uses it as it is; "+
		"to let mdserver run its own (the default), stop it before you start mdserver", pid),
		"systemctl stop mdserver.service mdserver-dnsmasq.path mdserver-dnsmasq.service")
}

// processName is the name of a process, or empty if there is none.
func processName(proc fs.FS, pid int) string {
	name, _ := fs.ReadFile(proc, fmt.Sprintf("%d/comm", pid))
	return strings.TrimSpace(string(name))
}

// parentOf is the parent of a process, or 0. Source: proc_pid_stat(5).
func parentOf(proc fs.FS, pid int) int {
	stat, _ := fs.ReadFile(proc, fmt.Sprintf("%d/stat", pid))
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // state, parent, …
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// findUnreadableConfig reports a kept configuration that mdserver's user cannot
// read: the Python mdserver ran as root.
func (j *job) findUnreadableConfig() {
	if j.account.gid == rootfs.NoOwner {
		return
	}
	for _, name := range []string{etcDir, userdataDir, etcDir + "/mdserver.conf"} {
		info, err := j.tree.Stat(name)
		if err != nil || info == nil {
			continue
		}
		mode := info.Mode().Perm()
		need := "r"
		wanted := os.FileMode(0o4)
		if info.IsDir() {
			need, wanted = "rX", 0o5
		}
		if mode&wanted == wanted || rootfs.RightsOf(info).GID == j.account.gid && mode>>3&wanted == wanted {
			continue
		}
		j.report.find(name+" is not readable for the group "+j.User+" of mdserver's user",
			"chgrp -R "+j.User+" "+name, "chmod -R g+"+need+" "+name)
	}
}

func (j *job) has(name string) bool {
	info, err := j.tree.Lstat(name)
	return err == nil && info != nil
}
