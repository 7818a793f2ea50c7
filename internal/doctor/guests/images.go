package guests

import (
	"strings"

	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/instance"
	"mdserver/internal/smbios"
)

// Drivers looks for devices that the kernels of cloud images have no driver for.
// Guests that have fetched something are skipped: their kernel has the drivers.
func Drivers(h *host.Facts) []finding.Finding {
	if h.Libvirt.Err != nil {
		return []finding.Finding{notChecked(h)}
	}
	var all []finding.Finding
	for _, d := range h.Libvirt.Domains {
		if foreign := foreign(h, d); len(foreign) > 0 && !d.Fetched {
			all = append(all, finding.Warn("driver_missing", "the guest %q has devices without a driver in the kernels of many cloud images: %s", d.Name, strings.Join(foreign, ", ")).
				Advise("change it to virtio with %s, then shut the guest down and start it: model type='virtio' for a card, target dev='vda' bus='virtio' for a disk", finding.Virsh(h, "edit %s", d.Name)))
		}
	}
	return finding.Unless(all, finding.Good("cloud images have drivers for the guests' cards and disks"))
}

// foreign names the devices of a guest that cloud kernels do not know.
func foreign(h *host.Facts, d host.Domain) []string {
	var cards []instance.Interface
	for _, nic := range d.Interfaces {
		if servesInterface(h, nic) {
			cards = append(cards, instance.Interface{Model: nic.Model.Type})
		}
	}
	if len(cards) == 0 {
		return nil // it is not served
	}
	return instance.DevicesWithoutDriver(cards, d.Disks)
}

// Datasource checks which datasources cloud-init detects.
func Datasource(h *host.Facts) []finding.Finding {
	if h.Libvirt.Err != nil {
		return []finding.Finding{notChecked(h)}
	}
	var all []finding.Finding
	for _, d := range h.Libvirt.Domains {
		if serves(h, d) {
			all = append(all, detects(h, d)...)
		}
	}
	return finding.Unless(all, finding.Good("the images of all guests can find their datasource"))
}

// dress is the command that gives a guest the recommended look.
func dress(h *host.Facts, d host.Domain) string {
	return finding.Mdserver(h, "smbios --apply %s", d.Name)
}

// detects judges what cloud-init's ds-identify makes of the guest's hardware.
func detects(h *host.Facts, d host.Domain) []finding.Finding {
	server := smbios.ServerFor(h.Config, d.Metadata)
	switch datasource, why := d.Datasource(); {
	case datasource == smbios.None && d.Fetched:
		return nil // its image has found the server, regardless of its hardware
	case datasource == smbios.None:
		return []finding.Finding{finding.Fail("datasource_not_detected", "the guest %q: %s; cloud-init finds no datasource unless its image configures one", d.Name, why).
			Mend(dress(h, d))}
	case server.Denies(datasource):
		f := finding.Fail("datasource_without_tokens", "the guest %q detects %s and sends no tokens, but imds requires them: it gets no metadata", d.Name, datasource.Title())
		return []finding.Finding{exempt(h, f, d, datasource)}
	case datasource == smbios.EC2 && !server.Tokens:
		return []finding.Finding{finding.Fail("datasource_needs_tokens", "the guest %q detects AWS and needs tokens, but imds is off", d.Name).
			Change(h, "mdserver", "imds", "optional")}
	default:
		return limits(h, d, datasource)
	}
}

// limits tells which versions of cloud-init take the guest for something else.
func limits(h *host.Facts, d host.Domain, datasource smbios.Datasource) []finding.Finding {
	var all []finding.Finding
	for _, text := range d.Readers() {
		if smbios.Moves(datasource, smbios.EC2) {
			text += " An upgrade to that version changes its instance-id, so cloud-init sets it up again."
		}
		f := finding.Warn("datasource_limited", "the guest %q detects %s, but %s", d.Name, datasource.Title(), text)
		if datasource == smbios.NoCloud {
			f = f.Mend(dress(h, d))
		} else {
			f = f.Advise("no command changes this for an existing guest without setting it up again: give new guests another UUID")
		}
		all = append(all, f)
	}
	return all
}

// exempt adds how a guest is served without tokens.
func exempt(h *host.Facts, f finding.Finding, d host.Domain, datasource smbios.Datasource) finding.Finding {
	_, mode := d.Metadata.IMDS()
	_, exempt := d.Metadata.IMDSExempt()
	switch {
	case mode || exempt:
		return f.Advise("change imds or imds_exempt in the domain's <metadata>: %s", finding.Virsh(h, "edit %s", d.Name))
	case datasource == smbios.EC2Clone: // the EC2 tree is never exempt
		return f.Change(h, "mdserver", "imds", "optional")
	}
	return f.Change(h, "mdserver", "imds_exempt", "openstack, nocloud")
}
