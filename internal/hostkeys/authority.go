package hostkeys

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"mdserver/internal/instance"
)

// skew is how far the clock of an SSH client may be behind ours.
const skew = time.Hour

// maxPrincipals is what OpenSSH accepts in one certificate
// (SSHKEY_CERT_MAX_PRINCIPALS in sshkey.h).
const maxPrincipals = 256

var errNameless = errors.New("the guest has neither a name nor an address")

// Authority certifies the host keys of guests, for clients that trust its key. Make it
// with OpenAuthority. It is safe for concurrent use.
type Authority struct {
	notes Notes
	now   func() time.Time

	changing sync.Mutex // held while the notes are read or written
	state    atomic.Pointer[authorityState]
}

// OpenAuthority reads the keys of the authority from the notes, and makes the one that
// signs where there is none. They are kept there so that each backup has them.
func OpenAuthority(ctx context.Context, notes Notes) (*Authority, error) {
	a := &Authority{notes: notes, now: time.Now}
	text, err := notes.Note(ctx, authorityNote)
	if err == nil && text == "" {
		if text, err = newKey(); err == nil {
			err = notes.SetNote(ctx, authorityNote, text)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ssh host authority: %w", err)
	}
	return a, a.Refresh(ctx)
}

// Certify signs host certificates of a guest, one for each of its keys that is
// acceptable. They name the guest as the Directory does, and nothing else. It fails if
// it cannot be recorded how long the certificates are valid.
//
// Source: PROTOCOL.certkeys of OpenSSH.
func (a *Authority) Certify(ctx context.Context, guest *instance.Instance, names Directory, keys []ssh.PublicKey, lifetime time.Duration) ([]*ssh.Certificate, error) {
	principals := names.Names(guest)
	for _, addr := range Addresses(guest) {
		principals = append(principals, addr.String())
	}
	// A certificate without principals would hold for every host.
	if len(principals) == 0 {
		return nil, errNameless
	}
	principals = principals[:min(len(principals), maxPrincipals)]
	good, _ := acceptableKeys(keys) // Keep says why others are not
	now := a.now()
	end := now.Add(lifetime)
	signer, err := a.signerUntil(ctx, end)
	if err != nil {
		return nil, err
	}
	var list []*ssh.Certificate
	for _, key := range good {
		certificate := &ssh.Certificate{
			Key: key, CertType: ssh.HostCert, Serial: newSerial(),
			KeyId:           fmt.Sprintf("%s %s %s", guest.Hostname, guest.UUID, guest.ID),
			ValidPrincipals: principals,
			ValidAfter:      uint64(now.Add(-skew).Unix()),
			ValidBefore:     uint64(end.Unix()),
		}
		if err := certificate.SignCert(rand.Reader, signer); err != nil {
			return nil, fmt.Errorf("sign a host certificate: %w", err)
		}
		list = append(list, certificate)
	}
	return list, nil
}

func newSerial() uint64 {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return binary.BigEndian.Uint64(random[:])
}
