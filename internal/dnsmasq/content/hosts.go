package content

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"mdserver/internal/instance"
)

// Entry is the text for dnsmasq about one interface of a guest. Both texts end in
// a newline or are empty.
type Entry struct {
	DHCP, DNS string
	Lease     Binding  // the IPv4 lease it leads to; the MAC is always there
	Lease6    Binding  // the IPv6 lease
	Names     []string // in DNS, the first is what PTR answers
	MTU       int      // for this interface alone, or 0
}

// Binding ties an address to a MAC, as a lease does.
type Binding struct {
	MAC  instance.MAC
	Addr netip.Addr
}

func (b Binding) Valid() bool { return !b.MAC.IsZero() && b.Addr.IsValid() }

// Same reports whether dnsmasq could not tell the two apart.
func (e Entry) Same(o Entry) bool { return e.DHCP == o.DHCP && e.DNS == o.DNS }

// Empty reports whether there is no text for dnsmasq.
func (e Entry) Empty() bool { return e.DHCP == "" && e.DNS == "" }

// EntryOf makes the lines of one of a guest's places on this network. The first
// of them has the guest's names, for a name leads to one address; the others
// have none. A guest that another host serves, or whose address is in the range of
// another host, gets its lease there, and only has names here. A problem is a line that had to be left out.
func (s Settings) EntryOf(guest instance.Instance, place instance.Attachment, first bool) (Entry, []string) {
	w := &lineWriter{}
	e := Entry{Lease: Binding{MAC: place.MAC}, Lease6: Binding{MAC: place.MAC}}
	if guest.ServedBy(s.HostID) {
		e.Lease.Addr, e.Lease6.Addr = s.within(place.IPv4), s.within(place.IPv6)
	}
	if e.Lease6.Valid() {
		w.dhcp6(e.Lease6, s.leaseSeconds())
	}
	if e.Lease.Valid() {
		routed4, _ := guest.DefaultRoutes(place)
		e.MTU = s.guestMTU(guest.MTU(place))
		w.dhcp4(e.Lease, hostLine{
			nameless: !first, hostname: guest.Hostname, domain: s.Domain, seconds: s.leaseSeconds(), hasIPv6: e.Lease6.Valid(),
			further: !routed4, MTU: e.MTU,
		})
	}
	if first {
		e.Names = w.keepValid(instance.HostNames(guest.Hostname, s.Prefix, s.Domain, s.EntryOrder))
	}
	for _, addr := range place.Addrs() {
		if len(e.Names) > 0 {
			w.host(addr, s.namesAt(addr, e.Names)...)
		}
	}
	e.DHCP, e.DNS = w.dhcpText.String(), w.dnsText.String()
	return e, w.problems
}

// within is an address unless the network has another range of its family; then it is
// the zero Addr.
func (s Settings) within(addr netip.Addr) netip.Addr {
	prefix := s.Network6
	if addr.Is4() {
		prefix = s.Network
	}
	if prefix.IsValid() && !prefix.Contains(addr) {
		return netip.Addr{}
	}
	return addr
}

// namesAt are the names of an address as the hosts file has them. dnsmasq adds the
// domain to names without a dot, before each, for the addresses of the network alone;
// those of a network's other hosts may be elsewhere.
func (s Settings) namesAt(addr netip.Addr, names []string) []string {
	if s.Domain == "" || s.within(addr).IsValid() {
		return names
	}
	var all []string
	add := func(name string) {
		if validName(name) && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, name := range names {
		if !strings.Contains(name, ".") {
			add(name + "." + s.Domain)
		}
		add(name)
	}
	return all
}

// lineWriter is the only way into the host files. It checks what it writes, even
// if the callers have checked it.
type lineWriter struct {
	dhcpText, dnsText strings.Builder
	problems          []string
}

// nowhere is in the discard-only prefix (RFC 6666).
var nowhere = netip.MustParseAddr("100::")

// hostLine is what a guest's DHCPv4 line says beside its MAC and address.
type hostLine struct {
	hostname, domain, seconds string
	nameless                  bool // the host name is another line's
	hasIPv6                   bool
	further                   bool // the guest has its default route by another interface
	MTU                       int  // for the guest, or 0
}

// furtherTag marks interfaces of guests that have their default route by another.
const furtherTag = "further"

// dhcp4 writes "<mac>,id:*,<ip>,tag:!declined,<hostname>,<seconds>"; id:* has
// dnsmasq ignore the client-id, which changes as a guest goes from firmware to
// system. The tag keeps a DHCPDECLINE from disabling the address.
//
// For a line that names a host but no IPv6 address dnsmasq looks one up in the
// hosts file, and then warns that the guest's line for DHCPv6 has it, too. An
// address that is on no network keeps it from looking and is never leased.
func (w *lineWriter) dhcp4(b Binding, h hostLine) {
	fields := []string{b.MAC.String(), "id:*", b.Addr.String(), "tag:!" + declineTag}
	if h.further {
		fields = append(fields, "set:"+furtherTag)
	}
	if h.MTU > 0 {
		fields = append(fields, "set:"+MTUTag(h.MTU))
	}
	if h.hasIPv6 && !h.nameless {
		fields = append(fields, "["+nowhere.String()+"]")
	}
	switch {
	case h.nameless:
	case !instance.ValidHostname(h.hostname):
		w.problem("host name %q is omitted from DHCP", h.hostname)
	default:
		if name := instance.DHCPName(h.hostname, h.domain); name != "" {
			fields = append(fields, escapeWord(name))
		}
	}
	w.line(&w.dhcpText, strings.Join(append(fields, h.seconds), ","))
}

// dhcp6 writes a line without the host name: dnsmasq would keep serving the
// name out of its lease after the guest is gone, and DHCPv6 leases cannot be
// released for a guest.
func (w *lineWriter) dhcp6(b Binding, seconds string) {
	w.line(&w.dhcpText, strings.Join([]string{b.MAC.String(), "id:*", "[" + b.Addr.String() + "]", seconds}, ","))
}

// host writes a line as in /etc/hosts.
func (w *lineWriter) host(addr netip.Addr, names ...string) {
	w.line(&w.dnsText, addr.String()+" "+strings.Join(names, " "))
}

func (w *lineWriter) line(b *strings.Builder, text string) {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			w.problem("omitted a line with forbidden characters: %q", text)
			return
		}
	}
	b.WriteString(text)
	b.WriteByte('\n')
}

