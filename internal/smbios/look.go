package smbios

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mdserver/internal/config"
	"mdserver/internal/instance"
)

// Server is what a look has to know of the metadata server, as it serves one
// guest.
type Server struct {
	Address netip.Addr
	Port    int
	Tokens  bool     // IMDSv2 is not off
	Only    bool     // nothing is served without a token: IMDSv2 is required
	Exempt  []string // except for these datasources
}

// ServerFor is the server of a configuration for a guest with this metadata.
func ServerFor(cfg *config.Config, guest instance.Metadata) Server {
	s := Server{Address: cfg.Server.ListenAddress, Port: cfg.Server.Port, Exempt: cfg.Server.IMDSExempt}
	mode, ok := guest.IMDS()
	if !ok {
		mode = instance.IMDSMode(cfg.Server.IMDS)
	}
	s.Tokens, s.Only = mode != instance.IMDSOff, mode == instance.IMDSRequired
	if datasources, ok := guest.IMDSExempt(); ok {
		s.Exempt = datasources
	}
	return s
}

// Denies reports whether a guest with this datasource gets nothing from the server, since
// its cloud-init sends no tokens.
func (s Server) Denies(datasource Datasource) bool {
	switch {
	case !s.Only || datasource == EC2 || datasource == None:
		return false
	case datasource == EC2Clone:
		return true
	}
	return !slices.Contains(s.Exempt, datasource.frontend())
}

// Look is what the SMBIOS tables of one domain have to say for the guest to
// show itself as Datasource. Make one with LookOf.
type Look struct {
	Datasource Datasource
	entry      Entry
	uuid       string
}

// Entry is one string of a SMBIOS table in libvirt's words: the table's element
// in <sysinfo> and the entry's name there.
type Entry struct {
	Table, Name, Value string
}

// LookOf makes the look of a domain. The error says why the domain cannot have
// it and what to do instead.
func LookOf(datasource Datasource, d Domain, server Server) (Look, error) {
	look := Look{Datasource: datasource, uuid: strings.ToLower(d.UUID)}
	if !d.HasSMBIOS() {
		return look, fmt.Errorf("machines with the architecture %s have no SMBIOS; set the datasource on the kernel's command line or in the image", d.OSType.Arch)
	}
	switch datasource {
	case OpenStack:
		look.entry = Entry{"system", "product", openStackProduct}
	case NoCloud:
		// Without the mode, cloud-init before 23.2 reads the seed and does not
		// act on it (22.4.2, cloudinit/cmd/main.py).
		look.entry = Entry{"system", "serial", seedPrefix + ";s=" + server.url() + "nocloud/;" + netMode}
	case NoCloudNet:
		look.entry = Entry{"system", "serial", netSeedPrefix + ";s=" + server.url() + "nocloud/"}
	case EC2:
		if !d.mayBeAWS() {
			return look, fmt.Errorf("the UUID %s does not begin with ec2, and libvirt cannot change the UUID of a domain: define the domain again with another one, or choose another datasource", look.uuid)
		}
		if !server.Tokens {
			return look, errors.New("imds = off: guests that detect AWS need tokens")
		}
		look.entry = Entry{"system", "serial", look.uuid}
	case EC2Clone:
		if server.Denies(EC2Clone) {
			return look, errors.New("guests that detect an EC2 clone send no tokens, but imds requires them")
		}
		look.entry = Entry{"system", "manufacturer", cloneVendor}
	default:
		return look, fmt.Errorf("unknown datasource %q; choose one of %s", datasource, names())
	}
	return look, nil
}

// Recommend chooses the datasource for a domain: the one that it has, because
// another one may make cloud-init set the guest up again, or the one that it would
// have if its tables were active. Otherwise it chooses the one with the smallest
// change and the most features.
func Recommend(d Domain, server Server) Datasource {
	d.SMBIOS.Mode = "sysinfo"
	has, _ := d.Datasource()
	for _, datasource := range []Datasource{has, EC2} {
		if datasource == EC2 && !d.mayBeAWS() {
			continue
		}
		if _, err := LookOf(datasource, d, server); err == nil {
			return datasource
		}
	}
	return OpenStack
}

// mayBeAWS reports whether clients detect AWS by the UUID.
func (d Domain) mayBeAWS() bool { return strings.HasPrefix(strings.ToLower(d.UUID), awsUUID) }

