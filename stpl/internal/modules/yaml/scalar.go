package yaml

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"mdserver/stpl/internal/modules/binary"
	"mdserver/stpl/internal/modules/datetime"
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// scalarTags are the tags of scalars that can be loaded.
var scalarTags = map[string]bool{
	"!!null": true, "!!bool": true, "!!int": true, "!!float": true, "!!str": true, "!!binary": true, "!!timestamp": true,
}

// implicitTags tells what a plain scalar is. These are the types of YAML 1.1 as
// PyYAML reads them (yaml/resolver.py): tried in this order.
var implicitTags = []struct {
	tag     string
	pattern *regexp.Regexp
}{
	{"!!bool", regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)},
	{"!!float", regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?` +
		`|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)},
	{"!!int", regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+` +
		`|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)},
	{"!!merge", regexp.MustCompile(`^<<$`)},
	{"!!null", regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)},
	{"!!timestamp", regexp.MustCompile(`^(?:\d{4}-\d\d-\d\d|` + moment + `)$`)},
	{"!!value", regexp.MustCompile(`^=$`)},
}

const moment = `(\d{4})-(\d\d?)-(\d\d?)(?:(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(?:(Z)|([-+])(\d\d?)(?::(\d\d))?))?)`

// resolve returns the tag of a plain scalar.
func resolve(s string) string {
	if len(s) > 0 && strings.IndexByte("-+.0123456789yYnNtTfFoO<~=", s[0]) < 0 {
		return "!!str"
	}
	for _, r := range implicitTags {
		if r.pattern.MatchString(s) {
			return r.tag
		}
	}
	return "!!str"
}

// tagOf is the tag of a node: the explicit one or that of its kind.
func tagOf(n *yaml.Node) string {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	switch {
	case n.Style&yaml.TaggedStyle != 0:
		return n.Tag
	case n.Kind == yaml.MappingNode:
		return "!!map"
	case n.Kind == yaml.SequenceNode:
		return "!!seq"
	case n.Style&quoted != 0:
		return "!!str"
	}
	return resolve(n.Value)
}

func (c *constructor) scalar(tag, s string) (object.Value, error) {
	if err := native.Charge(c.t, 2*len(s)); err != nil {
		return nil, err
	}
	switch tag {
	case "!!null":
		return object.None, nil
	case "!!bool":
		return readBool(s)
	case "!!int":
		return readInt(c.t, s)
	case "!!float":
		return readFloat(c.t, s)
	case "!!binary":
		return binary.DecodeBase64(c.t, object.Str(s), nil, false)
	case "!!timestamp":
		return readTimestamp(c.t, s)
	}
	return object.Str(s), nil
}

func readBool(s string) (object.Value, error) {
	switch strings.ToLower(s) {
	case "yes", "true", "on":
		return object.Bool(true), nil
	case "no", "false", "off":
		return object.Bool(false), nil
	}
	return nil, object.RaiseValue(object.KeyError, object.Str(strings.ToLower(s)))
}

// readInt reads an integer: 0b1, 0x1f, 017 and 1:30:00 to the base 60.
func readInt(t *object.Thread, s string) (object.Value, error) {
	s = strings.ReplaceAll(s, "_", "")
	sign, digits := splitSign(s)
	base := 10
	switch {
	case digits == "0":
	case strings.HasPrefix(digits, "0b"):
		base, digits = 2, digits[2:]
	case strings.HasPrefix(digits, "0x"):
		base, digits = 16, digits[2:]
	case strings.HasPrefix(digits, "0"):
		base = 8
	case strings.Contains(digits, ":"):
		return sexagesimal(t, sign, digits, func(s string) (object.Value, error) { return object.CallPos(t, object.IntType, object.Str(s)) })
	}
	return object.CallPos(t, object.IntType, object.Str(strings.TrimPrefix(sign, "+")+digits), object.Int(base))
}

// splitSign splits a number into its sign and the rest.
func splitSign(s string) (sign, digits string) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[:1], s[1:]
	}
	return "", s
}

func readFloat(t *object.Thread, s string) (object.Value, error) {
	s = strings.ToLower(strings.ReplaceAll(s, "_", ""))
	sign, digits := splitSign(s)
	read := func(s string) (object.Value, error) { return object.CallPos(t, object.FloatType, object.Str(s)) }
	switch {
	case digits == ".inf" && sign == "-":
		return object.Float(math.Inf(-1)), nil
	case digits == ".inf":
		return object.Float(math.Inf(1)), nil
	case digits == ".nan":
		return object.Float(math.NaN()), nil
	case strings.Contains(digits, ":"):
		return sexagesimal(t, sign, digits, read)
	}
	return read(sign + digits)
}

// sexagesimal reads parts to the base 60, separated by colons.
func sexagesimal(t *object.Thread, sign, digits string, read func(string) (object.Value, error)) (object.Value, error) {
	var total object.Value = object.Int(0)
	for part := range strings.SplitSeq(digits, ":") {
		v, err := read(part)
		if err != nil {
			return nil, err
		}
		if total, err = object.Binary(t, object.Mul, total, object.Int(60)); err != nil {
			return nil, err
		}
		if total, err = object.Binary(t, object.Add, total, v); err != nil {
			return nil, err
		}
	}
	if sign == "-" {
		return object.Unary(t, object.Sub, total)
	}
	return total, nil
}

var momentPattern = regexp.MustCompile(`^` + moment + `?$`)

// readTimestamp makes a date or a datetime.
func readTimestamp(t *object.Thread, s string) (object.Value, error) {
	m := momentPattern.FindStringSubmatch(s)
	if m == nil {
		return nil, object.Raise(object.ValueError, "%s is no timestamp", object.PlainRepr(object.Str(s)))
	}
	var parts [7]int
	for i := range 6 {
		parts[i], _ = strconv.Atoi(m[i+1]) // one to four digits, or none
	}
	if m[4] == "" {
		return object.CallPos(t, datetime.Date, native.Ints(parts[:3]...)...)
	}
	parts[6], _ = strconv.Atoi((m[7] + "000000")[:6])
	z, err := readZone(t, m[8:])
	if err != nil {
		return nil, err
	}
	return object.CallPos(t, datetime.DateTime, append(native.Ints(parts[:]...), z)...)
}

// readZone reads "Z", or a sign, hours and minutes; None if there is nothing.
func readZone(t *object.Thread, m []string) (object.Value, error) {
	if m[0] != "" {
		return datetime.UTC, nil
	}
	if m[1] == "" {
		return object.None, nil
	}
	hours, _ := strconv.Atoi(m[2])
	minutes, _ := strconv.Atoi("0" + m[3])
	seconds := 60 * (60*hours + minutes)
	if m[1] == "-" {
		seconds = -seconds
	}
	offset, err := object.CallPos(t, datetime.TimeDelta, object.Int(0), object.Int(seconds))
	if err != nil {
		return nil, err
	}
	return object.CallPos(t, datetime.TimeZone, offset)
}
