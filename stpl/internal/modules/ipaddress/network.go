package ipaddress

import (
	"cmp"
	"math/big"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"mdserver/stpl/internal/object"
)

// network is an IPv4Network or an IPv6Network.
type network struct{ p netip.Prefix }

func (n network) addr() netip.Addr { return n.p.Addr() }

// Class implements object.Value.
func (n network) Class() *object.Type { return classOf(n.addr(), ipv4Network, ipv6Network) }

// Text and Repr implement object.Texter.
func (n network) Text() string { return addressText(n.p.Addr()) + "/" + strconv.Itoa(n.p.Bits()) }
func (n network) Repr() string { return n.Class().Name + "('" + n.Text() + "')" }

// Truth makes a network true although it has a length in Python.
func (n network) Truth() bool { return true }

// Compare implements object.Comparable.
func (n network) Compare(other object.Value) (order int, ok bool, err error) {
	o, ok := other.(network)
	if !ok {
		return 0, false, nil
	}
	return cmp.Or(n.addr().Compare(o.addr()), n.p.Bits()-o.p.Bits()), true, sameVersion(n, o)
}

// Contains implements object.Container.
func (n network) Contains(_ *object.Thread, item object.Value) (bool, error) {
	switch x := item.(type) {
	case network:
		return false, nil
	case interface{ addr() netip.Addr }:
		return x.addr().BitLen() == n.addr().BitLen() && contains(n.p, x.addr()), nil
	}
	return false, object.Raise(object.AttributeError, "'%s' object has no attribute '_version'", object.TypeName(item))
}

func (n network) host() int { return n.addr().BitLen() - n.p.Bits() }

// size is the number of addresses.
func (n network) size() *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(n.host())) }

// at is the i-th address of the network.
func (n network) at(i *big.Int) address {
	sum := addressInt(n.addr())
	ip, _ := intAddress(sum.Add(sum, i), n.addr().BitLen())
	return address{ip}
}

// Index implements object.Indexed.
func (n network) Index(_ *object.Thread, key object.Value) (object.Value, error) {
	i, ok := object.BigInt(key)
	if !ok {
		return nil, object.Raise(object.TypeError, "'%s' object cannot be interpreted as an integer", object.TypeName(key))
	}
	at := new(big.Int).Set(i)
	if i.Sign() < 0 {
		at.Add(at, n.size())
	}
	if at.Sign() < 0 || at.Cmp(n.size()) >= 0 {
		return nil, object.Raise(object.IndexError, "address out of range")
	}
	return n.at(at), nil
}

// Iterate implements object.Iterable: all addresses.
func (n network) Iterate(*object.Thread) (object.Iterator, error) {
	return n.walk(new(big.Int), new(big.Int).Sub(n.size(), big.NewInt(1))), nil
}

// walk yields the addresses from the first to the last offset.
func (n network) walk(first, last *big.Int) object.Iterator {
	next := new(big.Int).Set(first)
	one := big.NewInt(1)
	return object.IterFunc(func(t *object.Thread) (object.Value, error) {
		if next.Cmp(last) > 0 {
			return nil, nil
		}
		if err := t.Charge(64, 1); err != nil {
			return nil, err
		}
		a := n.at(next)
		next.Add(next, one)
		return a, nil
	})
}

// maskBits reads what follows the slash: a length, a netmask or a hostmask.
func maskBits(s string, ip netip.Addr) (int, error) {
	bad := object.Raise(netmaskValueError, "%s is not a valid netmask", object.PlainRepr(object.Str(s)))
	if s != "" && strings.Trim(s, "0123456789") == "" {
		n, err := strconv.Atoi(s)
		if err != nil || n > ip.BitLen() {
			return 0, bad
		}
		return n, nil
	}
	mask, err := netip.ParseAddr(s)
	if err != nil || !mask.Is4() || !ip.Is4() {
		return 0, bad
	}
	b := mask.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	switch {
	case v<<bits.LeadingZeros32(^v) == 0:
		return bits.LeadingZeros32(^v), nil
	case v&(v+1) == 0:
		return bits.LeadingZeros32(v), nil
	}
	return 0, bad
}

// parsePrefix reads an address with a prefix: a string, a pair, or an address
// alone. The error of the module's own functions is a plain ValueError.
func parsePrefix(v object.Value, version int, kind string) (netip.Prefix, error) {
	p, err := readPrefix(v, version)
	if err == nil || version != 0 {
		return p, err
	}
	return p, object.Raise(object.ValueError, "%s does not appear to be an IPv4 or IPv6 %s", object.PlainRepr(v), kind)
}

func readPrefix(v object.Value, version int) (netip.Prefix, error) {
	var host object.Value = v
	mask := ""
	switch x := v.(type) {
	case object.Str:
		before, after, ok := strings.Cut(string(x), "/")
		host = object.Str(before)
		if ok {
			mask = after
		}
		if strings.Contains(after, "/") {
			return netip.Prefix{}, object.Raise(addressValueError, "Only one '/' permitted in %s", object.PlainRepr(v))
		}
		if ok && after == "" {
			return netip.Prefix{}, object.Raise(netmaskValueError, "'' is not a valid netmask")
		}
	case object.Tuple:
		if len(x) != 2 {
			return netip.Prefix{}, object.Raise(addressValueError, "a pair of address and prefix is wanted, not %s", object.PlainRepr(v))
		}
		host, mask = x[0], object.PlainStr(x[1])
	case network:
		return x.p, nil
	case iface:
		return x.p, nil
	}
	ip, err := parseAddress(host, version)
	if err != nil {
		return netip.Prefix{}, err
	}
	n := ip.BitLen()
	if mask != "" {
		if n, err = maskBits(mask, ip); err != nil {
			return netip.Prefix{}, err
		}
	}
	return netip.PrefixFrom(ip.WithZone(""), n), nil
}

