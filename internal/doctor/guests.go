package doctor

import (
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt"
	"mdserver/internal/smbios"
)

// domain is a guest in libvirt's words, as far as the checks look at it.
type domain struct {
	smbios.Domain
	metadata   instance.Metadata
	Interfaces []struct {
		Type   string `xml:"type,attr"`
		Source struct {
			Network string `xml:"network,attr"`
			Bridge  string `xml:"bridge,attr"`
		} `xml:"source"`
	} `xml:"devices>interface"`
}

func parseDomain(text string) (domain, error) {
	var d domain
	if err := xml.Unmarshal([]byte(text), &d); err != nil {
		return d, fmt.Errorf("libvirt's domain definition: %w", err)
	}
	guest, _ := libvirt.ParseDomain([]byte(text))
	d.metadata = guest.Metadata
	return d, nil
}

func checkGuests(_ context.Context, h *Host) []Finding {
	if h.libvirt.err != nil {
		return []Finding{unknown("libvirt is not asked: %v", h.libvirt.err)}
	}
	var all []Finding
	for _, d := range h.libvirt.domains {
		if !h.serves(d) {
			all = append(all, h.elsewhere(d))
		}
	}
	return unless(all, fine("each of %d domains is on a network of guests", len(h.libvirt.domains)))
}

// serves reports whether a guest has an interface on one of our networks, as
// the inventory counts it: by the network's name or its bridge.
func (h *Host) serves(d domain) bool {
	for _, nic := range d.Interfaces {
		if slices.ContainsFunc(h.Networks, func(n Network) bool {
			return nic.Source.Network == n.Name || n.Bridge != "" && nic.Source.Bridge == n.Bridge
		}) {
			return true
		}
	}
	return false
}

func (h *Host) elsewhere(d domain) Finding {
	var places []string
	for _, nic := range d.Interfaces {
		place := nic.Type
		switch {
		case nic.Source.Network != "":
			place = "network " + nic.Source.Network
		case nic.Source.Bridge != "":
			place = "bridge " + nic.Source.Bridge
		}
		places = append(places, place)
	}
	where := "has no network interface"
	if len(places) > 0 {
		where = "is on " + strings.Join(places, ", ")
	}
	n := h.Networks[0].Name
	return wrong("the guest %q %s, and not on the network %q that is served", d.Name, where, n).
		mend("virsh attach-interface " + quote(d.Name) + " network " + quote(n) + " --model virtio --config")
}
