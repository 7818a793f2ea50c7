// Package binary is Python's base64, struct, zlib and gzip.
package binary

import (
	"encoding/base32"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// binasciiError is what wrong base64 raises; Python's name for it is
// binascii.Error.
var binasciiError = object.NewExceptionType("Error", object.ValueError)

// Base64 makes the module base64.
func Base64() native.Members {
	return native.Functions(
		native.Func("b64encode", "s:bytes altchars?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return b64Encode(t, a[0], a[1])
		}),
		native.Func("b64decode", "s altchars? validate?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return DecodeBase64(t, a[0], a[1], native.Truth(a[2], false))
		}),
		native.Func("standard_b64encode", "s:bytes", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return b64Encode(t, a[0], nil)
		}),
		native.Func("standard_b64decode", "s", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return DecodeBase64(t, a[0], nil, false)
		}),
		native.Func("urlsafe_b64encode", "s:bytes", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return b64Encode(t, a[0], object.Bytes("-_"))
		}),
		native.Func("urlsafe_b64decode", "s", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return DecodeBase64(t, a[0], object.Bytes("-_"), false)
		}),
		native.Func("b32encode", "s:bytes", encodeWith(base32.StdEncoding.EncodeToString)),
		native.Func("encodebytes", "s:bytes", encodeWith(Base64Lines)),
		native.Func("decodebytes", "s:bytes", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return DecodeBase64(t, a[0], nil, false)
		}),
	)
}

// encodeWith wraps an encoder whose output is at most twice its input and a
// little.
func encodeWith(encode func([]byte) string) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		s := a[0].(object.Bytes)
		if err := native.Charge(t, 3*len(s)+16); err != nil {
			return nil, err
		}
		return object.Bytes(encode([]byte(s))), nil
	}
}

// altchars are the two characters that replace + and /.
func altchars(v object.Value) (string, error) {
	if native.IsNone(v) {
		return "", nil
	}
	s, err := native.ASCII(v)
	if err == nil && len(s) != 2 {
		err = object.Raise(object.AssertionError, "altchars must be two characters, not %d", len(s))
	}
	return s, err
}

func b64Encode(t *object.Thread, v, alt object.Value) (object.Value, error) {
	out, err := encodeWith(base64.StdEncoding.EncodeToString)(t, []object.Value{v})
	if err != nil {
		return nil, err
	}
	chars, err := altchars(alt)
	if err != nil || chars == "" {
		return out, err
	}
	r := strings.NewReplacer("+", chars[:1], "/", chars[1:])
	return object.Bytes(r.Replace(string(out.(object.Bytes)))), nil
}

// DecodeBase64 decodes str or bytes as b64decode does. Two characters alt stand for + and
// /, unless it is None; strict accepts the characters of base64 alone.
func DecodeBase64(t *object.Thread, v, alt object.Value, strict bool) (object.Value, error) {
	s, err := native.ASCII(v)
	if err != nil {
		return nil, err
	}
	if err := native.Charge(t, 2*len(s)); err != nil {
		return nil, err
	}
	chars, err := altchars(alt)
	if err != nil {
		return nil, err
	}
	if chars != "" {
		s = strings.NewReplacer(chars[:1], "+", chars[1:], "/").Replace(s)
	}
	out, problem := decode64(s, strict)
	if problem != "" {
		return nil, object.Raise(binasciiError, "%s", problem)
	}
	return object.Bytes(out), nil
}

const digits64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// decode64 reads base64 as binascii does: unless it is strict, it skips characters
// that are not base64 and ends at the padding.
func decode64(s string, strict bool) (out []byte, problem string) {
	if strict && strings.HasPrefix(s, "=") {
		return nil, "Leading padding not allowed"
	}
	digits, pads, padding := make([]byte, 0, len(s)), 0, false
	for i := range len(s) {
		isDigit := strings.IndexByte(digits64, s[i]) >= 0
		switch {
		case s[i] == '=':
			padding = true
			if pads++; len(digits)%4 < 2 || len(digits)%4+pads < 4 {
				continue
			}
			if strict && i+1 < len(s) {
				return nil, "Excess data after padding"
			}
			out, _ = base64.RawStdEncoding.DecodeString(string(digits)) // all are digits
			return out, ""
		case !isDigit && strict:
			return nil, "Only base64 data is allowed"
		case isDigit && strict && padding:
			return nil, "Discontinuous padding not allowed"
		case isDigit:
			digits, pads = append(digits, s[i]), 0
		}
	}
	switch len(digits) % 4 {
	case 0:
		out, _ = base64.StdEncoding.DecodeString(string(digits))
		return out, ""
	case 1:
		n := strconv.Itoa(len(digits))
		return nil, "Invalid base64-encoded string: number of data characters (" + n +
			") cannot be 1 more than a multiple of 4"
	}
	return nil, "Incorrect padding"
}

// Base64Lines writes lines of 76 characters.
func Base64Lines(data []byte) string {
	var b strings.Builder
	for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(data)), 76) {
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.String()
}
