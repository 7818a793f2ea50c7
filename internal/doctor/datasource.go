package doctor

import (
	"context"

	"mdserver/internal/smbios"
)

func checkDatasource(_ context.Context, h *Host) []Finding {
	if h.libvirt.err != nil {
		return []Finding{unknown("libvirt is not asked: %v", h.libvirt.err)}
	}
	var all []Finding
	for _, d := range h.libvirt.domains {
		if h.serves(d) {
			all = append(all, h.detects(d)...)
		}
	}
	return unless(all, fine("the images of all guests can tell where their metadata is"))
}

// dress is the command that gives a guest the recommended look.
func (h *Host) dress(d domain) string {
	return "mdserver smbios --config " + quote(h.ConfigFile) + " --apply " + quote(d.Name)
}

// detects judges what cloud-init's ds-identify makes of the guest's hardware.
func (h *Host) detects(d domain) []Finding {
	server := smbios.ServerFor(h.Config, d.metadata)
	switch face, why := d.Face(); {
	case face == smbios.None:
		return []Finding{wrong("the guest %q: %s; an image whose cloud-init is not configured for a datasource stays as it is", d.Name, why).
			mend(h.dress(d))}
	case server.Denies(face):
		return []Finding{wrong("the guest %q takes this for %s, where cloud-init sends no tokens, but imds requires them: it gets no metadata", d.Name, face.Title()).
			mend(h.admitting(d, face)...)}
	case face == smbios.EC2 && !server.Tokens:
		return []Finding{wrong("the guest %q takes this for AWS, where cloud-init needs tokens, but imds is off", d.Name).
			mend("sed -i 's/^imds *=.*/imds = optional/' "+quote(h.ConfigFile), "mdserver reload")}
	default:
		var all []Finding
		for _, text := range d.Readers() {
			if smbios.Moves(face, smbios.EC2) {
				text += " An upgrade past that gives it another instance-id, so that it sets itself up anew."
			}
			found := warning("the guest %q is taken for %s, but %s", d.Name, face.Title(), text)
			if face == smbios.NoCloud {
				found = found.mend(h.dress(d))
			}
			all = append(all, found)
		}
		return all
	}
}

// admitting are the commands by which a guest is served without tokens.
func (h *Host) admitting(d domain, face smbios.Face) []string {
	_, mode := d.metadata.IMDS()
	_, exempt := d.metadata.IMDSExempt()
	switch {
	case mode || exempt: // the guest's own metadata says so
		return []string{"virsh edit " + quote(d.Name)}
	case face == smbios.EC2Clone: // the EC2 tree is never exempt
		return []string{"sed -i 's/^imds *=.*/imds = optional/' " + quote(h.ConfigFile), "mdserver reload"}
	}
	return []string{"sed -i '/^imds_exempt *=/d; s/^imds *=.*/&\\nimds_exempt = openstack, nocloud/' " + quote(h.ConfigFile), "mdserver reload"}
}
