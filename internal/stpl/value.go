package stpl

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// toStarlark copies a variable into the template's world.
func toStarlark(value any) (starlark.Value, error) {
	switch v := value.(type) {
	case nil:
		return starlark.None, nil
	case bool:
		return starlark.Bool(v), nil
	case int:
		return starlark.MakeInt(v), nil
	case int64:
		return starlark.MakeInt64(v), nil
	case float64:
		return starlark.Float(v), nil
	case string:
		return starlark.String(v), nil
	case []string:
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		return toStarlark(list)
	case map[string]string:
		dict := make(map[string]any, len(v))
		for key, s := range v {
			dict[key] = s
		}
		return toStarlark(dict)
	case []any:
		return listToStarlark(v)
	case map[string]any:
		return dictToStarlark(v)
	}
	return nil, fmt.Errorf("a value of type %T cannot be used in a template", value)
}

func listToStarlark(list []any) (starlark.Value, error) {
	elems := make([]starlark.Value, 0, len(list))
	for _, e := range list {
		converted, err := toStarlark(e)
		if err != nil {
			return nil, err
		}
		elems = append(elems, converted)
	}
	return starlark.NewList(elems), nil
}

func dictToStarlark(m map[string]any) (starlark.Value, error) {
	dict := starlark.NewDict(len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		converted, err := toStarlark(m[key])
		if err != nil {
			return nil, err
		}
		if err := dict.SetKey(starlark.String(key), converted); err != nil {
			return nil, err
		}
	}
	return dict, nil
}

// toText is Python's str of a value.
func toText(value starlark.Value) string {
	if s, ok := starlark.AsString(value); ok {
		return s
	}
	return toRepr(value)
}

// maxNested keeps a list that contains itself from being printed for ever.
const maxNested = 50

func toRepr(value starlark.Value) string { return repr(value, 0) }

func repr(value starlark.Value, depth int) string {
	if depth > maxNested {
		return "..."
	}
	switch v := value.(type) {
	case starlark.String:
		return quote(string(v))
	case *starlark.List:
		return "[" + reprAll(v, depth) + "]"
	case starlark.Tuple:
		if len(v) == 1 {
			return "(" + repr(v[0], depth+1) + ",)"
		}
		return "(" + reprAll(v, depth) + ")"
	case *starlark.Dict:
		parts := make([]string, 0, v.Len())
		for _, item := range v.Items() {
			parts = append(parts, repr(item[0], depth+1)+": "+repr(item[1], depth+1))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return value.String()
}

func reprAll(list starlark.Iterable, depth int) string {
	var parts []string
	for e := range starlark.Elements(list) {
		parts = append(parts, repr(e, depth+1))
	}
	return strings.Join(parts, ", ")
}

// quote writes a string as Python does: in single quotes, unless it holds one
// and no double quote.
func quote(s string) string {
	inner := strconv.Quote(s)
	inner = strings.ReplaceAll(inner[1:len(inner)-1], `\"`, `"`)
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		return `"` + inner + `"`
	}
	return "'" + strings.ReplaceAll(inner, "'", `\'`) + "'"
}
