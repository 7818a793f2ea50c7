package doctor

import (
	"context"
	"net/http"
	"slices"

	"mdserver/internal/api"
	"mdserver/internal/smbios"
	"mdserver/internal/timeline"
)

func checkDatasource(ctx context.Context, h *Host) []Finding {
	if h.libvirt.err != nil {
		return []Finding{unknown("libvirt is not checked: %v", h.libvirt.err)}
	}
	var all []Finding
	for _, d := range h.libvirt.domains {
		if h.serves(d) {
			all = append(all, h.detects(ctx, d)...)
		}
	}
	return unless(all, fine("the images of all guests can find their datasource"))
}

// dress is the command that gives a guest the recommended look.
func (h *Host) dress(d domain) string {
	return h.mdserver("smbios --apply %s", d.Name)
}

// detects judges what cloud-init's ds-identify makes of the guest's hardware.
func (h *Host) detects(ctx context.Context, d domain) []Finding {
	server := smbios.ServerFor(h.Config, d.metadata)
	switch datasource, why := d.Datasource(); {
	case datasource == smbios.None && h.fetched(ctx, d):
		return nil // its image has found the server, regardless of its hardware
	case datasource == smbios.None:
		return []Finding{wrong("datasource_not_detected", "the guest %q: %s; cloud-init finds no datasource unless its image configures one", d.Name, why).
			mend(h.dress(d))}
	case server.Denies(datasource):
		return []Finding{wrong("datasource_without_tokens", "the guest %q detects %s and sends no tokens, but imds requires them: it gets no metadata", d.Name, datasource.Title()).
			admit(ctx, h, d, datasource)}
	case datasource == smbios.EC2 && !server.Tokens:
		return []Finding{wrong("datasource_needs_tokens", "the guest %q detects AWS and needs tokens, but imds is off", d.Name).
			change(ctx, h, "mdserver", "imds", "optional")}
	default:
		var all []Finding
		for _, text := range d.Readers() {
			if smbios.Moves(datasource, smbios.EC2) {
				text += " An upgrade to that version changes its instance-id, so cloud-init sets it up again."
			}
			found := warning("datasource_limited", "the guest %q detects %s, but %s", d.Name, datasource.Title(), text)
			if datasource == smbios.NoCloud {
				found = found.mend(h.dress(d))
			} else {
				found = found.advise("no command changes this for an existing guest without setting it up again: give new guests another UUID")
			}
			all = append(all, found)
		}
		return all
	}
}

// admit adds how a guest is served without tokens.
func (f Finding) admit(ctx context.Context, h *Host, d domain, datasource smbios.Datasource) Finding {
	_, mode := d.metadata.IMDS()
	_, exempt := d.metadata.IMDSExempt()
	switch {
	case mode || exempt:
		return f.advise("change imds or imds_exempt in the domain's <metadata>: %s", h.virsh("edit %s", d.Name))
	case datasource == smbios.EC2Clone: // the EC2 tree is never exempt
		return f.change(ctx, h, "mdserver", "imds", "optional")
	}
	return f.change(ctx, h, "mdserver", "imds_exempt", "openstack, nocloud")
}

// fetched reports whether the guest has read its metadata or its user-data
// since the server started.
func (h *Host) fetched(ctx context.Context, d domain) bool {
	if !h.running() {
		return false
	}
	doc, err := h.server.Explain(ctx, d.UUID)
	if err != nil {
		return false
	}
	read := slices.Concat(timeline.Metadata(), timeline.Userdata())
	return slices.ContainsFunc(doc.Requests.Kinds, func(k api.RequestKind) bool { return k.Status == http.StatusOK && slices.Contains(read, k.Name) })
}
