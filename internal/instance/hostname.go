package instance

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

const (
	// MaxLabel is the length of a DNS label (RFC 1035, 2.3.4).
	MaxLabel = 63
	// maxHostname is what Linux accepts as a host name (HOST_NAME_MAX).
	maxHostname = 64
	// suffixDigits distinguish guests whose names derive the same host name.
	suffixDigits = 8
)

// ValidHostname reports whether name can be a guest's host name as it is: one
// or more labels of letters, digits and inner hyphens (RFC 1123, 2.1), not
// longer than Linux allows, and not to be mistaken for an address or for this
// host itself.
func ValidHostname(name string) bool {
	if len(name) > maxHostname {
		return false
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if !validLabel(label) || strings.EqualFold(label, "localhost") {
			return false
		}
	}
	return !numeric(labels[len(labels)-1])
}

// numeric reports whether a last label makes the C library (inet_aton) take
// the whole name for an IPv4 address.
func numeric(label string) bool {
	if hex, ok := strings.CutPrefix(strings.ToLower(label), "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return allDigits(label)
}

func validLabel(label string) bool {
	if label == "" || len(label) > MaxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if !isLabelByte(label[i]) {
			return false
		}
	}
	return true
}

func isLabelByte(c byte) bool {
	return c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// DeriveHostname makes a host name of a domain name, which libvirt lets be
// nearly any text. A name that is a host name already stays as it is, with its
// dots; all others become one label, see DeriveLabel.
func DeriveHostname(name string, id uuid.UUID, fallback string) string {
	if ValidHostname(name) {
		return name
	}
	return DeriveLabel(name, id, fallback)
}

// DeriveLabel makes a host name of one label of a domain name: accents are
// dropped, everything that is not a letter or digit becomes a hyphen, and the rest
// is cut to the length of a label. An empty result becomes fallback and digits
// from the UUID.
func DeriveLabel(name string, id uuid.UUID, fallback string) string {
	label := asciiLabel(name)
	if label == "" {
		return DistinctHostname(fallback, id)
	}
	if !ValidHostname(label) {
		return DistinctHostname(label, id)
	}
	return label
}

// DistinctHostname adds digits from the UUID to a host name that another
// guest holds already.
func DistinctHostname(hostname string, id uuid.UUID) string {
	base, _, _ := strings.Cut(hostname, ".")
	if base = asciiLabel(base); base == "" {
		base = "vm"
	}
	if longest := MaxLabel - suffixDigits - 1; len(base) > longest {
		base = strings.TrimRight(base[:longest], "-")
	}
	sum := sha256.Sum256(id[:])
	return base + "-" + hex.EncodeToString(sum[:])[:suffixDigits]
}

func asciiLabel(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(name) {
		switch {
		case unicode.Is(unicode.Mn, r): // the accent of a decomposed letter
		case r < unicode.MaxASCII && isLabelByte(byte(r)):
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	label := squeeze(b.String())
	if len(label) > MaxLabel {
		label = strings.TrimRight(label[:MaxLabel], "-")
	}
	return label
}

// squeeze drops hyphens at both ends and doubled ones within.
func squeeze(s string) string {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '-' })
	return strings.Join(parts, "-")
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }
