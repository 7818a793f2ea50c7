package modules

import (
	"math/big"
	"net/netip"
	"slices"

	"mdserver/stpl/internal/object"
)

// onNetwork makes a method of a network.
func onNetwork(name, signature string, f func(t *object.Thread, n network, a []object.Value) (object.Value, error)) *object.Builtin {
	return fn(name, signature, func(t *object.Thread, a []object.Value) (object.Value, error) { return f(t, a[0].(network), a[1:]) })
}

func networkMethods() []*object.Builtin {
	return []*object.Builtin{
		onNetwork("hosts", "", func(_ *object.Thread, n network, _ []object.Value) (object.Value, error) { return n.hosts() }),
		onNetwork("subnets", "prefixlen_diff? new_prefix?", subnets),
		onNetwork("supernet", "prefixlen_diff? new_prefix?", supernet),
		onNetwork("overlaps", "other", func(_ *object.Thread, n network, a []object.Value) (object.Value, error) {
			o, ok := a[0].(network)
			return object.Bool(ok && n.p.Overlaps(o.p)), nil
		}),
		onNetwork("subnet_of", "other", func(_ *object.Thread, n network, a []object.Value) (object.Value, error) {
			return inside(n, a[0], n)
		}),
		onNetwork("supernet_of", "other", func(_ *object.Thread, n network, a []object.Value) (object.Value, error) {
			o, ok := a[0].(network)
			if !ok {
				return inside(n, a[0], n)
			}
			return inside(o, n, n)
		}),
		onNetwork("address_exclude", "other", func(t *object.Thread, n network, a []object.Value) (object.Value, error) {
			return exclude(t, n, a[0])
		}),
	}
}

func inside(n network, other object.Value, self network) (object.Value, error) {
	o, ok := other.(network)
	if !ok || o.addr().BitLen() != n.addr().BitLen() {
		return nil, object.Raise(object.TypeError, "%s and %s are not of the same version", self.Text(), plainText(other))
	}
	return object.Bool(o.p.Bits() <= n.p.Bits() && contains(o.p, n.addr())), nil
}

// hosts leaves out the network's own address and, of IPv4, the broadcast.
func (n network) hosts() (object.Value, error) {
	last := new(big.Int).Sub(n.size(), big.NewInt(1))
	switch n.host() {
	case 0:
		return object.NewList([]object.Value{n.at(new(big.Int))}), nil
	case 1:
		return object.NewList([]object.Value{n.at(new(big.Int)), n.at(last)}), nil
	}
	if n.addr().Is4() {
		last.Sub(last, big.NewInt(1))
	}
	return object.NewGenerator(n.walk(big.NewInt(1), last)), nil
}

// newLength reads the arguments of subnets and supernet; sign is the
// direction.
func newLength(n network, a []object.Value, sign int) (int, error) {
	diff, err := intOr(a[0], 1)
	if err != nil {
		return 0, err
	}
	if isNone(a[1]) {
		if diff < 0 {
			return 0, object.Raise(object.ValueError, "prefix length diff must be > 0")
		}
		diff = min(diff, 200)
		return n.p.Bits() + sign*diff, nil
	}
	length, err := object.IndexArg(a[1])
	if err != nil {
		return 0, err
	}
	switch {
	case sign > 0 && length < n.p.Bits():
		return 0, object.Raise(object.ValueError, "new prefix must be longer")
	case sign < 0 && length > n.p.Bits():
		return 0, object.Raise(object.ValueError, "new prefix must be shorter")
	case diff != 1:
		return 0, object.Raise(object.ValueError, "cannot set prefixlen_diff and new_prefix")
	}
	return length, nil
}

func subnets(_ *object.Thread, n network, a []object.Value) (object.Value, error) {
	if n.host() == 0 {
		return object.NewGenerator(n.each(n.p.Bits())), nil
	}
	length, err := newLength(n, a, 1)
	if err != nil {
		return nil, err
	}
	if length > n.addr().BitLen() {
		return nil, object.Raise(object.ValueError, "prefix length diff %d is invalid for netblock %s", length, n.Text())
	}
	return object.NewGenerator(n.each(length)), nil
}

// each yields the subnets of a length.
func (n network) each(length int) object.Iterator {
	next := new(big.Int)
	step := new(big.Int).Lsh(big.NewInt(1), uint(n.addr().BitLen()-length))
	return object.IterFunc(func(t *object.Thread) (object.Value, error) {
		if next.Cmp(n.size()) >= 0 {
			return nil, nil
		}
		if err := t.Step(1); err != nil {
			return nil, err
		}
		if err := t.Alloc(96); err != nil {
			return nil, err
		}
		sub := network{netip.PrefixFrom(n.at(next).ip, length)}
		next.Add(next, step)
		return sub, nil
	})
}

