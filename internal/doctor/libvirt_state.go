package doctor

import (
	"context"
	"path/filepath"
)

// libvirtState is where libvirt notes the MAC addresses of the guests on each of
// its networks, even one without DHCP and DNS.
const libvirtState = "/var/lib/libvirt/dnsmasq"

func checkLibvirtState(context.Context, *Host) []Finding { return checkStateDir(libvirtState) }

func checkStateDir(dir string) []Finding {
	switch {
	case !exists(filepath.Dir(dir)):
		return []Finding{fine("libvirt on this host does not use %s", filepath.Dir(dir))}
	case !exists(dir):
		return []Finding{wrong("libvirt_state_missing", "%s is missing; libvirt cannot start guests on its networks without it", dir).mend(command("mkdir --mode=755 %s", dir))}
	}
	return []Finding{fine("%s exists", dir)}
}
