package doctor

import (
	"context"
	"fmt"
	"strings"
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

// detects judges what cloud-init's ds-identify makes of the guest's hardware.
func (h *Host) detects(d domain) []Finding {
	switch source, why := datasourceOf(d); source {
	case "":
		return []Finding{wrong("the guest %q: %s; an image whose cloud-init is not configured for a datasource stays as it is", d.Name, why).
			mend(h.asNoCloud(d)...)}
	case "Ec2":
		if h.Config.Server.IMDS == "off" {
			return []Finding{wrong("the guest %q takes this for AWS, where cloud-init needs tokens, but imds is off", d.Name).
				mend("sed -i 's/^imds *=.*/imds = optional/' "+quote(h.ConfigFile), "mdserver reload")}
		}
	}
	return nil
}

// asNoCloud is how to let any image find the server: the domain keeps its UUID.
func (h *Host) asNoCloud(d domain) []string {
	if d.SMBIOS.Mode == "sysinfo" {
		return []string{"virsh edit " + quote(d.Name)} // what it says has to be judged by a person
	}
	edit := `s|<os>|<os><smbios mode="sysinfo"/>|`
	if len(d.Sysinfo.System) == 0 {
		serial := fmt.Sprintf("ds=nocloud-net;s=http://%s/nocloud/", h.Config.Server.ListenAddress)
		edit += `;s|<os>|<sysinfo type="smbios"><system><entry name="serial">` + serial + `</entry></system></sysinfo><os>|`
	}
	return []string{"virsh dumpxml --inactive " + quote(d.Name) + " | sed '" + edit + "' | virsh define /dev/stdin"}
}

// datasourceOf gives what ds-identify of cloud-init would choose by hardware
// alone, or why it chooses none.
func datasourceOf(d domain) (source, why string) {
	if strings.Contains(d.Cmdline, "ds=nocloud") {
		return "NoCloud", ""
	}
	if d.SMBIOS.Mode != "sysinfo" {
		if len(d.Sysinfo.System) > 0 {
			return "", "its <sysinfo> is not in force without <smbios mode='sysinfo'/>"
		}
		return "", "its SMBIOS says nothing but QEMU"
	}
	serial, product := entryOf(d.Sysinfo.System, "serial"), entryOf(d.Sysinfo.System, "product")
	asset := entryOf(d.Sysinfo.Chassis, "asset")
	uuid := strings.ToLower(d.UUID)
	switch {
	case strings.HasPrefix(serial, "ds=nocloud"):
		return "NoCloud", ""
	case strings.HasPrefix(product, "OpenStack ") || asset == "OpenStack Nova" || asset == "OpenStack Compute":
		return "OpenStack", ""
	case strings.HasSuffix(serial, ".brightbox.com"), strings.HasSuffix(asset, ".zstack.io"),
		entryOf(d.Sysinfo.System, "manufacturer") == "e24cloud":
		return "Ec2 clone", ""
	case strings.HasPrefix(uuid, "ec2") && strings.ToLower(serial) == uuid:
		return "Ec2", ""
	case strings.HasPrefix(uuid, "ec2"):
		return "", "its UUID begins with ec2, but its serial number is not the same, which cloud-init before 23 wants"
	}
	return "", "its SMBIOS names no datasource"
}
