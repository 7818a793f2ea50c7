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
			return inside(n, a[0], n)
		}),
		object.Method("supernet_of", "other", func(_ *object.Thread, n network, a []object.Value) (object.Value, error) {
			o, ok := a[0].(network)
			if !ok {
				return inside(n, a[0], n)
			}
			return inside(o, n, n)
		}),
	}
}

// otherVersion returns the error of an operator between IPv4 and IPv6.
func otherVersion(self, other object.Value) error {
	return object.Raise(object.TypeError, "%s and %s are not of the same version", plainText(self), plainText(other))
}

// sameVersion fails if two values that have an order differ in version.
func sameVersion(self, other located) error {
	if self.addr().BitLen() != other.addr().BitLen() {
		return otherVersion(self, other)
	}
	return nil
}

func inside(n network, other object.Value, self network) (object.Value, error) {
	o, ok := other.(network)
	if !ok || o.addr().BitLen() != n.addr().BitLen() {
		return nil, otherVersion(self, other)
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
