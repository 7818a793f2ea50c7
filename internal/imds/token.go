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

	"mdserver/internal/boottime"
)

// The lifetimes that AWS documents for a token.
const (
	MinTTL = time.Second
	MaxTTL = 6 * time.Hour
)

// Why a token is not accepted.
var (
	ErrMalformed = errors.New("the token is malformed")
	ErrForeign   = errors.New("the token belongs to another guest or server, or is from before the host's boot")
	ErrExpired   = errors.New("the token has expired")
)

const (
	keySize    = 32
	expirySize = 8 // nanoseconds of Key.Now, big endian
	tokenSize  = expirySize + sha256.Size
)

var encoding = base64.RawURLEncoding.Strict()

// Key signs tokens. A process that has it can make tokens, so only the server can
// read it. It is stored, so that tokens outlive a restart.
//
// Tokens end by the time since the host's boot, which cannot be set, so they are
// valid during one boot only. A key that several hosts share has no boot: its tokens
// end by the clock.
type Key struct {
	secret []byte
	boot   uuid.UUID  // the nil UUID for a shared key
	macs   *sync.Pool // of HMACs with the secret: to make one costs more than to use it
}

func newKey(secret []byte) Key {
	boot, err := boottime.ID()
	if err != nil {
		boot = uuid.New() // tokens then end with this process
	}
	return keyOf(secret, boot)
}

func keyOf(secret []byte, boot uuid.UUID) Key {
	return Key{secret, boot, &sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}
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

// Shared is the key for tokens that all hosts with it accept, so that a guest may move.
func (k Key) Shared() Key { return keyOf(k.secret, uuid.Nil) }

// Now is the present time of the key's tokens.
func (k Key) Now() time.Duration {
	if k.boot == uuid.Nil {
		return time.Duration(time.Now().UnixNano())
	}
	return boottime.Now()
}

// Text is the key in a form to keep. It is a secret.
func (k Key) Text() string { return hex.EncodeToString(k.secret) }

// String keeps the key out of logs.
func (k Key) String() string { return "signing key" }

// Issue makes a token for a guest that is good until expiry, a time of
// Key.Now. Nothing about it is kept: the token itself says when it ends, and
// its signature covers that, the guest's UUID and the boot.
func (k Key) Issue(guest uuid.UUID, expiry time.Duration) string {
	token := make([]byte, expirySize, tokenSize)
	binary.BigEndian.PutUint64(token, uint64(expiry))
	return encoding.EncodeToString(k.sign(token, guest))
}

// Verify checks a token that a guest sent, at a time of Key.Now.
// Errors: ErrMalformed, ErrForeign, ErrExpired.
func (k Key) Verify(token string, guest uuid.UUID, now time.Duration) error {
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
	left := time.Duration(binary.BigEndian.Uint64(buf[:])) - now
	switch {
	case left <= 0:
		return ErrExpired
	case left > MaxTTL:
		return ErrForeign // issued by a clock other than this one
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
	mac.Write(k.boot[:])
	return mac.Sum(expiry)
}