// keepValid drops names that DNS cannot carry, such as a long host name that
// a prefix made too long.
func (w *lineWriter) keepValid(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		if validName(name) {
			return false
		}
		w.problem("%q is not a valid name, omitted from DNS", name)
		return true
	})
}

func (w *lineWriter) problem(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// escapeWord adds a final dot, which dnsmasq strips, to a name that it would
// read as a keyword or as a lease time, such as "ignore" or "12h".
func escapeWord(label string) string {
	digits := strings.TrimRight(strings.ToLower(label), "smhdw")
	keyword := label == "ignore" || label == "infinite"
	if keyword || len(label)-len(digits) <= 1 && strings.Trim(digits, "0123456789") == "" {
		return label + "."
	}
	return label
}

// validName reports whether a name can stand in DNS: labels of letters,
// digits, hyphens and underscores (RFC 1035, 2.3.4 for the lengths).
func validName(name string) bool {
	const longest = 253
	if len(name) > longest {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > instance.MaxLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// HostFiles is the content of the two files for a set of guests, and their
// marker.
type HostFiles struct {
	DHCP, DNS string
	Marker
}

// Marker is a name that shows whether dnsmasq has read a file. Its address is in
// the discard-only prefix (RFC 6666), which no machine can have.
type Marker struct {
	Name    string
	Address netip.Addr
}

// Compact renders all guests, ordered by address. extra is further content that is
// read at SIGHUP and must change the marker.
func Compact(entries []Entry, name string, extra ...string) HostFiles {
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(a.Lease.Addr.Compare(b.Lease.Addr), a.Lease6.Addr.Compare(b.Lease6.Addr), cmp.Compare(a.DHCP, b.DHCP),
			cmp.Compare(a.DNS, b.DNS))
	})
	var dhcp, dns strings.Builder
	for _, e := range entries {
		dhcp.WriteString(e.DHCP)
		dns.WriteString(e.DNS)
	}
	f := HostFiles{DHCP: dhcp.String(), Marker: Marker{Name: name}}
	f.Address = markerAddress(digestOf(append(extra, name, dhcp.String(), dns.String())...))
	f.DNS = fmt.Sprintf("%s%v %s\n", dns.String(), f.Address, name)
	return f
}

// markerAddress is 100::/64 with a digest in its lower half.
func markerAddress(digest string) netip.Addr {
	addr := [16]byte{0: 0x01}
	half, err := hex.DecodeString(digest)
	if err == nil {
		copy(addr[8:], half)
	}
	return netip.AddrFrom16(addr)
}

// Revision is the marker's digest, for people.
func (m Marker) Revision() string {
	raw := m.Address.As16()
	return fmt.Sprintf("%016x", binary.BigEndian.Uint64(raw[8:]))
}

// Bindings reads the IPv4 leases that a compact DHCP file leads to, of this or of
// the Python mdserver. Lines of another form are ignored.
func Bindings(text string) []Binding {
	var found []Binding
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) < 3 {
			continue
		}
		mac, errMAC := instance.ParseMAC(fields[0])
		addr, errAddr := netip.ParseAddr(fields[2])
		if errMAC == nil && errAddr == nil && addr.Is4() {
			found = append(found, Binding{mac, addr})
		}
	}
	return found
}