// Caution tells what stands in the way of a datasource, or "".
func Caution(datasource Datasource, d Domain, server Server) string {
	switch {
	case datasource != EC2Clone && server.Denies(datasource):
		return "It gets no metadata: its cloud-init sends no tokens, imds requires them, and imds_exempt does not contain " + datasource.frontend() + "."
	case strings.Contains(d.Cmdline, seedPrefix) && !datasource.isNoCloud():
		return "Its kernel's command line names a NoCloud seed, which takes precedence: remove it."
	case d.amazonUUID() != "" && (datasource == OpenStack || datasource == EC2Clone):
		return "Its UUID " + d.amazonUUID() + ", so cloud-init from " + byUUID + " on detects AWS anyway. NoCloud would take precedence."
	}
	return ""
}

// Moves reports whether a guest that was set up with one datasource takes itself for
// a new machine with another: OpenStack's instance-id is the domain's UUID, that
// of all others is mdserver's.
func Moves(from, to Datasource) bool { return from != None && (from == OpenStack) != (to == OpenStack) }

func names() string {
	var list []string
	for _, d := range Datasources() {
		list = append(list, string(d))
	}
	return strings.Join(list, ", ")
}

// url is the server's, as a guest writes it.
func (s Server) url() string {
	host := s.Address.String()
	switch {
	case s.Port != 80:
		host = net.JoinHostPort(host, strconv.Itoa(s.Port))
	case s.Address.Is6():
		host = "[" + host + "]"
	}
	return "http://" + host + "/"
}

// gives reports whether an existing entry belongs to a datasource. It must be
// removed when the domain gets another one.
func (e Entry) gives(uuid string) bool {
	switch e.Table + " " + e.Name {
	case "system product", "chassis asset":
		return isOpenStack(e.Value) || strings.HasSuffix(e.Value, ".zstack.io")
	case "system manufacturer":
		return e.Value == cloneVendor
	case "system serial":
		return strings.HasPrefix(e.Value, seedPrefix) || strings.HasSuffix(e.Value, ".brightbox.com") || strings.ToLower(e.Value) == uuid
	}
	return false
}

// XML is what a domain's definition needs for the look, to be typed in by hand.
func (l Look) XML() string {
	return fmt.Sprintf(`<os>
  <smbios mode='sysinfo'/>
</os>
<sysinfo type='smbios'>
  <%[1]s>
    <entry name='%[2]s'>%[3]s</entry>
  </%[1]s>
</sysinfo>
`, l.entry.Table, l.entry.Name, escape(l.entry.Value))
}

// VirtInstall is the option that makes virt-install create a guest with the look,
// in words of a shell.
func (l Look) VirtInstall() string {
	return fmt.Sprintf("--sysinfo '%s.%s=%s'", l.entry.Table, l.entry.Name, l.entry.Value)
}

// Consequences tells, a sentence each, what it means for a guest to show
// itself so.
func (d Datasource) Consequences() []string {
	switch d {
	case OpenStack:
		return []string{
			"Any UUID works.",
			"Addresses, routes and DNS servers are set up by the metadata, without DHCP.",
			"A guest that was set up can boot while mdserver is down. mdserver must run at the first boot: otherwise the guest has no keys until the next one.",
			"The site's vendor-data runs, and the guest can post a password.",
			"It uses no tokens: every program in the guest can read its user-data.",
		}
	case NoCloud:
		return []string{
			"cloud-init and Alpine's tiny-cloud support it; Talos Linux supports nocloud-net only.",
			"Any UUID works.",
			"The network is set up by DHCP, and from cloud-init 24.3 on by the metadata.",
			"At each boot, the guest tries for ten seconds. If mdserver does not answer, cloud-init treats it as a new machine and creates new ssh host keys; with openstack, it does not.",
			"The site's vendor-data runs.",
			"It uses no tokens: every program in the guest can read its user-data.",
		}
	case NoCloudNet:
		return []string{
			"The same as nocloud, with the name that Talos Linux supports.",
			"From 24.1 on, cloud-init warns that the name is deprecated.",
		}
	case EC2:
		return []string{
			"The domain's UUID must begin with ec2, and the serial number must be the same.",
			"cloud-init uses tokens (IMDSv2), and so do Amazon's tools and SDKs, which also detect AWS.",
			"The network is set up by DHCP, on the interfaces in the metadata.",
			"At each boot, the guest waits up to four minutes for mdserver.",
			"There is no vendor-data.",
		}
	case EC2Clone:
		return []string{
			"Any UUID works.",
			"cloud-init uses no tokens (IMDSv1): every program in the guest can read its user-data.",
			"The image must set up the network by DHCP.",
			"At each boot, the guest waits for mdserver.",
			"There is no vendor-data.",
		}
	}
	return nil
}
