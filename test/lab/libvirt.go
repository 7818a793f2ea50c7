package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"mdserver/packaging"
)

// Libvirt is a libvirtd in the host namespace, with directories of its own: it
// shares nothing with a libvirt of the machine.
type Libvirt struct {
	*Process
	// URI is what virsh and mdserver reach it by.
	URI string

	lab *Lab
}

// placeScript puts a program where libvirt's directories are the lab's: in a
// mount namespace and under a host name of its own.
const placeScript = `set -e
mount --make-rprivate /
mkdir -p /etc/libvirt /var/lib/libvirt /run/libvirt /var/log/libvirt /var/cache/libvirt
mount --bind "$1/etc" /etc/libvirt
mount --bind "$1/lib" /var/lib/libvirt
mount --bind "$1/run" /run/libvirt
mount --bind "$1/log" /var/log/libvirt
mount --bind "$1/cache" /var/cache/libvirt
hostname "$2"
shift 2
exec "$@"
`

const daemonConf = `unix_sock_group = "root"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "%s"
`

// qemuConf lets libvirtd run guests without what a machine's init sets up.
const qemuConf = `user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
stdio_handler = "file"
`

// InstallHook puts the packaged hook, for another program and socket, where
// libvirtd finds it at its next start.
func (l *Lab) InstallHook(binary string) error {
	script, err := packaging.Read("libvirt/qemu.d/mdserver")
	if err != nil {
		return err
	}
	own := strings.NewReplacer(
		"#!/bin/sh\n", "#!/bin/sh\nexport MDSERVER_SOCKET='"+l.SocketPath()+"'\n",
		"/usr/local/bin/mdserver", binary,
	).Replace(string(script))
	file, err := l.WriteFile("libvirt/etc/hooks/qemu.d/mdserver", own)
	if err != nil {
		return err
	}
	return os.Chmod(file, 0o755)
}

// StartLibvirt runs libvirtd, or runs it again with the state that it left.
func (l *Lab) StartLibvirt(ctx context.Context) (*Libvirt, error) {
	return l.startDaemon(ctx, "libvirtd", "libvirt-sock")
}

// StartModular runs virtqemud and virtnetworkd, whose programs are in a
// directory, in place of libvirtd.
func (l *Lab) StartModular(ctx context.Context, dir string) (qemu, network *Libvirt, err error) {
	network, err = l.startDaemon(ctx, filepath.Join(dir, "virtnetworkd"), "virtnetworkd-sock")
	if err == nil {
		qemu, err = l.startDaemon(ctx, filepath.Join(dir, "virtqemud"), "virtqemud-sock")
	}
	return qemu, network, err
}

func (l *Lab) startDaemon(ctx context.Context, program, socket string) (*Libvirt, error) {
	name := filepath.Base(program)
	if err := l.layOutLibvirt(name); err != nil {
		return nil, err
	}
	place := l.libvirtsPlace()
	args := append(place[1:], program, "--config", "/etc/libvirt/"+name+".conf", "--pid-file", l.Path("libvirt", name+".pid"))
	p, err := l.Host.Start(name, nil, place[0], args...)
	if err != nil {
		return nil, err
	}
	scheme := "qemu"
	if name == "virtnetworkd" {
		scheme = "network"
	}
	v := &Libvirt{Process: p, URI: scheme + "+unix:///system?socket=" + l.Path("libvirt", "run", socket), lab: l}
	err = Poll(ctx, 30*time.Second, func(ctx context.Context) error {
		_, err := v.Virsh(ctx, "net-list")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return v, nil
}

// layOutLibvirt makes libvirt's directories and the configuration of a daemon.
func (l *Lab) layOutLibvirt(daemon string) error {
	for _, sub := range []string{"etc", "lib/dnsmasq", "lib/network", "lib/qemu", "run", "log", "cache"} {
		if err := os.MkdirAll(l.Path("libvirt", sub), 0o755); err != nil {
			return err
		}
	}
	if _, err := l.WriteFile("libvirt/etc/"+daemon+".conf", fmt.Sprintf(daemonConf, l.hostUUID())); err != nil {
		return err
	}
	_, err := l.WriteFile("libvirt/etc/qemu.conf", qemuConf)
	return err
}

// libvirtsPlace is the start of a command line whose program finds the lab's
// libvirt where a libvirt usually is.
func (l *Lab) libvirtsPlace() []string {
	return []string{"unshare", "-m", "-u", "sh", "-c", placeScript, "place", l.Path("libvirt"), l.id}
}

// BesideLibvirt gives a program that is this one, beside the lab's libvirt:
// it finds that where a libvirt usually is.
func (l *Lab) BesideLibvirt(binary string) (string, error) {
	words := l.libvirtsPlace()
	for i, word := range words {
		words[i] = "'" + word + "'"
	}
	path, err := l.WriteFile("bin/"+filepath.Base(binary), "#!/bin/sh\nexec "+strings.Join(words, " ")+" '"+binary+"' \"$@\"\n")
	if err != nil {
		return "", err
	}
	return path, os.Chmod(path, 0o755)
}

// hostUUID tells the lab's host from others, as a mainboard does: libvirt
// migrates no guest to where it is.
func (l *Lab) hostUUID() uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(l.id)) }

// Virsh runs a virsh command.
func (v *Libvirt) Virsh(ctx context.Context, args ...string) (string, error) {
	return v.lab.Host.Output(ctx, "virsh", append([]string{"--connect", v.URI}, args...)...)
}

// StartNetwork defines a network and starts it.
func (v *Libvirt) StartNetwork(ctx context.Context, name, xml string) error {
	file, err := v.lab.WriteFile("libvirt/"+name+".xml", xml)
	if err != nil {
		return err
	}
	for _, args := range [][]string{{"net-define", file}, {"net-start", name}} {
		if out, err := v.Virsh(ctx, args...); err != nil {
			return fmt.Errorf("network %s: %w: %s", name, err, strings.TrimSpace(out))
		}
	}
	return nil
}
