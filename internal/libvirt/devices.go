package libvirt

import (
	"fmt"
	"strconv"
	"strings"

	"mdserver/internal/instance"
)

type interfaceXML struct {
	Type string `xml:"type,attr"`
	MAC  struct {
		Address string `xml:"address,attr"`
	} `xml:"mac"`
	Source struct {
		Network string `xml:"network,attr"`
		Bridge  string `xml:"bridge,attr"`
	} `xml:"source"`
	Target struct {
		Dev string `xml:"dev,attr"`
	} `xml:"target"`
	Model struct {
		Type string `xml:"type,attr"`
	} `xml:"model"`
	MTU struct {
		Size string `xml:"size,attr"`
	} `xml:"mtu"`
}

type diskXML struct {
	Device string `xml:"device,attr"`
	Serial string `xml:"serial"`
	Target struct {
		Dev string `xml:"dev,attr"`
		Bus string `xml:"bus,attr"`
	} `xml:"target"`
}

func interfaces(all []interfaceXML) ([]instance.Interface, error) {
	var nics []instance.Interface
	for i, nic := range all {
		if nic.MAC.Address == "" {
			return nil, fmt.Errorf("interface %d has no <mac>; %s", i+1, hint)
		}
		mac, err := instance.ParseMAC(nic.MAC.Address)
		if err != nil {
			return nil, fmt.Errorf("interface %d: %w", i+1, err)
		}
		mtu, err := nic.mtu()
		if err != nil {
			return nil, fmt.Errorf("interface %d: %w", i+1, err)
		}
		nics = append(nics, instance.Interface{
			MAC: mac, Network: nic.Source.Network, Bridge: nic.Source.Bridge, Target: nic.target(), Model: trimmed(nic.Model.Type), MTU: mtu,
		})
	}
	return nics, nil
}

// target is the name of the tap device. What cannot name an interface of this
// host names none.
func (nic interfaceXML) target() string {
	name := nic.Target.Dev
	if len(name) > maxDeviceName || name == "." || name == ".." || strings.ContainsFunc(name, notInDeviceName) {
		return ""
	}
	return name
}

// maxDeviceName is IFNAMSIZ less the final zero. Source: dev_valid_name in
// Linux's net/core/dev.c.
const maxDeviceName = 15

func notInDeviceName(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' || r == ':' }

func (nic interfaceXML) mtu() (int, error) {
	if nic.MTU.Size == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(nic.MTU.Size, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("its <mtu> %q is not a whole number up to 65535", nic.MTU.Size)
	}
	return int(n), nil
}

// disks reads what a guest may learn about its drives; a drive without a target
// has no name. Without a device attribute it is a hard disk.
func disks(all []diskXML) []instance.Disk {
	var list []instance.Disk
	for _, disk := range all {
		if disk.Target.Dev == "" {
			continue
		}
		kind := disk.Device
		if kind == "" {
			kind = "disk"
		}
		list = append(list, instance.Disk{
			Target: disk.Target.Dev, Bus: disk.Target.Bus, Device: kind, Serial: trimmed(disk.Serial),
		})
	}
	return list
}
