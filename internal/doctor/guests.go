package doctor

import (
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/libvirt"
	"mdserver/internal/smbios"
)

// domain is a guest in libvirt's words, as far as the checks look at it.
type domain struct {
	smbios.Domain
	metadata   instance.Metadata
	Interfaces []nic `xml:"devices>interface"`
	disks      []instance.Disk
}

// nic is a network interface of a domain.
type nic struct {
	Type   string `xml:"type,attr"`
	Source struct {
		Network string `xml:"network,attr"`
		Bridge  string `xml:"bridge,attr"`
	} `xml:"source"`
	Target struct {
		Dev string `xml:"dev,attr"` // this host's end, while the domain runs
	} `xml:"target"`
	Model struct {
		Type string `xml:"type,attr"`
	} `xml:"model"`
}

func parseDomain(text string) (domain, error) {
	var d domain
	if err := xml.Unmarshal([]byte(text), &d); err != nil {
		return d, fmt.Errorf("libvirt's domain definition: %w", err)
	}
	guest, _ := libvirt.ParseDomain([]byte(text))
	d.metadata, d.disks = guest.Metadata, guest.Disks
	return d, nil
}

func checkGuests(ctx context.Context, h *Host) []Finding {
	all := h.checkRefused(ctx)
	if h.libvirt.err != nil {
		return append(all, unknown("libvirt is not checked: %v", h.libvirt.err))
	}
	var others []domain
	for _, d := range h.libvirt.domains {
		if !h.serves(d) {
			others = append(others, d)
		}
	}
	served := len(h.libvirt.domains) - len(others)
	for _, d := range others {
		// One that is made for this server, or the first of a new host.
		if datasource, _ := d.Datasource(); datasource != smbios.None || served == 0 {
			all = append(all, h.elsewhere(d))
		}
	}
	return unless(all, fine("%d of %d domains are on served networks", served, len(h.libvirt.domains)))
}

// checkRefused tells which domains the server refuses.
func (h *Host) checkRefused(ctx context.Context) []Finding {
	if !h.running() {
		return nil
	}
	refusals, err := h.server.Refusals(ctx)
	if err != nil {
		return []Finding{unknown("the refused domains are not known: %v", err)}
	}
	var all []Finding
	for _, r := range refusals {
		if r.State != api.Refused {
			continue
		}
		f := wrong("domain_refused", "the domain %q is refused: %s", r.Name, r.Reason)
		if r.Source == instance.ByLocal { // which any user can send
			f.State = Warning
		}
		f.Advice = r.Advice
		all = append(all, f)
	}
	return all
}

// serves reports whether a guest has an interface on one of our networks, as
// the inventory counts it: by the network's name or its bridge.
func (h *Host) serves(d domain) bool {
	return slices.ContainsFunc(d.Interfaces, h.servesInterface)
}

func (h *Host) servesInterface(nic nic) bool {
	bridge := h.bridgeOf(nic)
	return slices.ContainsFunc(h.Networks, func(n Network) bool {
		return nic.Source.Network == n.Name || n.Bridge != "" && bridge == n.Bridge
	})
}

// bridgeOf is the bridge that an interface should be on; empty if that is not
// known.
func (h *Host) bridgeOf(nic nic) string {
	if nic.Source.Bridge != "" {
		return nic.Source.Bridge
	}
	found, _ := h.libvirt.network(nic.Source.Network)
	return found.bridge
}

// elsewhere reports a domain that is on none of the networks, and how it can be
// served: on one of them, or on its own network.
func (h *Host) elsewhere(d domain) Finding {
	var places []string
	var serve []string
	for _, nic := range d.Interfaces {
		place := nic.Type
		switch {
		case nic.Source.Network != "":
			place = "network " + nic.Source.Network
			serve = append(serve, fmt.Sprintf("serve the network %q: in %s, add the section [network %s] with the line \"backend = libvirt\", and reload mdserver",
				nic.Source.Network, h.ConfigFile, nic.Source.Network))
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
	f := warning("guest_on_unserved_network", "the domain %q %s, and not on the served network %q", d.Name, where, n)
	slices.Sort(serve)
	f.Advice = slices.Compact(serve)
	return f.mend(h.virsh("attach-interface %s network %s --model virtio --config", d.Name, n))
}
