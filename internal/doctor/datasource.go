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
	switch face, why := d.Face(); {
	case face == smbios.None:
		return []Finding{wrong("the guest %q: %s; an image whose cloud-init is not configured for a datasource stays as it is", d.Name, why).
			mend(h.dress(d))}
	case face == smbios.EC2 && h.Config.Server.IMDS == "off":
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
