package hostkeys

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// The notes of the authority.
const (
	authorityNote = "ssh_host_ca" // the private key that signs
	// endNote is when the last certificate of that key ends, or later.
	endNote = "ssh_host_ca_end"
	// formerNote has a line for each former key: when its last certificate ends, and the
	// public key as in authorized_keys.
	formerNote = "ssh_host_ca_former"
)

// SecretNotes are the notes with keys of the authority. Hosts that share them have one
// authority.
func SecretNotes() []string { return []string{authorityNote, formerNote} }

// endStep is how much later than needed endNote is set, so that it is not written for
// each certificate.
const endStep = 24 * time.Hour

// FormerKey is a key that signed certificates before.
type FormerKey struct {
	Key   ssh.PublicKey
	Until time.Time // its certificates have ended by then
}

// authorityState is what the notes of the authority say.
type authorityState struct {
	signer ssh.Signer
	end    time.Time   // of the signer's certificates
	former []FormerKey // the newest first
}

// PublicKeys returns what clients should trust: the key that signs, and former ones with
// certificates that may still be valid, the newest first.
func (a *Authority) PublicKeys() (ssh.PublicKey, []FormerKey) {
	s := a.state.Load()
	return s.signer.PublicKey(), s.formerAt(a.now())
}

// formerAt are the former keys with certificates that may be valid at a time.
func (s *authorityState) formerAt(now time.Time) []FormerKey {
	return slices.DeleteFunc(slices.Clone(s.former), func(f FormerKey) bool { return now.After(f.Until) })
}

// Refresh reads the keys again: another server with the same notes may have changed them.
func (a *Authority) Refresh(ctx context.Context) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	return a.read(ctx)
}

func (a *Authority) read(ctx context.Context) error {
	var texts [3]string
	for i, note := range []string{authorityNote, endNote, formerNote} {
		var err error
		if texts[i], err = a.notes.Note(ctx, note); err != nil {
			return fmt.Errorf("ssh host authority: %w", err)
		}
	}
	signer, err := ssh.ParsePrivateKey([]byte(texts[0]))
	if err != nil {
		return errors.New("ssh host authority: its key in the database cannot be read; restore a backup") // the reason might quote the key
	}
	next := &authorityState{signer: signer}
	if texts[1] != "" {
		if next.end, err = time.Parse(time.RFC3339, texts[1]); err != nil {
			return fmt.Errorf("ssh host authority: the note %s in the database: %w", endNote, err)
		}
	}
	for line := range strings.Lines(texts[2]) {
		key, err := parseFormer(strings.TrimSpace(line))
		if err != nil {
			return fmt.Errorf("ssh host authority: the note %s in the database: %w", formerNote, err)
		}
		if string(key.Key.Marshal()) != string(signer.PublicKey().Marshal()) { // a rotation was interrupted
			next.former = append(next.former, key)
		}
	}
	a.state.Store(next)
	return nil
}

func parseFormer(line string) (FormerKey, error) {
	until, text, _ := strings.Cut(line, " ")
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return FormerKey{}, err
	}
	end, err := time.Parse(time.RFC3339, until)
	return FormerKey{key, end}, err
}

func formatFormer(all []FormerKey) string {
	var text strings.Builder
	for _, f := range all {
		fmt.Fprintf(&text, "%s %s", f.Until.UTC().Format(time.RFC3339), ssh.MarshalAuthorizedKey(f.Key))
	}
	return text.String()
}

// signerUntil returns the key for certificates that end at a time, and records it.
func (a *Authority) signerUntil(ctx context.Context, end time.Time) (ssh.Signer, error) {
	if s := a.state.Load(); !end.After(s.end) {
		return s.signer, nil
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	s := *a.state.Load()
	if end.After(s.end) {
		s.end = end.Add(endStep)
		if err := a.notes.SetNote(ctx, endNote, s.end.UTC().Format(time.RFC3339)); err != nil {
			return nil, fmt.Errorf("ssh host authority: %w", err)
		}
		a.state.Store(&s)
	}
	return s.signer, nil
}

// Rotate makes another key, which signs from now on. The former one is still among the
// PublicKeys until its certificates have ended, at least for lifetime: a server that has
// not read the new key yet signs with the former one.
func (a *Authority) Rotate(ctx context.Context, lifetime time.Duration) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	if err := a.read(ctx); err != nil {
		return err
	}
	text, err := newKey()
	if err != nil {
		return fmt.Errorf("ssh host authority: %w", err)
	}
	now, s := a.now(), a.state.Load()
	until := now.Add(lifetime + endStep)
	if s.end.After(until) {
		until = s.end
	}
	former := append([]FormerKey{{s.signer.PublicKey(), until}}, s.formerAt(now)...)
	for _, note := range [][2]string{{formerNote, formatFormer(former)}, {authorityNote, text}, {endNote, ""}} {
		if err := a.notes.SetNote(ctx, note[0], note[1]); err != nil {
			return fmt.Errorf("ssh host authority: %w", err)
		}
	}
	return a.read(ctx)
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
