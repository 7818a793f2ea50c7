package legacy

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// The keys of an entry.
const (
	keyLocation   = "location"
	keyName       = "domain_name"
	keyUUID       = "domain_uuid"
	keyMetadata   = "domain_metadata"
	keyMAC        = "mds_mac"
	keyIPv4       = "mds_ipv4"
	keyIPv6       = "mds_ipv6"
	keyFirstSeen  = "first_seen"
	keyLastUpdate = "last_update"
)

// entryReader reads the fields of one entry and remembers what was wrong.
type entryReader struct {
	index    int
	name     string
	fields   map[string]json.RawMessage
	problems []Skipped
	bad      bool // the entry cannot be used
}

// readEntry gives the guest of an entry, or nil, and what was wrong with it.
func readEntry(index int, text json.RawMessage) (*instance.Instance, []Skipped) {
	r := &entryReader{index: index}
	if err := json.Unmarshal(text, &r.fields); err != nil || r.fields == nil {
		r.note("", "it is not an object")
		return nil, r.problems
	}
	guest := r.guest()
	if r.bad {
		return nil, r.problems
	}
	return &guest, r.problems
}

func (r *entryReader) guest() instance.Instance {
	r.name = r.text(keyName)
	guest := instance.Instance{
		Name:       r.name,
		UUID:       r.uuid(),
		Location:   r.text(keyLocation),
		Metadata:   r.metadata(),
		MAC:        r.mac(),
		IPv4:       r.addr(keyIPv4, netip.Addr.Is4),
		IPv6:       r.addr(keyIPv6, func(a netip.Addr) bool { return a.Is6() && !a.Is4In6() && a.Zone() == "" }),
		FirstSeen:  r.time(keyFirstSeen),
		LastUpdate: r.time(keyLastUpdate),
	}
	if n := utf8.RuneCountInString(guest.Name); n > instance.MaxName && !r.bad {
		r.name, guest.Name = guest.UUID.String(), guest.UUID.String()
		r.problems = append(r.problems, Skipped{r.index, r.name, keyName,
			fmt.Sprintf("it has %d characters, accepted: at most %d; the guest is imported with its UUID as its name", n, instance.MaxName), false})
	}
	if err := instance.ValidateName(guest.Name); err != nil {
		r.note(keyName, err.Error())
	}
	guest.ID = instanceID(guest)
	guest.Hostname = hostname(guest)
	return guest
}

// instanceID is what the Python mdserver answered as instance-id.
func instanceID(guest instance.Instance) string {
	if !guest.IPv4.IsValid() {
		return instance.DeriveID(guest.UUID)
	}
	return "i-" + guest.IPv4.String()
}

// hostname is the domain name if it can be one, as it was in the Python mdserver.
// It need not be unique yet.
func hostname(guest instance.Instance) string {
	if wanted := guest.Metadata.Hostname(); instance.ValidHostname(wanted) {
		return wanted
	}
	return instance.DeriveHostname(guest.Name, guest.UUID, "vm")
}

// note notes what is wrong with a field. Without a name, UUID or IPv4 address
// that can be used, the entry is not this guest's any more; another field is
// taken for missing, and comes back when the guest is registered again.
func (r *entryReader) note(field, reason string) {
	whole := field == "" || field == keyName || field == keyUUID || field == keyIPv4
	r.bad = r.bad || whole
	r.problems = append(r.problems, Skipped{r.index, r.name, field, reason, whole})
}

// text reads a field of text; missing and null are empty.
func (r *entryReader) text(key string) string {
	var s string
	if !r.has(key) {
		return ""
	}
	if err := json.Unmarshal(r.fields[key], &s); err != nil {
		r.note(key, fmt.Sprintf("%s is not text", shorten(r.fields[key])))
		return ""
	}
	return s
}

func (r *entryReader) has(key string) bool {
	value, ok := r.fields[key]
	return ok && string(value) != "null"
}

func (r *entryReader) uuid() uuid.UUID {
	text := r.text(keyUUID)
	if text == "" {
		r.note(keyUUID, "it is missing")
		return uuid.Nil
	}
	id, err := uuid.Parse(text)
	if err != nil || id == uuid.Nil {
		r.note(keyUUID, fmt.Sprintf("%q is not a UUID", text))
	}
	return id
}

func (r *entryReader) mac() instance.MAC {
	text := r.text(keyMAC)
	if text == "" {
		return instance.MAC{}
	}
	mac, err := instance.ParseMAC(text)
	if err != nil {
		r.note(keyMAC, err.Error())
		return instance.MAC{}
	}
	return mac
}

func (r *entryReader) addr(key string, family func(netip.Addr) bool) netip.Addr {
	text := r.text(key)
	if text == "" {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || !family(addr) || addr.IsUnspecified() || addr.IsMulticast() {
		r.note(key, fmt.Sprintf("%q is not a valid address of this family for a guest", text))
		return netip.Addr{}
	}
	return addr
}

// time reads seconds since 1970. Microseconds are what a float64 of today
// holds, and what Python's time.time() gave.
func (r *entryReader) time(key string) time.Time {
	var seconds float64
	if !r.has(key) {
		return time.Time{}
	}
	if err := json.Unmarshal(r.fields[key], &seconds); err != nil || !(seconds >= 0 && seconds < maxSeconds) {
		r.note(key, fmt.Sprintf("%s is not a time in seconds since 1970", shorten(r.fields[key])))
		return time.Time{}
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC()
}

// maxSeconds is the end of the year 9999, the last that RFC 3339 can write.
const maxSeconds = 253402300800

// metadata reads text to text. An empty element of the domain XML is null here,
// and to the Python mdserver the same as a missing one.
func (r *entryReader) metadata() instance.Metadata {
	if !r.has(keyMetadata) {
		return instance.Metadata{}
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(r.fields[keyMetadata], &values); err != nil {
		r.note(keyMetadata, fmt.Sprintf("%s is not an object", shorten(r.fields[keyMetadata])))
		return instance.Metadata{}
	}
	flat := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if string(values[key]) == "null" {
			continue
		}
		text, ok := metadataText(values[key])
		if !ok {
			r.note(keyMetadata+"."+key, "it is not text")
			continue
		}
		flat[key] = text
	}
	return instance.MetadataFromFlat(flat)
}

// metadataText reads one value: text, or a number or truth value as it is
// written, or an object that stands for an XML element with attributes and
// has the element's text under "#text".
func metadataText(value json.RawMessage) (string, bool) {
	switch value[0] {
	case '[':
		return "", false
	case '"':
		var text string
		return text, json.Unmarshal(value, &text) == nil
	case '{':
		var element struct {
			Text *string `json:"#text"`
		}
		if err := json.Unmarshal(value, &element); err != nil || element.Text == nil {
			return "", false
		}
		return *element.Text, true
	}
	return string(value), true
}

// shorten keeps a value that is quoted in a reason readable.
func shorten(value json.RawMessage) string {
	const most = 40
	if text := string(value); len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(string(value[:most]), "") + "…"
}
