package doctor

import (
	"context"

	"mdserver/internal/admission"
)

func checkIdentity(ctx context.Context, h *Host) []Finding {
	var all []Finding
	if h.Config.Server.VerifyMAC == string(admission.VerifyNone) {
		all = append(all, warning("verify_mac is no: a guest that takes another's address reads its metadata").
			change(ctx, h, "mdserver", "verify_mac", "bridge"))
	}
	if h.running() && h.status.Identity == admission.ByNeighbour {
		all = append(all, warning("this kernel does not keep the Ethernet source of connections, as Linux does since 5.10: guests' MACs are verified by the neighbour table, which guests can change").
			advise("no command changes this: it needs a newer kernel"))
	}
	return unless(all, fine("a guest is known by its address, its MAC and, where libvirt names it, its tap"))
}
