package instance

import (
	"slices"
	"strings"
)

// DevicesWithoutDriver names the devices of a guest that lack a driver in the
// kernels of many cloud images. Those of Debian's genericcloud images
// (linux-image-cloud-amd64 6.1) have virtio_net, vmxnet3 and xen-netfront for
// network cards, and no ahci for disks.
func DevicesWithoutDriver(cards []Interface, disks []Disk) []string {
	var devices []string
	for _, card := range cards {
		if !paravirtual(card.Model) {
			devices = append(devices, "the network card "+card.Model)
		}
	}
	if slices.ContainsFunc(disks, func(d Disk) bool { return d.Bus == "sata" && d.Device == "disk" }) {
		devices = append(devices, "a SATA disk")
	}
	return devices
}

// paravirtual reports whether cloud kernels have a driver for a card's model. A
// card without a model is a device of the host.
func paravirtual(model string) bool {
	return model == "" || strings.HasPrefix(model, "virtio") || model == "vmxnet3" || model == "netfront"
}
