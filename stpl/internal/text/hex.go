package text

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/object"
)

// bytesHex groups the digits of so many bytes, counted from the right, or from
// the left if the number is negative.
func bytesHex(t *object.Thread, a []object.Value) (object.Value, error) {
	s := string(a[0].(object.Bytes))
	if err := t.Charge(4*len(s), len(s)); err != nil {
		return nil, err
	}
	sep, group := object.Text(a[1]), object.IntOr(a[2], 1)
	if a[1] != nil && len(sep) != 1 {
		return nil, object.Raise(object.ValueError, "sep must be length 1.")
	}
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && group != 0 && (group > 0 && (len(s)-i)%group == 0 || group < 0 && i%-group == 0) {
			b.WriteString(sep)
		}
		b.WriteString(hex.EncodeToString([]byte{s[i]}))
	}
	return object.Str(b.String()), nil
}

// bytesFromHex reads pairs of digits; white space may stand between pairs.
func bytesFromHex(t *object.Thread, a []object.Value) (object.Value, error) {
	s := object.Text(a[0])
	if err := t.Charge(len(s), len(s)); err != nil {
		return nil, err
	}
	var b []byte
	for i := 0; i < len(s); {
		if isByteSpace(s[i]) {
			i++
			continue
		}
		pair, err := hex.DecodeString(s[i:min(i+2, len(s))])
		if err != nil {
			if _, err := hex.DecodeString(s[i:i+1] + "0"); err == nil {
				i++
			}
			return nil, object.Raise(object.ValueError, "non-hexadecimal number found in fromhex() arg at position %d", utf8.RuneCountInString(s[:i]))
		}
		b = append(b, pair...)
		i += 2
	}
	return object.Bytes(b), nil
}
