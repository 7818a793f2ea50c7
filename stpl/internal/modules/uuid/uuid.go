// Package uuid is Python's uuid.
package uuid

import (
	"encoding/hex"
	"math/big"
	"strings"

	"github.com/google/uuid"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// id is a UUID.
type id uuid.UUID

var uuidType = object.NewType("UUID", "uuid", object.Properties(uuidProperties))

func init() {
	uuidType.Constructor(native.Func("UUID", "hex:none+str? bytes:none+bytes? bytes_le? fields? int:none+int? version:none+int?", newUUID))
}

// Module makes the module uuid.
func Module() native.Members {
	m := native.Functions(
		native.Func("uuid4", "", func(t *object.Thread, _ []object.Value) (object.Value, error) {
			v, err := uuid.NewRandom()
			return id(v), err
		}),
		native.Func("uuid3", "namespace name", named(uuid.NewMD5)),
		native.Func("uuid5", "namespace name", named(uuid.NewSHA1)),
	)
	m["UUID"] = uuidType
	m["NAMESPACE_DNS"], m["NAMESPACE_URL"] = id(uuid.NameSpaceDNS), id(uuid.NameSpaceURL)
	m["NAMESPACE_OID"], m["NAMESPACE_X500"] = id(uuid.NameSpaceOID), id(uuid.NameSpaceX500)
	native.Refuse(m, "uuid", "it reveals data of the host; use uuid.uuid4 or uuid.uuid5", "uuid1", "getnode")
	return m
}

// named makes uuid3 and uuid5.
func named(make func(space uuid.UUID, data []byte) uuid.UUID) object.Func {
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
		return id(make(uuid.UUID(space), []byte(name))), nil
	}
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
			return nil, object.Raise(object.ValueError, "invalid literal for int() with base 16: %s", object.PlainRepr(object.Str(s)))
		}
	case !native.IsNone(a[1]):
		b := a[1].(object.Bytes)
		if copy(v[:], b); len(b) != 16 {
			return nil, object.Raise(object.ValueError, "bytes is not a 16-char string")
		}
	case !native.IsNone(a[4]):
		n := native.Integer(a[4])
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
	version := object.IntOr(a[5], 0)
	if version < 1 || version > 5 {
		return nil, object.Raise(object.ValueError, "illegal version number")
	}
	v[6] = v[6]&0x0f | byte(version)<<4
	v[8] = v[8]&0x3f | 0x80 // the variant of RFC 4122
	return v, nil
}

// Class, Text, Repr and Integer implement object.Value, object.Texter and object.Integer.
func (id) Class() *object.Type { return uuidType }
func (v id) Text() string      { return uuid.UUID(v).String() }
func (v id) Repr() string      { return "UUID('" + v.Text() + "')" }
func (v id) Integer() *big.Int { return new(big.Int).SetBytes(v[:]) }

// Compare implements object.Comparable.
func (v id) Compare(other object.Value) (cmp int, ok bool, err error) {
	o, ok := other.(id)
	return strings.Compare(string(v[:]), string(o[:])), ok, nil
}

var uuidProperties = map[string]func(id) object.Value{
	"hex":   func(v id) object.Value { return object.Str(hex.EncodeToString(v[:])) },
	"int":   func(v id) object.Value { return object.MakeInt(v.Integer()) },
	"bytes": func(v id) object.Value { return object.Bytes(v[:]) },
	"urn":   func(v id) object.Value { return object.Str("urn:uuid:" + v.Text()) },
	"version": func(v id) object.Value {
		if v[8]>>6 != 2 {
			return object.None
		}
		return object.Int(v[6] >> 4)
	},
}
