// Package ipaddress is Python's ipaddress, on net/netip.
package ipaddress

import (
	"fmt"
	"math/big"
	"net/netip"
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

var (
	addressValueError = object.NewExceptionType("AddressValueError", object.ValueError)
	netmaskValueError = object.NewExceptionType("NetmaskValueError", object.ValueError)

	ipv4Address   = object.NewType("IPv4Address", "ipaddress", object.Properties(addressProperties))
	ipv6Address   = object.NewType("IPv6Address", "ipaddress", object.Properties(addressProperties))
	ipv4Interface = object.NewType("IPv4Interface", "ipaddress", object.Properties(interfaceProperties)).Extend(ipv4Address)
	ipv6Interface = object.NewType("IPv6Interface", "ipaddress", object.Properties(interfaceProperties)).Extend(ipv6Address)
	ipv4Network   = object.NewType("IPv4Network", "ipaddress", object.Properties(networkProperties))
	ipv6Network   = object.NewType("IPv6Network", "ipaddress", object.Properties(networkProperties))
)

// Module makes the module ipaddress.
func Module() native.Members {
	m := native.Functions(
		native.Func("ip_address", "address", func(_ *object.Thread, a []object.Value) (object.Value, error) { return newAddress(a[0], 0) }),
		native.Func("ip_network", "address strict?", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			return newNetwork(a[0], native.Truth(a[1], true), 0)
		}),
		native.Func("ip_interface", "address", func(_ *object.Thread, a []object.Value) (object.Value, error) { return newInterface(a[0], 0) }),
	)
	for _, c := range []*object.Type{ipv4Address, ipv6Address, ipv4Interface, ipv6Interface, ipv4Network, ipv6Network} {
		m[c.Name] = c
	}
	m["AddressValueError"], m["NetmaskValueError"] = addressValueError, netmaskValueError
	return m
}

func init() {
	for version, types := range map[int][3]*object.Type{4: {ipv4Address, ipv4Interface, ipv4Network}, 6: {ipv6Address, ipv6Interface, ipv6Network}} {
		types[0].Constructor(native.Func(types[0].Name, "address", func(_ *object.Thread, a []object.Value) (object.Value, error) { return newAddress(a[0], version) }))
		types[1].Constructor(native.Func(types[1].Name, "address", func(_ *object.Thread, a []object.Value) (object.Value, error) { return newInterface(a[0], version) }))
		types[2].Constructor(native.Func(types[2].Name, "address strict?", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			return newNetwork(a[0], native.Truth(a[1], true), version)
		}))
		for _, m := range networkMethods() {
			types[2].Define(m.Python("_BaseNetwork." + m.Name))
		}
	}
}

// address is an IPv4Address or an IPv6Address.
type address struct{ ip netip.Addr }

// Class implements object.Value.
func (a address) Class() *object.Type { return classOf(a.ip, ipv4Address, ipv6Address) }

// classOf returns the class for the version of an address.
func classOf(ip netip.Addr, v4, v6 *object.Type) *object.Type {
	if ip.Is4() {
		return v4
	}
	return v6
}

// Text implements object.Texter.
func (a address) Text() string { return addressText(a.ip) }

// addressText writes an address; one that is mapped has no dotted part.
func addressText(ip netip.Addr) string {
	if !ip.Is4In6() {
		return ip.String()
	}
	b := ip.As16()
	s := fmt.Sprintf("::ffff:%x:%x", int(b[12])<<8|int(b[13]), int(b[14])<<8|int(b[15]))
	if z := ip.Zone(); z != "" {
		s += "%" + z
	}
	return s
}

// Repr implements object.Texter.
func (a address) Repr() string { return a.Class().Name + "('" + a.Text() + "')" }

// Truth makes an address true; with Integer it is what int() accepts.
func (a address) Truth() bool { return true }

// Integer implements object.Integer.
func (a address) Integer() *big.Int { return addressInt(a.ip) }

// Format implements object.Formatter.
func (a address) Format(t *object.Thread, spec string) (string, error) {
	return formatAddress(t, a, a.ip, a.Text(), spec)
}

// formatAddress formats an address or an interface: as text, or with the
// presentations b, n, x and X as a number of full width. Python takes nothing
// else.
// Source: _BaseAddress.__format__ in CPython 3.11's Lib/ipaddress.py.
func formatAddress(t *object.Thread, v object.Value, ip netip.Addr, text, spec string) (string, error) {
	if spec == "" || strings.HasSuffix(spec, "s") {
		return object.Format(t, object.Str(text), spec)
	}
	rest, alternate := strings.CutPrefix(spec, "#")
	base, grouped := strings.CutPrefix(rest, "_")
	if base == "n" {
		base = "b"
		if ip.Is6() {
			base = "x"
		}
	}
	width := ip.BitLen()
	switch base {
	case "b":
	case "x", "X":
		width /= 4
	default:
		return "", object.Raise(object.TypeError, "unsupported format string passed to %s.__format__", object.TypeName(v))
	}
	flags, grouping := "", ""
	if grouped {
		grouping = "_"
		width += width/4 - 1
	}
	if alternate {
		flags = "#"
		width += len("0x")
	}
	return object.Format(t, object.MakeInt(addressInt(ip)), fmt.Sprintf("%s0%d%s%s", flags, width, grouping, base))
}

// Compare implements object.Comparable.
func (a address) Compare(other object.Value) (cmp int, ok bool, err error) {
	switch o := other.(type) {
	case address:
		return a.ip.Compare(o.ip), true, sameVersion(a, o)
	case iface: // all interfaces come after all addresses
		return -1, true, sameVersion(a, o)
	}
	return 0, false, nil
}

