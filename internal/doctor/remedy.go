package doctor

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"mdserver/internal/config"
)

// advise adds plain instructions: what a person has to decide or to edit.
func (f Finding) advise(format string, args ...any) Finding {
	f.Advice = append(f.Advice, fmt.Sprintf(format, args...))
	return f
}

// set advises to change one key of the configuration, and where it is.
func (f Finding) set(h *Host, section, key, value string) Finding {
	for _, s := range h.Config.Effective() {
		if s.Key == section+"."+key && s.File != "" {
			return f.advise("in %s, line %d, section [%s], change %q to %q", s.File, s.Line, section, key+" = "+s.Value, key+" = "+value)
		}
	}
	return f.advise("in %s, section [%s], add %q", h.ConfigFile, section, key+" = "+value)
}

// section is the one of the configuration that describes a network.
func (h *Host) section(name string) string {
	own := "network " + name
	if slices.ContainsFunc(h.Config.Effective(), func(s config.Setting) bool { return strings.HasPrefix(s.Key, own+".") }) {
		return own
	}
	return "dnsmasq"
}

// change adds how to change one key of the configuration, and to make the server
// use it. A server that does not run reads it when it starts.
func (f Finding) change(ctx context.Context, h *Host, section, key, value string) Finding {
	f = f.set(h, section, key, value)
	switch {
	case !h.running():
		return f
	case config.NeedsRestart(section, key):
		return h.restart(ctx, f)
	}
	return f.mend(h.mdserver("reload"))
}

// sampleNetwork is the definition that is installed, of the network that the
// defaults of the configuration describe.
const sampleNetwork = "/usr/local/share/mdserver/mds-network.xml"

// asSample reports whether the installed definition is that of the network.
func (n Network) asSample() bool {
	return n.Name == "mds" && n.Bridge == "br-mds" && n.IPv4 == netip.MustParsePrefix("10.122.0.0/16") &&
		n.Gateway == netip.MustParseAddr("10.122.0.1") && !n.IPv6.IsValid() && exists(sampleNetwork)
}

// makeBridge adds what makes the bridge of a network.
func (f Finding) makeBridge(h *Host, n Network) Finding {
	owner, defined := h.libvirt.owner(n)
	switch {
	case defined && !owner.active:
		return f.mend(h.virsh("net-start %s", owner.name), h.virsh("net-autostart %s", owner.name))
	case n.Libvirt:
		return f.advise("libvirt creates the bridge of the network %q: see the findings on libvirt", n.Name)
	case defined || h.libvirt.err != nil: // it is not libvirt that makes it
		return f.mend(n.linkCommands()...).
			advise("also define the bridge in this host's network configuration, such as systemd-networkd: otherwise it is lost at the next boot")
	}
	define := h.virsh("net-define %s", sampleNetwork)
	if !n.asSample() {
		define = command("echo %s | ", n.definition()) + h.virsh("net-define /dev/stdin")
	}
	return f.mend(define, h.virsh("net-autostart %s", n.Name), h.virsh("net-start %s", n.Name))
}

// linkCommands make the bridge without libvirt.
func (n Network) linkCommands() []string {
	commands := []string{command("ip link add name %s type bridge", n.Bridge), command("ip link set %s up", n.Bridge)}
	for _, addr := range n.routers() {
		commands = append(commands, command("ip address add %s dev %s", addr, n.Bridge))
	}
	return commands
}

// routers are this host's addresses on the network.
func (n Network) routers() []netip.Prefix {
	list := []netip.Prefix{netip.PrefixFrom(n.Gateway, n.IPv4.Bits())}
	if n.Gateway6.IsValid() {
		list = append(list, netip.PrefixFrom(n.Gateway6, n.IPv6.Bits()))
	}
	return list
}

// definition is the network as libvirt is to have it: without its DHCP and DNS.
func (n Network) definition() string {
	text := fmt.Sprintf(`<network><name>%s</name><forward mode="nat"/><bridge name="%s" stp="off" delay="0"/><dns enable="no"/>`, escape(n.Name), escape(n.Bridge))
	for _, addr := range n.routers() {
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
