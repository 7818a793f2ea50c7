package imds

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync"
	"time"

	"github.com/google/uuid"
)

// The lifetimes that AWS documents for a token.
const (
	MinTTL = time.Second
	MaxTTL = 6 * time.Hour
)

// Why a token is not accepted.
var (
	ErrMalformed = errors.New("the token is malformed")
	ErrForeign   = errors.New("the token is another guest's or another server's")
	ErrExpired   = errors.New("the token has expired")
)

const (
	keySize    = 32
	expirySize = 8 // seconds since 1970, big endian
	tokenSize  = expirySize + sha256.Size
)

var encoding = base64.RawURLEncoding.Strict()

// Key signs tokens. Whoever has it can make them: it is kept where only the
// server can read it, so that tokens outlive a restart.
type Key struct {
	secret []byte
	macs   *sync.Pool // of HMACs with the secret: to make one costs more than to use it
}

func newKey(secret []byte) Key {
	return Key{secret, &sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}
}

// NewKey makes a random key.
func NewKey() Key {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails
	return newKey(secret)
}

// ParseKey reads the text that Key.Text wrote.
func ParseKey(text string) (Key, error) {
	secret, err := hex.DecodeString(text)
	if err != nil || len(secret) != keySize {
		return Key{}, fmt.Errorf("the signing key of tokens is damaged: it is not %d hexadecimal digits", 2*keySize)
	}
	return newKey(secret), nil
}

// Text is the key in a form to keep. It is a secret.
func (k Key) Text() string { return hex.EncodeToString(k.secret) }

// String keeps the key out of logs.
func (k Key) String() string { return "signing key" }

// Issue makes a token for a guest that is good until expiry, to the second.
// Nothing about it is kept: the token itself says when it ends, and its
// signature covers that and the guest's UUID.
func (k Key) Issue(guest uuid.UUID, expiry time.Time) string {
	token := make([]byte, expirySize, tokenSize)
	binary.BigEndian.PutUint64(token, uint64(expiry.Unix()))
	return encoding.EncodeToString(k.sign(token, guest))
}

// Verify checks a token that a guest sent.
// Errors: ErrMalformed, ErrForeign, ErrExpired.
func (k Key) Verify(token string, guest uuid.UUID, now time.Time) error {
	if len(token) != encoding.EncodedLen(tokenSize) {
		return ErrMalformed
	}
	var buf [tokenSize]byte
	if _, err := encoding.Decode(buf[:], []byte(token)); err != nil {
		return ErrMalformed
	}
	var space [tokenSize]byte
	want := k.sign(append(space[:0], buf[:expirySize]...), guest)
	if !hmac.Equal(want, buf[:]) {
		return ErrForeign
	}
	if expiry := int64(binary.BigEndian.Uint64(buf[:])); now.Unix() >= expiry {
		return ErrExpired
	}
	return nil
}

// sign appends to an expiry its signature for a guest.
func (k Key) sign(expiry []byte, guest uuid.UUID) []byte {
	mac := k.macs.Get().(hash.Hash)
	defer k.macs.Put(mac)
	mac.Reset()
	mac.Write(expiry)
	mac.Write(guest[:])
	return mac.Sum(expiry)
}
