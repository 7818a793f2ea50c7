//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"mdserver/test/lab"
)

// The cloud-init of Debian 13, 25.1, boots as that of Debian 12 does, without a
// warning. It takes a warning for a recoverable error, and ends "degraded" then.
func TestNewerCloudInit(t *testing.T) {
	t.Parallel()
	bootLooks(t, built(t, "../../scripts/build-cloud-init", "trixie"), newerLooks())
}

// newerLooks are the looks as cloud-init has them from 24.3 on: it asks NoCloud for
// network-config, and takes a UUID of AWS's for AWS, whatever the product.
func newerLooks() []look {
	var newer []look
	for _, l := range looks {
		switch {
		case strings.HasPrefix(l.name, "NoCloud"):
			l.source = "DataSourceNoCloudNet [seed=dmi,http://" + lab.MetadataAddr + "/nocloud/]"
			l.network = []string{"iface eth0 inet static", "iface eth0 inet6 static", "dns-nameservers " + lab.Gateway, "dns-search example.net"}
			l.ipv6 = true
			if strings.HasSuffix(l.name, "older name") {
				l.complaint = "The 'nocloud-net' datasource name is deprecated in 24.1"
			}
		case strings.HasPrefix(l.name, "OpenStack with a UUID"):
			aws := looks[0]
			aws.name, aws.firmware = l.name, l.firmware
			l = aws
		}
		newer = append(newer, l)
	}
	return newer
}
