package hostkeys

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"mdserver/internal/inventory/storage"
)

// at is an authority whose clock shows this time.
func (h *house) authorityAt(now time.Time) *Authority {
	a := h.authority()
	a.now = func() time.Time { return now }
	return a
}

// trusted are the fingerprints of the keys that clients trust, the one that signs first.
func trusted(a *Authority) []string {
	key, former := a.PublicKeys()
	all := []string{ssh.FingerprintSHA256(key)}
	for _, f := range former {
		all = append(all, ssh.FingerprintSHA256(f.Key))
	}
	return all
}

func certify(t *testing.T, h *house, a *Authority, lifetime time.Duration) *ssh.Certificate {
	t.Helper()
	web, ok := h.inv.Snapshot().ByHostname("web")
	if !ok {
		web = h.start(1, "web", "mds")
	}
	list, err := a.Certify(t.Context(), web, h.directory(), []ssh.PublicKey{hostKey(t, 1)}, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// A former key is trusted until its last certificate has ended, also by a new server, and
// whatever the lifetime of certificates is by then.
func TestFormerKeysAreTrustedUntilTheirCertificatesEnd(t *testing.T) {
	h := newHouse(t)
	start := time.Now().Truncate(time.Second)
	a := h.authorityAt(start)
	first := trusted(a)[0]
	old := certify(t, h, a, month)
	const week = 7 * 24 * time.Hour
	if err := a.Rotate(t.Context(), week); err != nil {
		t.Fatal(err)
	}
	second := trusted(a)[0]
	if err := a.Rotate(t.Context(), week); err != nil {
		t.Fatal(err)
	}
	third := trusted(a)[0]
	if got := certify(t, h, a, month); ssh.FingerprintSHA256(got.SignatureKey) != third {
		t.Error("a former key signs")
	}
	for _, tt := range []struct {
		after time.Duration
		want  []string
	}{
		{0, []string{third, second, first}},
		{week, []string{third, second, first}}, // certificates that another server signed meanwhile
		{week + 2*endStep, []string{third, first}},
		{time.Unix(int64(old.ValidBefore), 0).Sub(start), []string{third, first}},
		{month + 2*endStep, []string{third}},
	} {
		if got := trusted(h.authorityAt(start.Add(tt.after))); !slices.Equal(got, tt.want) {
			t.Errorf("after %s these are trusted: %v, want %v", tt.after, got, tt.want)
		}
	}
}

// Servers that share a database sign with the key that one of them has made.
func TestRefreshFindsTheKeyOfAnotherServer(t *testing.T) {
	h := newHouse(t)
	a, b := h.authority(), h.authority()
	if err := a.Rotate(t.Context(), month); err != nil {
		t.Fatal(err)
	}
	if err := b.Refresh(t.Context()); err != nil || !slices.Equal(trusted(a), trusted(b)) {
		t.Errorf("one trusts %v, the other %v, %v", trusted(a), trusted(b), err)
	}
}

// refusing are notes of which one cannot be written.
type refusing struct {
	storage.Store
	key string
}

func (f refusing) SetNote(ctx context.Context, key, text string) error {
	if key == f.key {
		return errors.New("no space left on device")
	}
	return f.Store.SetNote(ctx, key, text)
}

// A rotation that fails midway loses no key that guests have certificates of, and a
// later one succeeds.
func TestInterruptedRotation(t *testing.T) {
	for _, note := range []string{formerNote, authorityNote, endNote} {
		t.Run(note, func(t *testing.T) {
			h := newHouse(t)
			a := h.authority()
			certificate := certify(t, h, a, month)
			a.notes = refusing{h.store, note}
			if err := a.Rotate(t.Context(), month); err == nil || err.Error() != "ssh host authority: no space left on device" {
				t.Fatalf("rotated: %v", err)
			}
			for name, server := range map[string]*Authority{"this server": a, "the next one": h.authority()} {
				if all := trusted(server); !slices.Contains(all, ssh.FingerprintSHA256(certificate.SignatureKey)) || len(slices.Compact(all)) != len(all) {
					t.Errorf("%s trusts %v", name, all)
				}
			}
			if next := h.authority(); next.Rotate(t.Context(), month) != nil || len(trusted(next)) < 2 {
				t.Errorf("the next rotation leads to %v", trusted(next))
			}
		})
	}
}

// A certificate whose end cannot be recorded is not signed: its key might be forgotten
// before it ends.
func TestUnrecordedCertificate(t *testing.T) {
	h := newHouse(t)
	a := h.authority()
	web := h.start(1, "web", "mds")
	a.notes = refusing{h.store, endNote}
	if list, err := a.Certify(t.Context(), web, h.directory(), []ssh.PublicKey{hostKey(t, 1)}, month); err == nil || err.Error() != "ssh host authority: no space left on device" || len(list) > 0 {
		t.Errorf("%d certificates, %v", len(list), err)
	}
}

// When certificates end is recorded once for many of them.
func TestEndIsRecordedOnce(t *testing.T) {
	h := newHouse(t)
	a := h.authorityAt(time.Now())
	notes := &counting{Store: h.store}
	a.notes = notes
	for range 3 {
		certify(t, h, a, month)
	}
	if notes.writes != 1 {
		t.Errorf("%d writes for three certificates", notes.writes)
	}
	if certify(t, h, a, month+2*endStep); notes.writes != 2 {
		t.Errorf("%d writes with one that ends later", notes.writes)
	}
}

func TestDamagedAuthorityNotes(t *testing.T) {
	key := bytes.TrimSpace(ssh.MarshalAuthorizedKey(hostKey(t, 1)))
	for note, texts := range map[string][]string{
		endNote:    {"x", "2026-13-01T00:00:00Z"},
		formerNote: {"x\n", "2026-11-29T00:00:00Z\n", "2026-11-29T00:00:00Z ssh-ed25519 AAAA\n", "x " + string(key) + "\n", "\n"},
	} {
		for _, text := range texts {
			h := newHouse(t)
			h.authority()
			if err := h.store.SetNote(t.Context(), note, text); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenAuthority(t.Context(), h.store); err == nil || !strings.HasPrefix(err.Error(), "ssh host authority: the note "+note+" in the database: ") {
				t.Errorf("%s: %q: %v", note, text, err)
			}
		}
	}
}

// ailing are notes that cannot be read after some have been.
type ailing struct {
	storage.Store
	reads int
}

func (a *ailing) Note(ctx context.Context, key string) (string, error) {
	if a.reads--; a.reads < 0 {
		return "", errBroken
	}
	return a.Store.Note(ctx, key)
}

// A key that cannot be read is not replaced, and one that is known stays in use.
func TestUnreadableAuthority(t *testing.T) {
	h := newHouse(t)
	a := h.authority()
	before, err := h.store.Note(t.Context(), authorityNote)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(t.Context(), &ailing{Store: h.store}); !errors.Is(err, errBroken) {
		t.Errorf("opened: %v", err)
	}
	known := trusted(a)
	for reads := range 3 {
		a.notes = &ailing{Store: h.store, reads: reads}
		if err := a.Refresh(t.Context()); !errors.Is(err, errBroken) || err.Error() != "ssh host authority: input/output error" || !slices.Equal(trusted(a), known) {
			t.Errorf("refreshed after %d reads: %v", reads, err)
		}
		if err := a.Rotate(t.Context(), month); !errors.Is(err, errBroken) {
			t.Errorf("rotated after %d reads: %v", reads, err)
		}
	}
	if after, err := h.store.Note(t.Context(), authorityNote); err != nil || after != before {
		t.Errorf("the key is another one, %v", err)
	}
	a.notes = &ailing{Store: h.store, reads: 3} // the new key is written, and cannot be read again
	if err := a.Rotate(t.Context(), month); !errors.Is(err, errBroken) {
		t.Errorf("rotated: %v", err)
	}
}

// The notes that hosts share have all keys of the authority.
func TestSecretNotes(t *testing.T) {
	h := newHouse(t)
	a := h.authority()
	certify(t, h, a, month)
	if err := a.Rotate(t.Context(), month); err != nil {
		t.Fatal(err)
	}
	other := newHouse(t)
	for _, note := range SecretNotes() {
		text, err := h.store.Note(t.Context(), note)
		if err == nil {
			err = other.store.SetNote(t.Context(), note, text)
		}
		if err != nil || text == "" {
			t.Fatalf("%s is %q, %v", note, text, err)
		}
	}
	if got, want := trusted(other.authority()), trusted(a); !slices.Equal(got, want) {
		t.Errorf("another host trusts %v, want %v", got, want)
	}
}
