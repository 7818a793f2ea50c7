package instance

import "strconv"

// Hardware is what a domain definition says of a guest's virtual machine and
// nothing but the guest and people need to know. A fact that is added here is in
// Domain, in Instance with its JSON and its record in the database, and in the
// guest's metadata document; only package libvirt must read it.
type Hardware struct {
	VCPUs  int    `json:"vcpus,omitempty"`
	Memory uint64 `json:"memory,omitempty"` // bytes
	Arch   string `json:"arch,omitempty"`   // in libvirt's words: x86_64, aarch64, …
}

// HardwareFact is one property in words.
type HardwareFact struct {
	Name, Value string
}

// Facts lists what is known, for people.
func (h Hardware) Facts() []HardwareFact {
	var facts []HardwareFact
	if h.VCPUs > 0 {
		facts = append(facts, HardwareFact{"CPUs", strconv.Itoa(h.VCPUs)})
	}
	if h.Memory > 0 {
		facts = append(facts, HardwareFact{"memory", strconv.FormatUint(h.Memory>>20, 10) + " MiB"})
	}
	if h.Arch != "" {
		facts = append(facts, HardwareFact{"architecture", h.Arch})
	}
	return facts
}
