// Package packaging holds what mdserver puts onto a host besides itself: the
// systemd units, libvirt's hook and network, the sample configuration and
// user-data. The binary carries them all, so that it can install itself.
//
// Every file is usable as it stands, for the prefix /usr/local and the user
// mdserver.
package packaging

import (
	"embed"
	"fmt"
)

//go:embed etc libvirt systemd tmpfiles.d logrotate.d userdata
var files embed.FS

// Read returns a file by its path below packaging, such as
// "systemd/mdserver.service".
func Read(name string) ([]byte, error) {
	content, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("this build lacks a file of its packaging: %w", err)
	}
	return content, nil
}
