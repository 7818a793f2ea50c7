package doctor

import (
	"context"
	"strings"

	"mdserver/internal/instance"
)

// checkDrivers looks for devices that the kernels of cloud images have no driver for.
// Guests that have fetched something are skipped: their kernel has the drivers.
func checkDrivers(ctx context.Context, h *Host) []Finding {
	if h.libvirt.err != nil {
		return []Finding{unknown("libvirt is not checked: %v", h.libvirt.err)}
	}
	var all []Finding
	for _, d := range h.libvirt.domains {
		if foreign := h.foreign(d); len(foreign) > 0 && !h.fetched(ctx, d) {
			all = append(all, warning("driver_missing", "the guest %q has devices without a driver in the kernels of many cloud images: %s", d.Name, strings.Join(foreign, ", ")).
				advise("change it to virtio with %s, then shut the guest down and start it: model type='virtio' for a card, target dev='vda' bus='virtio' for a disk", h.virsh("edit %s", d.Name)))
		}
	}
	return unless(all, fine("cloud images have drivers for the guests' cards and disks"))
}

// foreign names the devices of a guest that cloud kernels do not know.
func (h *Host) foreign(d domain) []string {
	if !h.serves(d) {
		return nil
	}
	var cards []instance.Interface
	for _, nic := range d.Interfaces {
		if h.servesInterface(nic) {
			cards = append(cards, instance.Interface{Model: nic.Model.Type})
		}
	}
	return instance.DevicesWithoutDriver(cards, d.disks)
}
