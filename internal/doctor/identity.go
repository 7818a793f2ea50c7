package doctor

import (
	"context"

	"mdserver/internal/admission"
)

func checkIdentity(ctx context.Context, h *Host) []Finding {
	var all []Finding
	if h.Config.Server.VerifyMAC == string(admission.VerifyNone) {
		all = append(all, warning("mac_not_verified", "verify_mac is no: a guest that uses another guest's address can read its metadata").
			change(ctx, h, "mdserver", "verify_mac", "bridge"))
	}
	if h.running() && h.status.Identity == admission.ByNeighbour {
		all = append(all, warning("kernel_too_old", "this kernel is older than Linux 5.10 and does not store the Ethernet source of connections: MAC addresses are verified by the neighbour table, which guests can change").
			advise("install a newer kernel"))
	}
	return unless(all, fine("a guest is identified by its address, its MAC address and, if known, its tap"))
}
