package crypto

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"math/big"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// maxToken bounds a secret, in bytes.
const maxToken = 1 << 20

// Secrets makes the module secrets.
func Secrets() native.Members {
	m := native.Functions(
		native.Func("randbelow", "exclusive_upper_bound:int", func(t *object.Thread, a []object.Value) (object.Value, error) {
			n := native.Integer(a[0])
			if n.Sign() <= 0 {
				return nil, object.Raise(object.ValueError, "Upper bound must be positive.")
			}
			r, _ := rand.Int(rand.Reader, n) // the only error is the reader's, which never fails
			return object.MakeInt(r), t.Work(n.BitLen() / 8)
		}),
		native.Func("choice", "seq", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return native.Choice(t, a[0], func(n int) int {
				r, _ := rand.Int(rand.Reader, big.NewInt(int64(n)))
				return int(r.Int64())
			})
		}).Python("Random.choice"),
		object.NewBuiltin("compare_digest", "a b /", compareDigest),
	)
	for name, f := range map[string]func([]byte) object.Value{
		"token_bytes":   func(b []byte) object.Value { return object.Bytes(b) },
		"token_hex":     func(b []byte) object.Value { return object.Str(hex.EncodeToString(b)) },
		"token_urlsafe": func(b []byte) object.Value { return object.Str(base64.RawURLEncoding.EncodeToString(b)) },
	} {
		m[name] = native.Func(name, "nbytes:none+int?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			n := object.IntOr(a[0], 32)
			switch {
			case n < 0:
				return nil, object.Raise(object.ValueError, "negative argument not allowed")
			case n > maxToken:
				return nil, object.Raise(object.ValueError, "a secret of %d bytes is too long, at most %d are supported", n, maxToken)
			}
			if err := native.Charge(t, 3*n); err != nil {
				return nil, err
			}
			b := make([]byte, n)
			rand.Read(b) //nolint:errcheck // it never fails
			return f(b), nil
		})
	}
	return m
}