func supernet(_ *object.Thread, n network, a []object.Value) (object.Value, error) {
	if n.p.Bits() == 0 {
		return n, nil
	}
	length, err := newLength(n, a, -1)
	if err != nil {
		return nil, err
	}
	if length < 0 {
		return nil, object.Raise(object.ValueError, "current prefixlen is %d, cannot have a prefixlen_diff of %d", n.p.Bits(), n.p.Bits()-length)
	}
	return network{netip.PrefixFrom(n.addr(), length).Masked()}, nil
}

// exclude splits a network around another that lies in it.
func exclude(t *object.Thread, n network, other object.Value) (object.Value, error) {
	o, ok := other.(network)
	if !ok || o.addr().BitLen() != n.addr().BitLen() {
		return nil, object.Raise(object.TypeError, "%s and %s are not of the same version", n.Text(), plainText(other))
	}
	if o.p.Bits() < n.p.Bits() || !contains(n.p, o.addr()) {
		return nil, object.Raise(object.ValueError, "%s not contained in %s", o.Text(), n.Text())
	}
	var out object.Tuple
	for n.p.Bits() < o.p.Bits() {
		half := n.p.Bits() + 1
		low := network{netip.PrefixFrom(n.addr(), half)}
		high := network{netip.PrefixFrom(n.at(new(big.Int).Rsh(n.size(), 1)).ip, half)}
		if contains(low.p, o.addr()) {
			out, n = append(out, high), low
		} else {
			out, n = append(out, low), high
		}
	}
	it, err := object.Iterate(t, out)
	return object.NewGenerator(it), err
}

func collapseAddresses(t *object.Thread, a []object.Value) (object.Value, error) {
	items, err := object.ToSlice(t, a[0])
	if err != nil {
		return nil, err
	}
	var list []netip.Prefix
	for _, v := range items {
		switch x := v.(type) {
		case network:
			list = append(list, x.p)
		case interface{ addr() netip.Addr }:
			list = append(list, netip.PrefixFrom(x.addr(), x.addr().BitLen()))
		default:
			return nil, object.Raise(object.TypeError, "%s is not an address or a network", plain(v))
		}
		if list[0].Addr().BitLen() != list[len(list)-1].Addr().BitLen() {
			return nil, object.Raise(object.TypeError, "%s and %s are not of the same version", plainText(v), plainText(items[0]))
		}
	}
	if err := t.Work(64 * len(list)); err != nil {
		return nil, err
	}
	var out object.Tuple
	for _, p := range collapse(list) {
		out = append(out, network{p})
	}
	it, err := object.Iterate(t, out)
	return object.NewGenerator(it), err
}

// collapse joins networks that are in each other or halves of one.
func collapse(list []netip.Prefix) []netip.Prefix {
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	var out []netip.Prefix
	for _, p := range list {
		if n := len(out); n > 0 && out[n-1].Contains(p.Addr()) {
			continue
		}
		out = append(out, p)
		for n := len(out); n > 1; n = len(out) {
			x, y := out[n-2], out[n-1]
			if x.Bits() != y.Bits() || x.Bits() == 0 {
				break
			}
			joined := netip.PrefixFrom(x.Addr(), x.Bits()-1)
			if joined.Masked() != joined || !joined.Contains(y.Addr()) {
				break
			}
			out = append(out[:n-2], joined)
		}
	}
	return out
}

func summarizeRange(t *object.Thread, a []object.Value) (object.Value, error) {
	first, ok := a[0].(address)
	last, ok2 := a[1].(address)
	switch {
	case !ok || !ok2:
		return nil, object.Raise(object.TypeError, "first and last must be IP addresses, not networks")
	case first.ip.BitLen() != last.ip.BitLen():
		return nil, object.Raise(object.TypeError, "%s and %s are not of the same version", first.Text(), last.Text())
	case first.ip.Compare(last.ip) > 0:
		return nil, object.Raise(object.ValueError, "last IP address must be greater than first")
	}
	var out object.Tuple
	at, end, one := first.Integer(), last.Integer(), big.NewInt(1)
	bits := first.ip.BitLen()
	for at.Cmp(end) <= 0 {
		left := new(big.Int).Sub(end, at)
		n := left.Add(left, one).BitLen() - 1
		if at.Sign() != 0 {
			n = min(n, int(at.TrailingZeroBits()))
		}
		ip, _ := intAddress(at, bits)
		out = append(out, network{netip.PrefixFrom(ip, bits-n)})
		at.Add(at, new(big.Int).Lsh(one, uint(n)))
	}
	it, err := object.Iterate(t, out)
	return object.NewGenerator(it), err
}
