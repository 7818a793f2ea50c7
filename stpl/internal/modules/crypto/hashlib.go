// Package crypto is Python's hashlib, hmac, secrets and crypt.
package crypto

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding"
	"encoding/hex"
	"hash"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// algorithms are the hash functions with a digest of fixed length.
var algorithms = map[string]func() hash.Hash{
	"md5":      md5.New,
	"sha1":     sha1.New,
	"sha224":   sha256.New224,
	"sha256":   sha256.New,
	"sha384":   sha512.New384,
	"sha512":   sha512.New,
	"sha3_224": func() hash.Hash { return sha3.New224() },
	"sha3_256": func() hash.Hash { return sha3.New256() },
	"sha3_384": func() hash.Hash { return sha3.New384() },
	"sha3_512": func() hash.Hash { return sha3.New512() },
}

// Hashlib makes the module hashlib.
func Hashlib() native.Members {
	m := native.Members{}
	for name, make := range algorithms {
		m[name] = object.NewBuiltin(name, "string? * usedforsecurity?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return newDigest(t, name, make(), a[0])
		})
	}
	m["new"] = native.Func("__hash_new", "name data? * usedforsecurity?", func(t *object.Thread, a []object.Value) (object.Value, error) {
		if _, ok := a[0].(object.Str); !ok {
			return nil, object.Raise(object.TypeError, "name must be a string")
		}
		name, make, err := hashName(a[0])
		if err != nil {
			return nil, err
		}
		return newDigest(t, name, make(), a[1])
	})
	m["pbkdf2_hmac"] = object.NewBuiltin("pbkdf2_hmac", "hash_name password:bytes salt:bytes iterations:int dklen:none+int?", pbkdf2HMAC)
	return m
}

// digest is a hash object.
type digest struct {
	name string
	h    hash.Hash
}

func newDigest(t *object.Thread, name string, h hash.Hash, data object.Value) (object.Value, error) {
	d := &digest{name, h}
	if err := t.Alloc(512); err != nil {
		return nil, err
	}
	if data == nil {
		return d, nil
	}
	return d, d.update(t, data)
}

func (d *digest) update(t *object.Thread, data object.Value) error {
	if _, ok := data.(object.Str); ok {
		return object.Raise(object.TypeError, "Strings must be encoded before hashing")
	}
	b, ok := data.(object.Bytes)
	if !ok {
		return object.Raise(object.TypeError, "object supporting the buffer API required")
	}
	if err := native.Charge(t, len(b)); err != nil {
		return err
	}
	_, err := d.h.Write([]byte(b))
	return err
}

func (d *digest) copy() (*digest, error) {
	state, ok := d.h.(encoding.BinaryMarshaler)
	make := algorithms[d.name]
	if !ok || make == nil {
		return nil, object.Raise(object.NotImplementedError, "%s objects cannot be copied in templates", d.name)
	}
	b, err := state.MarshalBinary()
	if err != nil {
		return nil, err
	}
	c := &digest{d.name, make()}
	return c, c.h.(encoding.BinaryUnmarshaler).UnmarshalBinary(b)
}

// Class implements object.Value.
func (*digest) Class() *object.Type { return digestType }

var digestType = object.NewType("HASH", "_hashlib", object.Properties(map[string]func(*digest) object.Value{
	"name":        func(d *digest) object.Value { return object.Str(d.name) },
	"digest_size": func(d *digest) object.Value { return object.Int(d.h.Size()) },
	"block_size":  func(d *digest) object.Value { return object.Int(d.h.BlockSize()) },
})).Define(
	object.Method("update", "data", func(t *object.Thread, d *digest, a []object.Value) (object.Value, error) {
		return object.None, d.update(t, a[0])
	}),
	object.Method("digest", "", func(t *object.Thread, d *digest, _ []object.Value) (object.Value, error) {
		return object.Bytes(d.h.Sum(nil)), native.Charge(t, 256)
	}),
	object.Method("hexdigest", "", func(t *object.Thread, d *digest, _ []object.Value) (object.Value, error) {
		return object.Str(hex.EncodeToString(d.h.Sum(nil))), native.Charge(t, 256)
	}),
	object.Method("copy", "", func(t *object.Thread, d *digest, _ []object.Value) (object.Value, error) {
		if err := t.Alloc(512); err != nil {
			return nil, err
		}
		return d.copy()
	}),
)
