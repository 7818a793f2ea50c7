package ipaddress

import (
	"math/big"
	"net/netip"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

func networkMethods() []*object.Builtin {
	return []*object.Builtin{
		object.Method("hosts", "", func(_ *object.Thread, n network, _ []object.Value) (object.Value, error) { return n.hosts() }),
		object.Method("subnets", "prefixlen_diff:int? new_prefix:none+int?", subnets),
		object.Method("supernet", "prefixlen_diff:int? new_prefix:none+int?", supernet),
		object.Method("overlaps", "other", func(_ *object.Thread, n network, a []object.Value) (object.Value, error) {
			o, ok := a[0].(network)
			return object.Bool(ok && n.p.Overlaps(o.p)), nil
		}),
		object.Method("subnet_of", "other", func(_ *object.Thread, n network, a []object.Value) (object.Value, error) {
			return subnetOf(n, a[0])
		}),
		object.Method("supernet_of", "other", func(_ *object.Thread, n network, a []object.Value) (object.Value, error) {
			return subnetOf(a[0], n)
		}),
	}
}

// sameVersion fails if two values that have an order differ in version.
func sameVersion(self, other located) error {
	if self.addr().BitLen() != other.addr().BitLen() {
		return object.Raise(object.TypeError, "%s and %s are not of the same version", self.Text(), other.Text())
	}
	return nil
}

func subnetOf(inner, outer object.Value) (object.Value, error) {
	i, ok := inner.(network)
	o, both := outer.(network)
	if !ok || !both {
		return nil, object.Raise(object.TypeError, "Unable to test subnet containment between %s and %s", object.PlainStr(inner), object.PlainStr(outer))
	}
	if err := sameVersion(i, o); err != nil {
		return nil, err
	}
	return object.Bool(o.p.Bits() <= i.p.Bits() && contains(o.p, i.addr())), nil
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
	diff := object.IntOr(a[0], 1)
	if native.IsNone(a[1]) {
		if diff < 0 {
			return 0, object.Raise(object.ValueError, "prefix length diff must be > 0")
		}
		diff = min(diff, 200)
		return n.p.Bits() + sign*diff, nil
	}
	length := object.IntOr(a[1], 0)
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
		if err := t.Charge(96, 1); err != nil {
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
