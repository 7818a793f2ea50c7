package content

import (
	"fmt"
	"net/netip"
	"strings"
)

// Options is the text of mds.opts. Option 249 is what Windows asks for in place of
// 121. A guest that takes either ignores option 3 (RFC 3442), hence the default
// route in all of them. A guest has one default route, on its first network; on
// the others it gets only the route to the metadata. dnsmasq offers itself as
// router and DNS server unless an empty option prevents that.
func (s Settings) Options() string {
	var b strings.Builder
	b.WriteString(fileHeader)
	metadata := fmt.Sprintf("%v/32,%v", s.metadataAddress(), s.Gateway)
	routes := fmt.Sprintf("%s,0.0.0.0/0,%v", metadata, s.Gateway)
	for _, code := range []string{"option:classless-static-route", "249"} {
		fmt.Fprintf(&b, "tag:!%s,%s,%s\ntag:%s,%s,%s\n", furtherTag, code, routes, furtherTag, code, metadata)
	}
	fmt.Fprintf(&b, "tag:!%s,option:router,%v\ntag:%s,option:router\n", furtherTag, s.Gateway, furtherTag)
	b.WriteString(s.dnsServer("option:dns-server", s.Gateway.String()))
	if s.Network6.IsValid() {
		own := netip.IPv6Unspecified() // dnsmasq puts its own address there
		if s.Gateway6.IsValid() {
			own = s.Gateway6
		}
		b.WriteString(s.dnsServer("option6:dns-server", "["+own.String()+"]"))
	}
	s.furtherOptions(&b)
	return b.String()
}

// furtherOptions are those that the administrator asks for.
func (s Settings) furtherOptions(b *strings.Builder) {
	var ntp4, ntp6 []string
	for _, addr := range s.NTPServers {
		if addr.Is4() {
			ntp4 = append(ntp4, addr.String())
		} else {
			ntp6 = append(ntp6, "["+addr.String()+"]")
		}
	}
	add := func(option string, values ...string) {
		if len(values) > 0 {
			fmt.Fprintf(b, "%s,%s\n", option, strings.Join(values, ","))
		}
	}
	add("option:ntp-server", ntp4...)
	add("option:domain-search", s.DomainSearch...)
	if s.MTU > 0 {
		add("option:mtu", fmt.Sprint(s.MTU))
	}
	if s.Network6.IsValid() {
		add("option6:ntp-server", ntp6...)
		add("option6:domain-search", s.DomainSearch...)
	}
}

// metadataAddress is where guests find the metadata by IPv4. A server that
// listens at every address, or by IPv6 alone, does not say.
func (s Settings) metadataAddress() netip.Addr {
	if s.MetadataAddress.Is4() && !s.MetadataAddress.IsUnspecified() {
		return s.MetadataAddress
	}
	return metadataAddresses[0].Addr()
}

func (s Settings) dnsServer(option, address string) string {
	if !s.UseDNS {
		return option + "\n"
	}
	return option + "," + address + "\n"
}