// Binary implements object.Operand: an address plus or minus an integer.
func (a address) Binary(_ *object.Thread, op object.Op, other object.Value, reflected bool) (object.Value, error) {
	n, ok := object.BigInt(other)
	if !ok || reflected || op != object.Add && op != object.Sub {
		return nil, nil
	}
	sum := a.Integer()
	if op == object.Add {
		sum.Add(sum, n)
	} else {
		sum.Sub(sum, n)
	}
	ip, ok := intAddress(sum, a.ip.BitLen())
	if !ok {
		return nil, intRange(sum, a.ip.BitLen())
	}
	return address{ip}, nil
}

func intRange(n *big.Int, bits int) error {
	if n.Sign() < 0 {
		return object.Raise(addressValueError, "%v (< 0) is not permitted as an IPv%d address", n, version(bits))
	}
	return object.Raise(addressValueError, "%v (>= 2**%d) is not permitted as an IPv%d address", n, bits, version(bits))
}

func addressInt(ip netip.Addr) *big.Int { return new(big.Int).SetBytes(ip.AsSlice()) }

// intAddress makes an address of an integer; ok is false if it is too large.
func intAddress(n *big.Int, bits int) (netip.Addr, bool) {
	if n.Sign() < 0 || n.BitLen() > bits {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(n.FillBytes(make([]byte, bits/8)))
}

// parseAddress reads an address of a version, 0 for either, of a string, an
// integer or bytes.
func parseAddress(v object.Value, version int) (netip.Addr, error) {
	switch x := v.(type) {
	case located:
		return parseText(x.Text(), version)
	case object.Str:
		return parseText(string(x), version)
	case object.Bytes:
		ip, ok := netip.AddrFromSlice([]byte(x))
		if ok && (version == 0 || (version == 4) == ip.Is4()) {
			return ip, nil
		}
		return ip, object.Raise(addressValueError, "%s (len %d != 4 or 16) is not an address", object.PlainRepr(v), len(x))
	}
	n, ok := object.BigInt(v)
	if !ok {
		return parseText(object.PlainStr(v), version)
	}
	if version != 6 {
		if ip, ok := intAddress(n, 32); ok {
			return ip, nil
		}
	}
	if version != 4 {
		if ip, ok := intAddress(n, 128); ok {
			return ip, nil
		}
	}
	if version == 0 {
		return netip.Addr{}, object.Raise(object.ValueError, "%v does not appear to be an IPv4 or IPv6 address", n)
	}
	return netip.Addr{}, intRange(n, map[int]int{4: 32, 6: 128}[version])
}

func parseText(s string, version int) (netip.Addr, error) {
	ip, err := netip.ParseAddr(s)
	if err == nil && (version == 0 || (version == 4) == ip.Is4()) {
		return ip, nil
	}
	quoted := object.PlainRepr(object.Str(s))
	if version != 0 {
		return ip, object.Raise(addressValueError, "%s is not an IPv%d address", quoted, version)
	}
	return ip, object.Raise(object.ValueError, "%s does not appear to be an IPv4 or IPv6 address", quoted)
}

func newAddress(v object.Value, version int) (object.Value, error) {
	ip, err := parseAddress(v, version)
	if err != nil {
		return nil, err
	}
	return address{ip}, nil
}

// located is an address or an interface.
type located interface {
	object.Texter
	object.Value
	addr() netip.Addr
}

// addressProperties are the attributes of addresses and interfaces.
var addressProperties = map[string]func(located) object.Value{
	"version":         func(v located) object.Value { return object.Int(version(v.addr().BitLen())) },
	"max_prefixlen":   func(v located) object.Value { return object.Int(v.addr().BitLen()) },
	"packed":          func(v located) object.Value { return object.Bytes(v.addr().AsSlice()) },
	"compressed":      func(v located) object.Value { return object.Str(v.Text()) },
	"exploded":        func(v located) object.Value { return object.Str(exploded(v.addr())) },
	"reverse_pointer": func(v located) object.Value { return object.Str(reversePointer(v.addr())) },
	"scope_id": func(v located) object.Value {
		if zone := v.addr().Zone(); zone != "" {
			return object.Str(zone)
		}
		return object.None
	},
	"ipv4_mapped": func(v located) object.Value {
		switch ip := v.addr(); {
		case ip.Is4():
			return nil
		case ip.Is4In6():
			return address{ip.Unmap()}
		}
		return object.None
	},
}

func init() {
	for name, kind := range addressKinds {
		addressProperties[name] = func(v located) object.Value {
			return object.Bool(kind(netip.PrefixFrom(v.addr().WithZone(""), v.addr().BitLen())))
		}
		networkProperties[name] = func(n network) object.Value { return object.Bool(kind(n.p)) }
	}
}

// version is that of an address of so many bits.
func version(bits int) int {
	if bits == 32 {
		return 4
	}
	return 6
}

func (a address) addr() netip.Addr { return a.ip }

func exploded(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	b := ip.As16()
	var parts []string
	for i := 0; i < 16; i += 2 {
		parts = append(parts, fmt.Sprintf("%02x%02x", b[i], b[i+1]))
	}
	return strings.Join(parts, ":")
}

func reversePointer(ip netip.Addr) string {
	var out []string
	if ip.Is4() {
		for _, b := range ip.AsSlice() {
			out = append([]string{fmt.Sprint(b)}, out...)
		}
		return strings.Join(out, ".") + ".in-addr.arpa"
	}
	for _, r := range strings.ReplaceAll(exploded(ip), ":", "") {
		out = append([]string{string(r)}, out...)
	}
	return strings.Join(out, ".") + ".ip6.arpa"
}
