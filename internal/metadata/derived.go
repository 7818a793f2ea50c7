package metadata

import (
	"fmt"
	"strings"

	"mdserver/internal/instance"
)

// unknownType is the type of a guest whose CPUs or memory are not on record: one
// that came from the Python mdserver's database and was not started since.
const unknownType = "kvm.unknown"

// InstanceType names the size of the guest as clouds do, family.size: what
// its metadata says, else "kvm.2x4g" for two CPUs and 4 GiB of memory, or
// "kvm.1x768m" where the memory is not a multiple of 1 GiB.
func (d *Document) InstanceType() string {
	if chosen := d.Values[instance.KeyInstanceType]; isWord(chosen) {
		return chosen
	}
	if d.VCPUs == 0 || d.Memory == 0 {
		return unknownType
	}
	if gib := d.Memory >> 30; gib<<30 == d.Memory {
		return fmt.Sprintf("kvm.%dx%dg", d.VCPUs, gib)
	}
	return fmt.Sprintf("kvm.%dx%dm", d.VCPUs, d.Memory>>20)
}

// ImageID is the id of the image that the guest was made from, as far as its
// metadata says; libvirt does not know it. Otherwise it is an id of the
// guest's own.
func (d *Document) ImageID() string {
	if chosen := d.Values[instance.KeyImageID]; isWord(chosen) {
		return chosen
	}
	return ResourceID("ami", d.UUID.String())
}

// longestWord bounds what metadata may set in place of an id.
const longestWord = 64

// isWord reports whether an administrator's text can stand in place of an id.
func isWord(text string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return text != "" && len(text) <= longestWord && strings.Trim(text, allowed) == ""
}
