package stpl

import (
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strings"

	"mdserver/stpl/internal/object"
)

// Dict is a variable that templates see as a dict with its keys in order.
type Dict []Pair

// Record is a Dict whose keys are attributes, too: instance.name is
// instance['name'].
type Record []Pair

// Pair is one key of a Dict or Record.
type Pair struct {
	Key   string
	Value any
}

// variables are what was given to a render. Each is converted when a template
// first asks for it, for many are configuration that no template uses.
type variables struct {
	given map[string]any
	seen  []seenVariable // few, and each template asks for one once
}

type seenVariable struct {
	name  string
	value object.Value
}

func (v *variables) get(name string) (object.Value, bool) {
	for i := range v.seen {
		if v.seen[i].name == name {
			return v.seen[i].value, true
		}
	}
	given, ok := v.given[name]
	if !ok {
		return nil, false
	}
	value := toValue(given)
	v.seen = append(v.seen, seenVariable{name, value})
	return value, true
}

// toValue copies a variable into the template's world. What has no form there
// becomes None; variables are ours, not a template's, so that is no error of
// its author.
func toValue(given any) object.Value {
	switch v := given.(type) {
	case bool:
		return object.Bool(v)
	case int:
		return object.Int(v)
	case int64:
		return object.Int(v)
	case float64:
		return object.Float(v)
	case json.Number:
		return toNumber(v)
	case string:
		return object.Str(strings.ToValidUTF8(v, "\uFFFD"))
	case []byte:
		return object.Bytes(v)
	case []string:
		return toList(v)
	case []any:
		return toList(v)
	case map[string]string:
		return toDict(sortedPairs(v))
	case map[string]any:
		return toDict(sortedPairs(v))
	case Dict:
		return toDict(v)
	case Record:
		return object.NewRecord(toDict(Dict(v)))
	}
	return object.None
}

func toNumber(n json.Number) object.Value {
	if i, err := n.Int64(); err == nil {
		return object.Int(i)
	}
	if i, ok := new(big.Int).SetString(n.String(), 10); ok {
		return object.MakeInt(i)
	}
	f, _ := n.Float64() // what is too large is infinite, as in Python
	return object.Float(f)
}

func toList[T any](list []T) object.Value {
	items := make([]object.Value, len(list))
	for i, item := range list {
		items[i] = toValue(item)
	}
	return object.NewList(items)
}

func toDict(pairs Dict) *object.Dict {
	d := object.NewDictOf(len(pairs))
	for _, p := range pairs {
		d.SetStr(p.Key, toValue(p.Value))
	}
	return d
}

func sortedPairs[T any](m map[string]T) Dict {
	pairs := make(Dict, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, Pair{key, m[key]})
	}
	return pairs
}
