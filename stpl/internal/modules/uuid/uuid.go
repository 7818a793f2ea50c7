// Package uuid is Python's uuid.
package uuid

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"math/big"
	"strings"

	"github.com/google/uuid"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// id is a UUID.
type id uuid.UUID

var uuidType = object.NewType("UUID", "uuid", uuidProperty)

func init() {
	uuidType.Constructor(native.Func("UUID", "hex:none+str? bytes? bytes_le? fields? int? version?", newUUID))
}

// Module makes the module uuid.
func Module() native.Members {
	m := native.Functions(
		native.Func("uuid4", "", func(t *object.Thread, _ []object.Value) (object.Value, error) {
			v, err := uuid.NewRandom()
			return id(v), err
		}),
		native.Func("uuid3", "namespace name", named(3)),
		native.Func("uuid5", "namespace name", named(5)),
	)
	m["UUID"] = uuidType
	m["NAMESPACE_DNS"], m["NAMESPACE_URL"] = id(uuid.NameSpaceDNS), id(uuid.NameSpaceURL)
	m["NAMESPACE_OID"], m["NAMESPACE_X500"] = id(uuid.NameSpaceOID), id(uuid.NameSpaceX500)
	native.Refuse(m, "uuid", "it reveals data of the host; use uuid.uuid4 or uuid.uuid5", "uuid1", "getnode")
	return m
}

func named(version byte) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		space, ok := a[0].(id)
		if !ok {
			return nil, object.Raise(object.AttributeError, "'%s' object has no attribute 'bytes'", object.TypeName(a[0]))
		}
		name, _, err := native.TextOrBytes(a[1])
		if err != nil {
			return nil, err
		}
		if err := native.Charge(t, len(name)+64); err != nil {
			return nil, err
		}
		data := append(space[:], name...)
		var v id
		if version == 3 {
			sum := md5.Sum(data)
			copy(v[:], sum[:])
		} else {
			sum := sha1.Sum(data)
			copy(v[:], sum[:])
		}
		v.stamp(version)
		return v, nil
	}
}

// stamp sets the version and the variant of RFC 4122.
func (v *id) stamp(version byte) {
	v[6] = v[6]&0x0f | version<<4
	v[8] = v[8]&0x3f | 0x80
}

func newUUID(_ *object.Thread, a []object.Value) (object.Value, error) {
	given := 0
	for _, v := range a[:5] {
		if !native.IsNone(v) {
			given++
		}
	}
	if given != 1 {
		return nil, object.Raise(object.TypeError, "one of the hex, bytes, bytes_le, fields, or int arguments must be given")
	}
	var v id
	switch {
	case !native.IsNone(a[0]):
		s := object.Text(a[0])
		s = strings.NewReplacer("urn:", "", "uuid:", "").Replace(s)
		s = strings.ReplaceAll(strings.Trim(s, "{}"), "-", "")
		if len(s) != 32 {
			return nil, object.Raise(object.ValueError, "badly formed hexadecimal UUID string")
		}
		if _, err := hex.Decode(v[:], []byte(s)); err != nil {
			return nil, object.Raise(object.ValueError, "invalid literal for int() with base 16: %s", native.Repr(object.Str(s)))
		}
	case !native.IsNone(a[1]):
		b, err := native.Bytes(a[1])
		if err != nil {
			return nil, err
		}
		if copy(v[:], b); len(b) != 16 {
			return nil, object.Raise(object.ValueError, "bytes is not a 16-char string")
		}
	case !native.IsNone(a[4]):
		n, err := native.Integer(a[4])
		if err != nil {
			return nil, err
		}
		if n.Sign() < 0 || n.BitLen() > 128 {
			return nil, object.Raise(object.ValueError, "int is out of range (need a 128-bit value)")
		}
		n.FillBytes(v[:])
	default:
		return nil, object.Raise(object.NotImplementedError, "uuid.UUID takes hex, bytes or int in templates")
	}
	if native.IsNone(a[5]) {
		return v, nil
	}
	version, err := object.IndexArg(a[5])
	if err != nil {
		return nil, err
	}
	if version < 1 || version > 5 {
		return nil, object.Raise(object.ValueError, "illegal version number")
	}
	v.stamp(byte(version))
	return v, nil
}

// Class implements object.Value.
func (id) Class() *object.Type { return uuidType }

// Text implements object.Texter.
func (v id) Text() string { return uuid.UUID(v).String() }

// Repr implements object.Texter.
func (v id) Repr() string { return "UUID('" + v.Text() + "')" }

// HashKey implements object.Hashable.
func (v id) HashKey() any { return v }

// Integer implements object.Integer.
func (v id) Integer() *big.Int { return new(big.Int).SetBytes(v[:]) }

// Compare implements object.Comparable.
func (v id) Compare(other object.Value) (cmp int, ordered, ok bool) {
	o, ok := other.(id)
	if !ok {
		return 0, false, false
	}
	return strings.Compare(string(v[:]), string(o[:])), true, true
}

func uuidProperty(_ *object.Thread, value object.Value, name string) (object.Value, error) {
	v := value.(id)
	switch name {
	case "hex":
		return object.Str(hex.EncodeToString(v[:])), nil
	case "int":
		return object.MakeInt(v.Integer()), nil
	case "bytes":
		return object.Bytes(v[:]), nil
	case "urn":
		return object.Str("urn:uuid:" + v.Text()), nil
	case "version":
		if v[8]>>6 != 2 {
			return object.None, nil
		}
		return object.Int(v[6] >> 4), nil
	}
	return nil, nil
}
