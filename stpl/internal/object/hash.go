package object

import (
	"crypto/sha256"
	"fmt"
	"math"
	"reflect"
	"sort"
	"strconv"
)

// Hashable is a value of another package that is a dict key by content. The
// key must be comparable, or nil if the value is no dict key.
type Hashable interface{ HashKey() any }

// The keys of values that have parts are digests, so that they stay small
// however large the value is.
type (
	tupleKey [sha256.Size]byte
	setKey   [sha256.Size]byte
	bytesKey string
	bigKey   string
)

// hashKey maps a value to a comparable Go value, equal for equal values. The
// usual keys are that themselves, so that nothing is allocated.
func hashKey(t *Thread, key Value) (any, error) {
	switch v := key.(type) {
	case Str:
		return key, t.Scan(len(v))
	case Int:
		return key, nil
	case Bool:
		return boolInt(v), nil
	case Float:
		f := float64(v)
		if f == math.Trunc(f) && math.Abs(f) < 1<<62 {
			return Int(f), nil
		}
		return f, nil
	case *Big:
		if f, acc := v.i.Float64(); acc == 0 { // equal to that float
			return f, nil
		}
		return bigKey(string(rune('1'+v.i.Sign())) + string(v.i.Bytes())), t.Alloc(v.i.BitLen() / 4)
	case Bytes:
		return bytesKey(v), t.Scan(len(v))
	case Tuple:
		return tupleHash(t, v)
	case *List, *Dict, *Slice:
	case *Set:
		if v.frozen {
			return setHash(t, v)
		}
	case TupleLike:
		return tupleHash(t, v.Tuple())
	case Hashable:
		if hash := v.HashKey(); hash != nil {
			return hash, nil
		}
	default:
		if !isSetView(key) && reflect.TypeOf(key).Comparable() {
			return key, nil
		}
	}
	return nil, Raise(TypeError, "unhashable type: '%s'", TypeName(key))
}

// tupleHash digests the parts of a tuple so that equal tuples give equal keys.
func tupleHash(t *Thread, v Tuple) (any, error) {
	if err := t.Enter(); err != nil {
		return nil, err
	}
	defer t.Leave()
	sum := sha256.New()
	for _, item := range v {
		h, err := hashKey(t, item)
		if err != nil {
			return nil, err
		}
		part := hashPart(h)
		if err := t.Work(len(part)); err != nil {
			return nil, err
		}
		sum.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return tupleKey(sum.Sum(nil)), nil
}

// setHash digests the items of a frozenset, regardless of their order.
func setHash(t *Thread, s *Set) (any, error) {
	if err := t.AllocSlots(s.d.live); err != nil {
		return nil, err
	}
	parts := make([]string, 0, s.d.live)
	for e := range s.d.present {
		part := hashPart(e.hash)
		if err := t.Work(len(part)); err != nil {
			return nil, err
		}
		digest := sha256.Sum256([]byte(part))
		parts = append(parts, string(digest[:]))
	}
	sort.Strings(parts)
	sum := sha256.New()
	for _, p := range parts {
		sum.Write([]byte(p))
	}
	return setKey(sum.Sum(nil)), nil
}

// hashPart writes a key as text, so that different keys give different texts.
func hashPart(h any) string {
	switch h := h.(type) {
	case Str:
		return "s" + string(h)
	case tupleKey:
		return "t" + string(h[:])
	case setKey:
		return "S" + string(h[:])
	case bytesKey:
		return "b" + string(h)
	case bigKey:
		return "I" + string(h)
	}
	return "o" + identity(h)
}

// identity is a text that tells a value from every other: its address, or the
// whole of a value that has none.
func identity(v any) string {
	switch r := reflect.ValueOf(v); {
	case r.Kind() == reflect.Pointer:
		return fmt.Sprintf("%T at %p", v, v)
	case r.Kind() == reflect.Slice && r.Len() > 0:
		return fmt.Sprintf("%T at %p", v, r.Index(0).Addr().Interface())
	}
	return fmt.Sprintf("%T %v", v, v)
}

// Hash is hash(v). Unlike Python's it does not change from run to run.
func Hash(t *Thread, v Value) (int64, error) {
	h, err := hashKey(t, v)
	if err != nil {
		return 0, err
	}
	if i, ok := h.(Int); ok {
		return int64(i), nil
	}
	part := hashPart(h)
	return fnv(part), t.Work(len(part))
}

// Identity is id(v), a number that stands for the value.
func Identity(t *Thread, v Value) (int64, error) {
	s, _ := v.(Str)
	return fnv(identity(v)) & 0x7fffffffffff, t.Work(4 * len(s))
}

// fnv is a stable hash of 63 bits.
func fnv(s string) int64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return int64(h >> 1)
}
