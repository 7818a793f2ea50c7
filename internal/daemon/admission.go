package daemon

import (
	"net/netip"

	"mdserver/internal/admission"
	"mdserver/internal/ingress"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

// openKernel opens what tells admission where connections come from.
func (d *Daemon) openKernel() (*ingress.Kernel, error) {
	kernel, err := ingress.Open(d.isGuest, d.log)
	if err != nil {
		return nil, err
	}
	if !kernel.SavesSYN() {
		d.log.Warn("this kernel does not store the Ethernet source of connections: MAC addresses are verified by the neighbour table, which guests can change", "needed", "Linux 5.10")
	}
	return kernel, nil
}

// isGuest reports whether a guest has a MAC address.
func (d *Daemon) isGuest(mac instance.MAC) bool {
	return len(d.inventory.Snapshot().ByMAC(mac)) > 0
}

func (d *Daemon) closeAdmission() {
	d.admission.Close()
	if err := d.kernel.Close(); err != nil {
		d.log.Warn("closing the kernel's tables failed", "error", err)
	}
}

// knownBy is the way of identifying guests, for `mdserver status`.
func (d *Daemon) knownBy() string {
	return knownBy(admission.Verify(d.config.Load().Server.VerifyMAC), d.kernel.SavesSYN())
}

func knownBy(verify admission.Verify, savesSYN bool) string {
	switch {
	case verify == admission.VerifyNone:
		return admission.ByAddress
	case !savesSYN:
		return admission.ByNeighbour
	}
	return admission.BySYN
}

// liveGuests looks guests up in the inventory as it is at that moment.
type liveGuests struct{ inventory *inventory.Inventory }

func (g liveGuests) ByAddr(addr netip.Addr) (*instance.Instance, bool) {
	return g.inventory.Snapshot().ByAddr(addr)
}

func (g liveGuests) ByMAC(mac instance.MAC) []*instance.Instance {
	return g.inventory.Snapshot().ByMAC(mac)
}
