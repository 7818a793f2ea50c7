package hostkeys

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
)

// Limits of what a guest can have the server keep.
const (
	maxKeys      = 8
	maxKeySize   = 4 << 10 // bytes in SSH's wire format; RSA with 16384 bits has 2 KiB
	maxChanges   = 8
	leastRSABits = 2048
)

// Record is what is kept of one guest. A Record is never changed.
type Record struct {
	InstanceID string
	Keys       []ssh.PublicKey // the preferred ones first
	Since      time.Time       // when a report first had these keys
	Reported   time.Time       // the last report
	Changes    []Change        // under this instance-id, the oldest first
}

// Change is a report with other keys than the one before, under the same
// instance-id.
type Change struct {
	At      time.Time `json:"at"`
	Added   []string  `json:"added,omitempty"`   // fingerprints
	Removed []string  `json:"removed,omitempty"` // fingerprints
}

// preferred are the algorithms of keys that are kept, in the order in which
// OpenSSH prefers them.
var preferred = []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA}

// acceptableKeys returns the host keys that are kept of those that a guest reports:
// each once, the preferred ones first. Of too many, the preferred ones are kept. The error
// says why others are not.
func acceptableKeys(keys []ssh.PublicKey) ([]ssh.PublicKey, error) {
	var good []ssh.PublicKey
	var errs []error
	for _, key := range keys {
		if err := acceptable(key); err != nil {
			errs = append(errs, err)
			continue
		}
		if !slices.ContainsFunc(good, func(other ssh.PublicKey) bool { return compare(key, other) == 0 }) {
			good = append(good, key)
		}
	}
	slices.SortFunc(good, compare)
	if len(good) > maxKeys {
		errs = append(errs, fmt.Errorf("%d keys, at most %d are kept", len(good), maxKeys))
		good = good[:maxKeys]
	}
	return good, errors.Join(errs...)
}

func acceptable(key ssh.PublicKey) error {
	if !slices.Contains(preferred, key.Type()) {
		return fmt.Errorf("a host key of the type %q, accepted: %q", key.Type(), preferred)
	}
	if size := len(key.Marshal()); size > maxKeySize {
		return fmt.Errorf("a host key of %d bytes, at most %d are accepted", size, maxKeySize)
	}
	if crypto, ok := key.(ssh.CryptoPublicKey); ok {
		if public, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok && public.N.BitLen() < leastRSABits {
			return fmt.Errorf("an RSA host key of %d bits, at least %d are accepted", public.N.BitLen(), leastRSABits)
		}
	}
	return nil
}

func compare(a, b ssh.PublicKey) int {
	return cmp.Or(cmp.Compare(slices.Index(preferred, a.Type()), slices.Index(preferred, b.Type())), bytes.Compare(a.Marshal(), b.Marshal()))
}

// next is the record after a report.
func (r Record) next(instanceID string, keys []ssh.PublicKey, now time.Time) Record {
	same := func(a, b ssh.PublicKey) bool { return compare(a, b) == 0 }
	switch {
	case r.InstanceID != instanceID:
		return Record{InstanceID: instanceID, Keys: keys, Since: now, Reported: now}
	case slices.EqualFunc(r.Keys, keys, same):
		r.Reported = now
		return r
	}
	change := Change{At: now, Added: without(keys, r.Keys), Removed: without(r.Keys, keys)}
	changes := append(slices.Clone(r.Changes), change)
	return Record{
		InstanceID: instanceID, Keys: keys, Since: now, Reported: now,
		Changes: changes[max(0, len(changes)-maxChanges):],
	}
}

// without lists the fingerprints of keys that others do not have.
func without(keys, others []ssh.PublicKey) []string {
	var list []string
	for _, key := range keys {
		if !slices.ContainsFunc(others, func(other ssh.PublicKey) bool { return compare(key, other) == 0 }) {
			list = append(list, ssh.FingerprintSHA256(key))
		}
	}
	return list
}

// stored is a Record as a note.
type stored struct {
	InstanceID string    `json:"instance_id"`
	Keys       [][]byte  `json:"keys"` // in SSH's wire format
	Since      time.Time `json:"since"`
	Reported   time.Time `json:"reported"`
	Changes    []Change  `json:"changes,omitempty"`
}

// text is the record as a note, "" for the zero Record.
func (r Record) text() string {
	if len(r.Keys) == 0 {
		return ""
	}
	s := stored{InstanceID: r.InstanceID, Since: r.Since, Reported: r.Reported, Changes: r.Changes}
	for _, key := range r.Keys {
		s.Keys = append(s.Keys, key.Marshal())
	}
	text, _ := json.Marshal(s) // it has nothing that JSON cannot have
	return string(text)
}

func parseRecord(text string) (Record, error) {
	var s stored
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return Record{}, err
	}
	r := Record{InstanceID: s.InstanceID, Since: s.Since, Reported: s.Reported, Changes: s.Changes}
	for _, data := range s.Keys {
		key, err := ssh.ParsePublicKey(data)
		if err != nil {
			return Record{}, err
		}
		if err := acceptable(key); err != nil {
			return Record{}, err
		}
		r.Keys = append(r.Keys, key)
	}
	if len(r.Keys) == 0 {
		return Record{}, errors.New("it has no keys")
	}
	return r, nil
}
