package lab

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Libvirt is a libvirtd in the host namespace, with directories of its own: it
// shares nothing with a libvirt of the machine.
type Libvirt struct {
	*Process
	// URI is what virsh and mdserver reach it by.
	URI string

	lab *Lab
}

// libvirtdScript runs libvirtd with private directories, in a mount namespace
// and under a host name of its own.
const libvirtdScript = `set -e
mount --make-rprivate /
mkdir -p /etc/libvirt /var/lib/libvirt /run/libvirt /var/log/libvirt /var/cache/libvirt
mount --bind "$1/etc" /etc/libvirt
mount --bind "$1/lib" /var/lib/libvirt
mount --bind "$1/run" /run/libvirt
mount --bind "$1/log" /var/log/libvirt
mount --bind "$1/cache" /var/cache/libvirt
hostname "$2"
exec libvirtd --config /etc/libvirt/libvirtd.conf --pid-file "$1/libvirtd.pid"
`

const libvirtdConf = `unix_sock_group = "root"
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

// hookScript hands all to mdserver, as the packaged hook does.
const hookScript = `#!/bin/sh
MDSERVER_SOCKET='%s' exec '%s' hook "$@"
`

// InstallHook puts mdserver's hook where libvirtd finds it at its next start.
func (l *Lab) InstallHook(binary string) error {
	file, err := l.WriteFile("libvirt/etc/hooks/qemu.d/mdserver", fmt.Sprintf(hookScript, l.SocketPath(), binary))
	if err != nil {
		return err
	}
	return os.Chmod(file, 0o755)
}

// StartLibvirt runs libvirtd, or runs it again with the state that it left.
func (l *Lab) StartLibvirt(ctx context.Context) (*Libvirt, error) {
	dir := l.Path("libvirt")
	for _, sub := range []string{"etc", "lib/dnsmasq", "lib/network", "lib/qemu", "run", "log", "cache"} {
		if err := os.MkdirAll(dir+"/"+sub, 0o755); err != nil {
			return nil, err
		}
	}
	if _, err := l.WriteFile("libvirt/etc/libvirtd.conf", fmt.Sprintf(libvirtdConf, l.hostUUID())); err != nil {
		return nil, err
	}
	if _, err := l.WriteFile("libvirt/etc/qemu.conf", qemuConf); err != nil {
		return nil, err
	}
	p, err := l.Host.Start("libvirtd", nil, "unshare", "-m", "-u", "sh", "-c", libvirtdScript, "libvirtd", dir, l.id)
	if err != nil {
		return nil, err
	}
	v := &Libvirt{Process: p, URI: "qemu+unix:///system?socket=" + dir + "/run/libvirt-sock", lab: l}
	err = Poll(ctx, 30*time.Second, func(ctx context.Context) error {
		_, err := v.Virsh(ctx, "net-list")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("starting libvirtd: %w", err)
	}
	return v, nil
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
