package legacy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"mdserver/internal/instance"
)

// The format as the Python mdserver writes it, keys in its order.
type (
	database struct {
		Metadata metadata `json:"metadata"`
		Entries  []entry  `json:"entries"`
	}
	metadata struct {
		Initialised seconds             `json:"initialised"`
		Updated     seconds             `json:"updated"`
		Locations   map[string]location `json:"locations"`
	}
	location struct {
		Hostname  *string `json:"hostname"`
		Version   *string `json:"version"`
		FirstSeen seconds `json:"first_seen"`
		LastSeen  seconds `json:"last_seen"`
	}
	entry struct {
		Location   *string           `json:"location"`
		Name       string            `json:"domain_name"`
		UUID       string            `json:"domain_uuid"`
		Metadata   map[string]string `json:"domain_metadata"`
		MAC        *string           `json:"mds_mac"`
		IPv4       *string           `json:"mds_ipv4"`
		IPv6       *string           `json:"mds_ipv6"`
		FirstSeen  seconds           `json:"first_seen"`
		LastUpdate seconds           `json:"last_update"`
	}
)

// seconds is a time as Python's json module writes it: a float with
// microseconds, or null.
type seconds time.Time

// MarshalJSON implements json.Marshaler.
func (s seconds) MarshalJSON() ([]byte, error) {
	t := time.Time(s)
	if t.IsZero() {
		return []byte("null"), nil
	}
	text := strconv.AppendFloat(nil, float64(t.UnixMicro())/1e6, 'f', -1, 64)
	if !bytes.ContainsRune(text, '.') {
		text = append(text, ".0"...)
	}
	return text, nil
}

// Write writes guests as a database of this form. Only Object has room for meta.
// What the Python mdserver does not know, the instance-id, other interfaces and so
// on, is not in it.
func Write(w io.Writer, form Form, guests []instance.Instance, meta Meta) error {
	db := database{Metadata: metadataOf(meta), Entries: make([]entry, 0, len(guests))}
	for _, guest := range guests {
		db.Entries = append(db.Entries, entryOf(guest))
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	var content any = db
	if form == List {
		content = db.Entries
	}
	if err := enc.Encode(content); err != nil {
		return fmt.Errorf("write the Python mdserver's database: %w", err)
	}
	if _, err := w.Write(ascii(text.Bytes())); err != nil {
		return fmt.Errorf("write the Python mdserver's database: %w", err)
	}
	return nil
}

func metadataOf(meta Meta) metadata {
	m := metadata{Initialised: seconds(meta.Initialised), Updated: seconds(meta.Updated), Locations: map[string]location{}}
	for name, l := range meta.Locations {
		m.Locations[name] = location{
			Hostname: orNull(l.Hostname), Version: orNull(l.Version),
			FirstSeen: seconds(l.FirstSeen), LastSeen: seconds(l.LastSeen),
		}
	}
	return m
}

func entryOf(guest instance.Instance) entry {
	return entry{
		Location:   orNull(guest.Location),
		Name:       guest.Name,
		UUID:       guest.UUID.String(),
		Metadata:   guest.Metadata.Flat(),
		MAC:        macOrNull(guest.MAC),
		IPv4:       addrOrNull(guest.IPv4),
		IPv6:       addrOrNull(guest.IPv6),
		FirstSeen:  seconds(guest.FirstSeen),
		LastUpdate: seconds(guest.LastUpdate),
	}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func macOrNull(mac instance.MAC) *string {
	if mac.IsZero() {
		return nil
	}
	return orNull(mac.String())
}

func addrOrNull(addr netip.Addr) *string {
	if !addr.IsValid() {
		return nil
	}
	return orNull(addr.String())
}

// ascii escapes all that is not ASCII: the Python mdserver opens the file in the
// encoding of its locale, which may be "C".
func ascii(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
