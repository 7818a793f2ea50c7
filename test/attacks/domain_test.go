//go:build e2e

package attacks

import (
	"fmt"

	"github.com/google/uuid"
)

// domain is the live definition of a guest, as libvirt has it.
type domain struct {
	name, uuid, mac string
	port            string // the tap device
	metadata        string // elements of mdserver's own
}

func (d domain) XML() string {
	if d.uuid == "" {
		d.uuid = uuid.NewString()
	}
	return fmt.Sprintf(`<domain type='kvm' id='1'><name>%s</name><uuid>%s</uuid>
<metadata><m:instance xmlns:m='urn:md_server:domain_metadata'>%s</m:instance></metadata>
<memory unit='KiB'>1048576</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os>
<devices><interface type='network'><mac address='%s'/><source network='mds' bridge='br-mds'/><target dev='%s'/></interface></devices>
</domain>`, d.name, d.uuid, d.metadata, d.mac, d.port)
}
