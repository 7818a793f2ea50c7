package smbios

import "strings"

// Datasource is the cloud that a guest detects. Its text is the name that an
// administrator chooses it with.
type Datasource string

// The datasources that mdserver shows. None is that of plain QEMU.
const (
	None      Datasource = ""
	OpenStack Datasource = "openstack"
	NoCloud   Datasource = "nocloud"
	EC2       Datasource = "ec2"       // Amazon itself
	EC2Clone  Datasource = "ec2-clone" // another cloud with Amazon's metadata

	// NoCloudNet is NoCloud by a name that cloud-init calls deprecated, and that
	// some images know alone.
	NoCloudNet Datasource = "nocloud-net"
)

// Datasources lists all that can be chosen, the most useful first.
func Datasources() []Datasource { return []Datasource{OpenStack, NoCloud, EC2, EC2Clone, NoCloudNet} }

func (d Datasource) isNoCloud() bool { return d == NoCloud || d == NoCloudNet }

// frontend is what imds_exempt calls the part of the server that answers a guest
// with this datasource.
func (d Datasource) frontend() string {
	if d.isNoCloud() {
		return string(NoCloud)
	}
	return string(d)
}

// Title names the datasource in prose.
func (d Datasource) Title() string {
	switch d {
	case OpenStack:
		return "OpenStack"
	case NoCloud:
		return "NoCloud"
	case EC2:
		return "AWS"
	case EC2Clone:
		return "a clone of EC2"
	case NoCloudNet:
		return "NoCloud by its older name"
	}
	return "plain QEMU"
}

// What ds-identify looks for.
const (
	seedPrefix       = "ds=nocloud"
	netSeedPrefix    = "ds=nocloud-net"
	netMode          = "dsmode=net"
	openStackProduct = "OpenStack Nova"
	cloneVendor      = "e24cloud"
	awsUUID          = "ec2"
)

// Datasource tells what ds-identify takes a guest for by its hardware and kernel
// command line alone, or why it takes it for nothing. Where releases of
// cloud-init differ, it is what older ones do; see [Domain.Readings].
func (d Domain) Datasource() (datasource Datasource, why string) {
	if _, seed, found := strings.Cut(d.Cmdline, seedPrefix); found {
		return seedFace(seedPrefix + seed), ""
	}
	tables := d.tables()
	switch {
	case d.SMBIOS.Mode == "sysinfo":
		return tables.datasource(d.UUID)
	case !tables.empty():
		return None, "its <sysinfo> has no effect without <smbios mode='sysinfo'/>"
	case d.SMBIOS.Mode == "host":
		return None, "its SMBIOS is a copy of this host's"
	}
	return None, "its SMBIOS only names QEMU"
}

func (s sysinfo) datasource(uuid string) (datasource Datasource, why string) {
	uuid = strings.ToLower(uuid)
	serial, product, asset := value(s.System, "serial"), value(s.System, "product"), value(s.Chassis, "asset")
	switch {
	case strings.HasPrefix(serial, seedPrefix):
		return seedFace(serial), ""
	case isOpenStack(product) || isOpenStack(asset):
		return OpenStack, ""
	case value(s.System, "manufacturer") == cloneVendor, strings.HasSuffix(serial, ".brightbox.com"), strings.HasSuffix(asset, ".zstack.io"):
		return EC2Clone, ""
	case strings.HasPrefix(uuid, awsUUID) && strings.ToLower(serial) == uuid:
		return EC2, ""
	case strings.HasPrefix(uuid, awsUUID):
		return None, "its UUID begins with ec2, but its serial number differs, and cloud-init before " + byUUID + " needs both"
	}
	return None, "its SMBIOS names no datasource"
}

// seedFace is NoCloud by the name that a seed has.
func seedFace(seed string) Datasource {
	if strings.HasPrefix(seed, netSeedPrefix) {
		return NoCloudNet
	}
	return NoCloud
}

func isOpenStack(name string) bool { return name == openStackProduct || name == "OpenStack Compute" }
