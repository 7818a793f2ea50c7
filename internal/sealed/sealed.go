// Package sealed keeps secrets from those who can read where they are stored: it
// seals them with a key that each host has in a file.
//
// A sealed text is the ID of the key, a random nonce and the ciphertext of
// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), in base64. It opens under the name that
// it was sealed with, and no other.
package sealed

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

var (
	// ErrOtherKey: the text was sealed with a key that is not in the file.
	ErrOtherKey = errors.New("it was sealed with another key")
	// ErrDamaged: the text was altered, or sealed under another name.
	ErrDamaged = errors.New("it is damaged")
)

const (
	idSize = 8 // bytes
	accept = "lines of 44 characters in base64, as `mdserver store key` makes them"
	// mostKeys bounds a file.
	mostKeys = 16
)

// Keys are the keys of a file. The first one seals, and each of them opens.
type Keys struct{ list []key }

type key struct {
	aead cipher.AEAD
	id   [idSize]byte
}

// NewKey makes a random key, as a line of a file.
func NewKey() string {
	secret := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(secret) // never fails
	return base64.StdEncoding.EncodeToString(secret) + "\n"
}

// ReadFile reads keys, one a line. Empty lines and those that begin with # are
// skipped. A file that all users can read or change is refused. No error has a key in
// it.
func ReadFile(path string) (Keys, error) {
	file, err := os.Open(path)
	if err != nil {
		return Keys{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return Keys{}, err
	case !info.Mode().IsRegular():
		return Keys{}, fmt.Errorf("%s is not a regular file", path)
	case info.Mode()&0o027 != 0:
		return Keys{}, fmt.Errorf("%s has the mode %#o, accepted: a mode that gives nothing to others and no writing to the group, such as 0600", path, info.Mode().Perm())
	}
	var keys Keys
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		one, err := parse(line)
		if err != nil || len(keys.list) == mostKeys {
			return Keys{}, fmt.Errorf("%s:%d: not a key, accepted: at most %d %s", path, n, mostKeys, accept)
		}
		keys.list = append(keys.list, one)
	}
	switch err := lines.Err(); {
	case err != nil:
		return Keys{}, fmt.Errorf("%s: not a file of keys, accepted: %s", path, accept)
	case len(keys.list) == 0:
		return Keys{}, fmt.Errorf("%s has no key, accepted: %s", path, accept)
	}
	return keys, nil
}

func parse(line string) (key, error) {
	secret, err := base64.StdEncoding.Strict().DecodeString(line)
	if err != nil {
		return key{}, err
	}
	aead, err := chacha20poly1305.NewX(secret)
	if err != nil {
		return key{}, err
	}
	sum := sha256.Sum256(append([]byte("mdserver store key\n"), secret...))
	return key{aead, [idSize]byte(sum[:])}, nil
}

// Seal seals a secret under a name.
func (k Keys) Seal(name string, secret []byte) string {
	first := k.list[0]
	text := append([]byte{}, first.id[:]...)
	nonce := make([]byte, first.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	text = append(text, nonce...)
	return base64.StdEncoding.EncodeToString(first.aead.Seal(text, nonce, secret, []byte(name)))
}

// Open opens a sealed text. old reports whether another key than the first one has
// sealed it. Errors: ErrOtherKey, ErrDamaged.
func (k Keys) Open(name, text string) (secret []byte, old bool, err error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(data) < idSize+chacha20poly1305.NonceSizeX {
		return nil, false, ErrDamaged
	}
	for i, one := range k.list {
		if !bytes.Equal(one.id[:], data[:idSize]) {
			continue
		}
		rest := data[idSize:]
		secret, err := one.aead.Open(nil, rest[:one.aead.NonceSize()], rest[one.aead.NonceSize():], []byte(name))
		if err != nil {
			return nil, false, ErrDamaged
		}
		return secret, i > 0, nil
	}
	return nil, false, ErrOtherKey
}
