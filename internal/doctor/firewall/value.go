package firewall

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
)

// field gives what a packet has in the place that a rule looks at; not ok
// means that it cannot be known, and an empty text that it has no such place.
type field func(Packet) (text string, ok bool)

// fieldOf reads the left side of a match.
func fieldOf(left json.RawMessage) (field, string) {
	var l struct {
		Meta    *struct{ Key string }
		Payload *struct{ Protocol, Field string }
		CT      *struct{ Key string }
	}
	unknown := func(Packet) (string, bool) { return "", false }
	if json.Unmarshal(left, &l) != nil {
		return unknown, "?"
	}
	switch {
	case l.Meta != nil:
		return metaField(l.Meta.Key), l.Meta.Key
	case l.Payload != nil:
		return payloadField(l.Payload.Protocol, l.Payload.Field), l.Payload.Protocol + " " + l.Payload.Field
	case l.CT != nil:
		return trackedField(l.CT.Key), "ct " + l.CT.Key
	}
	return unknown, "?"
}

// trackedField is what the kernel tracks of a connection, as it is for the first
// packet: no bit of its status is set.
func trackedField(key string) field {
	first := map[string]string{"state": "new", "direction": "original", "status": ""}
	text, ok := first[key]
	return func(Packet) (string, bool) { return text, ok }
}

func metaField(key string) field {
	return func(p Packet) (string, bool) {
		switch key {
		case "iif", "iifname", "ibrname":
			return p.Interface, true
		case "l4proto":
			return p.Proto, true
		case "nfproto":
			return version(p, "ipv4", "ipv6"), true
		case "protocol":
			return version(p, "ip", "ip6"), true
		}
		return "", false
	}
}

func version(p Packet, four, six string) string {
	if p.Target.Is4() {
		return four
	}
	return six
}

func payloadField(protocol, name string) field {
	return func(p Packet) (string, bool) {
		switch protocol {
		case "tcp", "udp", "th":
			return transport(p, protocol, name)
		case "ip", "ip6":
			if protocol != version(p, "ip", "ip6") {
				return "", true
			}
			return header(p, name)
		}
		return "", protocol == "icmp" || protocol == "icmpv6"
	}
}

func transport(p Packet, protocol, name string) (string, bool) {
	switch {
	case protocol != "th" && protocol != p.Proto:
		return "", true
	case name == "dport":
		return strconv.Itoa(int(p.Port)), true
	case name == "sport":
		return strconv.Itoa(int(p.SourcePort)), true
	}
	return "", false
}

func header(p Packet, name string) (string, bool) {
	switch name {
	case "saddr":
		return p.Source.String(), true
	case "daddr":
		return p.Target.String(), true
	case "protocol", "nexthdr":
		return p.Proto, true
	}
	return "", false
}

// within reports whether the field's value is what the right side says: one
// value, a range, a prefix, or a set of these.
func (r reader) within(f field, p Packet, right json.RawMessage) Answer {
	text, ok := f(p)
	switch {
	case !ok:
		return Unknown
	case text == "":
		return No
	}
	if elems := r.elements(right); elems != nil {
		for _, elem := range elems {
			if r.within(f, p, elem) == Yes {
				return Yes
			}
		}
		return No
	}
	return one(text, right)
}

// elements gives those of a set, named or written out; nil for one value.
func (r reader) elements(value json.RawMessage) []json.RawMessage {
	var name string
	if json.Unmarshal(value, &name) == nil && strings.HasPrefix(name, "@") {
		return append([]json.RawMessage{}, r.sets[r.place+name[1:]]...)
	}
	var set struct{ Set []json.RawMessage }
	if json.Unmarshal(value, &set) == nil && set.Set != nil {
		return set.Set
	}
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil {
		return list
	}
	return nil
}

// one compares with one value, range or prefix.
func one(text string, value json.RawMessage) Answer {
	var v struct {
		Range  []json.RawMessage
		Prefix *struct {
			Addr string
			Len  int
		}
		Elem *struct{ Val json.RawMessage }
	}
	if json.Unmarshal(value, &v) != nil {
		return answer(same(text, plain(value)))
	}
	switch {
	case v.Elem != nil:
		return one(text, v.Elem.Val)
	case v.Prefix != nil:
		return inPrefix(text, v.Prefix.Addr+"/"+strconv.Itoa(v.Prefix.Len))
	case len(v.Range) == 2:
		return inRange(text, plain(v.Range[0]), plain(v.Range[1]))
	}
	return Unknown
}

// same compares with one value; an interface's name may end in a star.
func same(text, value string) bool {
	if stem, star := strings.CutSuffix(value, "*"); star {
		return strings.HasPrefix(text, stem)
	}
	return text == value
}

func inPrefix(text, prefix string) Answer {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return Unknown
	}
	if p, err := netip.ParsePrefix(prefix); err == nil {
		return answer(p.Contains(addr))
	}
	return answer(text == prefix)
}

func inRange(text, first, last string) Answer {
	if n, err := strconv.Atoi(text); err == nil {
		lo, errLo := strconv.Atoi(first)
		hi, errHi := strconv.Atoi(last)
		if errLo == nil && errHi == nil {
			return answer(lo <= n && n <= hi)
		}
	}
	addr, err := netip.ParseAddr(text)
	lo, errLo := netip.ParseAddr(first)
	hi, errHi := netip.ParseAddr(last)
	if err != nil || errLo != nil || errHi != nil {
		return Unknown
	}
	return answer(lo.Compare(addr) <= 0 && addr.Compare(hi) <= 0)
}

// plain is a value as text.
func plain(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return strings.ReplaceAll(string(value), `"`, "")
}
