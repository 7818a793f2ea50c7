package crypto

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/subtle"
	"hash"
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// spelling turns OpenSSL's names of hash functions into those of hashlib.
var spelling = strings.NewReplacer("sha-", "sha", "-", "_")

// hashName resolves "sha256", "SHA-256" or hashlib.sha256.
func hashName(v object.Value) (string, func() hash.Hash, error) {
	name := ""
	switch v := v.(type) {
	case object.Str:
		name = spelling.Replace(strings.ToLower(string(v)))
	case *object.Builtin:
		name = v.Name
	}
	if f := algorithms[name]; f != nil {
		return name, f, nil
	}
	r, _ := v.(object.Str)
	return "", nil, object.Raise(object.ValueError, "unsupported hash type %s", string(r))
}

// HMAC makes the module hmac.
func HMAC() native.Members {
	return native.Functions(
		native.Func("new", "key:bytes msg? digestmod?", newHMAC),
		native.Func("digest", "key:bytes msg digest", func(t *object.Thread, a []object.Value) (object.Value, error) {
			d, err := newHMAC(t, a)
			if err != nil {
				return nil, err
			}
			return object.CallMethod(t, d, "digest", &object.Args{})
		}),
		object.NewBuiltin("compare_digest", "a b /", compareDigest),
	)
}

func newHMAC(t *object.Thread, a []object.Value) (object.Value, error) {
	key := string(a[0].(object.Bytes))
	if native.IsNone(a[2]) {
		return nil, object.Raise(object.TypeError, "Missing required parameter 'digestmod'.")
	}
	name, make, err := hashName(a[2])
	if err != nil {
		return nil, err
	}
	if err := native.Charge(t, len(key)); err != nil {
		return nil, err
	}
	message := a[1]
	if native.IsNone(message) {
		message = nil
	}
	return newDigest(t, "hmac-"+name, hmac.New(make, []byte(key)), message)
}

func compareDigest(_ *object.Thread, a []object.Value) (object.Value, error) {
	x, err := native.ASCII(a[0])
	if err != nil {
		return nil, err
	}
	y, err := native.ASCII(a[1])
	if err != nil {
		return nil, err
	}
	return object.Bool(subtle.ConstantTimeCompare([]byte(x), []byte(y)) == 1), nil
}

// maxDerived bounds a derived key; no cipher wants more.
const maxDerived = 1 << 16

func pbkdf2HMAC(t *object.Thread, a []object.Value) (object.Value, error) {
	_, make, err := hashName(a[0])
	if err != nil {
		return nil, err
	}
	password := string(a[1].(object.Bytes))
	salt := string(a[2].(object.Bytes))
	rounds := object.IntOr(a[3], 0)
	size := object.IntOr(a[4], make().Size())
	if rounds < 1 || size < 1 || size > maxDerived {
		return nil, object.Raise(object.ValueError, "iterations and dklen must be greater than 0, and dklen at most %d", maxDerived)
	}
	blocks := (size + make().Size() - 1) / make().Size()
	if rounds > 1<<24 {
		rounds = 1 << 24 // more steps than any limit allows
	}
	if err := t.Charge(len(password)+len(salt)+size, 64*rounds*blocks); err != nil { // four steps for each round
		return nil, err
	}
	key, err := pbkdf2.Key(make, password, []byte(salt), rounds, size)
	if err != nil {
		return nil, object.Raise(object.ValueError, "%v", err)
	}
	return object.Bytes(key), nil
}
