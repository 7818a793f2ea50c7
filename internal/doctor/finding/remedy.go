package finding

import (
	"encoding/xml"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"mdserver/internal/config"
	"mdserver/internal/doctor/host"
)

// Restart adds the command that restarts the server.
func (f Finding) Restart(h *host.Facts) Finding {
	if h.Unit.State == "" {
		return f.Advise("restart mdserver")
	}
	return f.Mend(Command("systemctl restart %s", host.UnitName))
}

// Change adds how to change one key of the configuration, and to make the server
// use it. A server that does not run reads it when it starts.
func (f Finding) Change(h *host.Facts, section, key, value string) Finding {
	f = f.set(h, section, key, value)
	switch {
	case !h.Server.Running():
		return f
	case config.NeedsRestart(section, key):
		return f.Restart(h)
	}
	return f.Mend(Mdserver(h, "reload"))
}

// set advises to change one key of the configuration, and where it is.
func (f Finding) set(h *host.Facts, section, key, value string) Finding {
	for _, s := range h.Config.Effective() {
		if s.Key == section+"."+key && s.File != "" {
			return f.Advise("in %s, line %d, section [%s], change %q to %q", s.File, s.Line, section, key+" = "+s.Value, key+" = "+value)
		}
	}
	return f.Advise("in %s, section [%s], add %q", h.ConfigFile, section, key+" = "+value)
}

// Section is the one of the configuration that describes a network.
func Section(h *host.Facts, network string) string {
	own := "network " + network
	if slices.ContainsFunc(h.Config.Effective(), func(s config.Setting) bool { return strings.HasPrefix(s.Key, own+".") }) {
		return own
	}
	return "dnsmasq"
}

// MakeBridge adds what makes the bridge of a network.
func (f Finding) MakeBridge(h *host.Facts, n host.Network) Finding {
	owner, defined := h.Libvirt.Owner(n)
	switch {
	case defined && !owner.Active:
		return f.Mend(Virsh(h, "net-start %s", owner.Name), Virsh(h, "net-autostart %s", owner.Name))
	case n.Libvirt:
		return f.Advise("libvirt creates the bridge of the network %q: see the findings on libvirt", n.Name)
	case defined || h.Libvirt.Err != nil: // it is not libvirt that makes it
		return f.Mend(linkCommands(n)...).
			Advise("also define the bridge in this host's network configuration, such as systemd-networkd: otherwise it is lost at the next boot")
	}
	define := Virsh(h, "net-define %s", host.SampleNetwork)
	if !isSample(n) || !h.Libvirt.SampleNetwork {
		define = Command("echo %s | ", definition(n)) + Virsh(h, "net-define /dev/stdin")
	}
	return f.Mend(define, Virsh(h, "net-autostart %s", n.Name), Virsh(h, "net-start %s", n.Name))
}

// isSample reports whether the sample's definition is that of the network.
func isSample(n host.Network) bool {
	return n.Name == "mds" && n.Bridge == "br-mds" && n.IPv4 == netip.MustParsePrefix("10.122.0.0/16") &&
		n.Gateway == netip.MustParseAddr("10.122.0.1") && !n.IPv6.IsValid()
}

// linkCommands make the bridge without libvirt.
func linkCommands(n host.Network) []string {
	commands := []string{Command("ip link add name %s type bridge", n.Bridge), Command("ip link set %s up", n.Bridge)}
	for _, addr := range routers(n) {
		commands = append(commands, Command("ip address add %s dev %s", addr, n.Bridge))
	}
	return commands
}

// routers are this host's addresses on the network.
func routers(n host.Network) []netip.Prefix {
	list := []netip.Prefix{netip.PrefixFrom(n.Gateway, n.IPv4.Bits())}
	if n.Gateway6.IsValid() {
		list = append(list, netip.PrefixFrom(n.Gateway6, n.IPv6.Bits()))
	}
	return list
}

// definition is the network as libvirt is to have it: without its DHCP and DNS.
func definition(n host.Network) string {
	text := fmt.Sprintf(`<network><name>%s</name><forward mode="nat"/><bridge name="%s" stp="off" delay="0"/><dns enable="no"/>`, escape(n.Name), escape(n.Bridge))
	for _, addr := range routers(n) {
		family := ""
		if addr.Addr().Is6() {
			family = `family="ipv6" `
		}
		text += fmt.Sprintf(`<ip %saddress="%s" prefix="%d"/>`, family, addr.Addr(), addr.Bits())
	}
	return text + "</network>"
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
