package smbios

import "strings"

// Face is what a guest takes the place that it runs in for. Its text is the
// name by which an administrator chooses it.
type Face string

// The faces that mdserver shows. None is that of plain QEMU.
const (
	None      Face = ""
	OpenStack Face = "openstack"
	NoCloud   Face = "nocloud"
	EC2       Face = "ec2"       // Amazon itself
	EC2Clone  Face = "ec2-clone" // another cloud with Amazon's metadata
)

// Faces lists all that can be chosen, the most useful first.
func Faces() []Face { return []Face{OpenStack, NoCloud, EC2, EC2Clone} }

// Title names the face in prose.
func (f Face) Title() string {
	switch f {
	case OpenStack:
		return "OpenStack"
	case NoCloud:
		return "NoCloud"
	case EC2:
		return "AWS"
	case EC2Clone:
		return "a clone of EC2"
	}
	return "plain QEMU"
}

// What ds-identify looks for.
const (
	seedPrefix       = "ds=nocloud" // nocloud-net for releases before 23
	openStackProduct = "OpenStack Nova"
	cloneVendor      = "e24cloud"
	awsUUID          = "ec2"
)

// Face tells what ds-identify takes a guest for by its hardware and kernel
// command line alone, or why it takes it for nothing.
func (d Domain) Face() (face Face, why string) {
	if strings.Contains(d.Cmdline, seedPrefix) {
		return NoCloud, ""
	}
	tables := d.tables()
	switch {
	case d.SMBIOS.Mode == "sysinfo":
		return tables.face(d.UUID)
	case !tables.empty():
		return None, "its <sysinfo> is not in force without <smbios mode='sysinfo'/>"
	case d.SMBIOS.Mode == "host":
		return None, "its SMBIOS is a copy of this host's"
	}
	return None, "its SMBIOS says nothing but QEMU"
}

func (s sysinfo) face(uuid string) (face Face, why string) {
	uuid = strings.ToLower(uuid)
	serial, product, asset := value(s.System, "serial"), value(s.System, "product"), value(s.Chassis, "asset")
	switch {
	case strings.HasPrefix(serial, seedPrefix):
		return NoCloud, ""
	case isOpenStack(product) || isOpenStack(asset):
		return OpenStack, ""
	case value(s.System, "manufacturer") == cloneVendor, strings.HasSuffix(serial, ".brightbox.com"), strings.HasSuffix(asset, ".zstack.io"):
		return EC2Clone, ""
	case strings.HasPrefix(uuid, awsUUID) && strings.ToLower(serial) == uuid:
		return EC2, ""
	case strings.HasPrefix(uuid, awsUUID):
		return None, "its UUID begins with ec2, but its serial number is not the same, which cloud-init before 23 wants"
	}
	return None, "its SMBIOS names no datasource"
}

func isOpenStack(name string) bool { return name == openStackProduct || name == "OpenStack Compute" }
