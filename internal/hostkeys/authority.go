package hostkeys

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"mdserver/internal/instance"
)

// authorityNote is the key of the note with the private key of the authority.
const authorityNote = "ssh_host_ca"

// skew is how far the clock of an SSH client may be behind ours.
const skew = time.Hour

// maxPrincipals is what OpenSSH accepts in one certificate
// (SSHKEY_CERT_MAX_PRINCIPALS in sshkey.h).
const maxPrincipals = 256

var errNameless = errors.New("the guest has neither a name nor an address")

// Authority certifies the host keys of guests, for clients that trust its key.
type Authority struct{ signer ssh.Signer }

// OpenAuthority reads the key of the authority from the notes, and makes it
// where there is none. It is kept there so that each backup has it.
func OpenAuthority(ctx context.Context, notes Notes) (*Authority, error) {
	text, err := notes.Note(ctx, authorityNote)
	if err == nil && text == "" {
		if text, err = newKey(); err == nil {
			err = notes.SetNote(ctx, authorityNote, text)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ssh host authority: %w", err)
	}
	signer, err := ssh.ParsePrivateKey([]byte(text))
	if err != nil {
		return nil, errors.New("ssh host authority: its key in the database cannot be read; restore a backup") // the reason might quote the key
	}
	return &Authority{signer}, nil
}

// newKey makes a private key in OpenSSH's format.
func newKey() (string, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	block, err := ssh.MarshalPrivateKey(key, "mdserver host authority")
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(block)), nil
}

// PublicKey is what clients trust.
func (a *Authority) PublicKey() ssh.PublicKey { return a.signer.PublicKey() }

// Certify signs host certificates of a guest, one for each of its keys that is
// acceptable. They name the guest as the Directory does, and nothing else.
//
// Source: PROTOCOL.certkeys of OpenSSH.
func (a *Authority) Certify(guest *instance.Instance, names Directory, keys []ssh.PublicKey, lifetime time.Duration) ([]*ssh.Certificate, error) {
	principals := names.Names(guest)
	for _, addr := range Addresses(guest) {
		principals = append(principals, addr.String())
	}
	// A certificate without principals would hold for every host.
	if len(principals) == 0 {
		return nil, errNameless
	}
	principals = principals[:min(len(principals), maxPrincipals)]
	good, _ := Acceptable(keys) // Keep says why others are not
	now := time.Now()
	var list []*ssh.Certificate
	for _, key := range good {
		certificate := &ssh.Certificate{
			Key: key, CertType: ssh.HostCert, Serial: newSerial(),
			KeyId:           fmt.Sprintf("%s %s %s", guest.Hostname, guest.UUID, guest.ID),
			ValidPrincipals: principals,
			ValidAfter:      uint64(now.Add(-skew).Unix()),
			ValidBefore:     uint64(now.Add(lifetime).Unix()),
		}
		if err := certificate.SignCert(rand.Reader, a.signer); err != nil {
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