func newNetwork(v object.Value, strict bool, version int) (object.Value, error) {
	p, err := parsePrefix(v, version, "network")
	if err != nil {
		return nil, err
	}
	if strict && p.Masked() != p {
		shown := network{p}.Text()
		if s, ok := v.(object.Str); ok {
			shown = string(s)
		}
		return nil, object.Raise(object.ValueError, "%s has host bits set", shown)
	}
	return network{p.Masked()}, nil
}

// iface is an address with its network.
type iface struct{ p netip.Prefix }

func (i iface) addr() netip.Addr { return i.p.Addr() }

func newInterface(v object.Value, version int) (object.Value, error) {
	p, err := parsePrefix(v, version, "interface")
	if err != nil {
		return nil, err
	}
	return iface{p}, nil
}

// Class implements object.Value.
func (i iface) Class() *object.Type { return classOf(i.addr(), ipv4Interface, ipv6Interface) }

// Text and Repr implement object.Texter.
func (i iface) Text() string { return addressText(i.p.Addr()) + "/" + strconv.Itoa(i.p.Bits()) }
func (i iface) Repr() string { return i.Class().Name + "('" + i.Text() + "')" }

// Format implements object.Formatter.
func (i iface) Format(t *object.Thread, spec string) (string, error) {
	return formatAddress(t, i, i.addr(), i.Text(), spec)
}

// Integer implements object.Integer.
func (i iface) Integer() *big.Int { return addressInt(i.p.Addr()) }

// Compare implements object.Comparable.
func (i iface) Compare(other object.Value) (order int, ok bool, err error) {
	switch o := other.(type) {
	case address:
		return 1, true, sameVersion(i, o)
	case iface:
		networks := i.p.Masked().Addr().Compare(o.p.Masked().Addr())
		return cmp.Or(networks, i.p.Bits()-o.p.Bits(), i.addr().Compare(o.addr())), true, sameVersion(i, o)
	}
	return 0, false, nil
}

// Binary implements object.Operand: the sum has no network.
func (i iface) Binary(t *object.Thread, op object.Op, other object.Value, reflected bool) (object.Value, error) {
	v, err := address{i.p.Addr()}.Binary(t, op, other, reflected)
	if v == nil || err != nil {
		return nil, err
	}
	ip := v.(address).ip
	return iface{netip.PrefixFrom(ip, ip.BitLen())}, nil
}

var interfaceProperties = map[string]func(iface) object.Value{
	"ip":             func(i iface) object.Value { return address{i.addr()} },
	"exploded":       func(i iface) object.Value { return object.Str(exploded(i.addr()) + "/" + strconv.Itoa(i.p.Bits())) },
	"network":        func(i iface) object.Value { return network{i.p.Masked()} },
	"netmask":        func(i iface) object.Value { return netmask(i.p) },
	"hostmask":       func(i iface) object.Value { return hostmask(i.p) },
	"with_prefixlen": func(i iface) object.Value { return object.Str(i.Text()) },
	"with_netmask":   func(i iface) object.Value { return object.Str(addressText(i.addr()) + "/" + netmask(i.p).Text()) },
	"with_hostmask":  func(i iface) object.Value { return object.Str(addressText(i.addr()) + "/" + hostmask(i.p).Text()) },
}

var networkProperties = map[string]func(network) object.Value{
	"network_address":   func(n network) object.Value { return address{n.addr()} },
	"broadcast_address": func(n network) object.Value { return address{lastOf(n.p)} },
	"prefixlen":         func(n network) object.Value { return object.Int(n.p.Bits()) },
	"num_addresses":     func(n network) object.Value { return object.MakeInt(n.size()) },
	"exploded":          func(n network) object.Value { return object.Str(exploded(n.addr()) + "/" + strconv.Itoa(n.p.Bits())) },
	"compressed":        func(n network) object.Value { return object.Str(n.Text()) },
	"version":           func(n network) object.Value { return object.Int(version(n.addr().BitLen())) },
	"max_prefixlen":     func(n network) object.Value { return object.Int(n.addr().BitLen()) },
	"netmask":           func(n network) object.Value { return netmask(n.p) },
	"hostmask":          func(n network) object.Value { return hostmask(n.p) },
	"with_prefixlen":    func(n network) object.Value { return object.Str(n.Text()) },
	"with_netmask":      func(n network) object.Value { return object.Str(addressText(n.addr()) + "/" + netmask(n.p).Text()) },
	"with_hostmask":     func(n network) object.Value { return object.Str(addressText(n.addr()) + "/" + hostmask(n.p).Text()) },
}

func netmask(p netip.Prefix) address {
	return address{netip.PrefixFrom(lastOf(netip.PrefixFrom(p.Addr(), 0)), p.Bits()).Masked().Addr()}
}

func hostmask(p netip.Prefix) address {
	zero := netip.IPv6Unspecified()
	if p.Addr().Is4() {
		zero = netip.IPv4Unspecified()
	}
	return address{lastOf(netip.PrefixFrom(zero, p.Bits()))}
}
