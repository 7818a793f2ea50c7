package hostkeys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func newKeyOf(t *testing.T, public any) ssh.PublicKey {
	t.Helper()
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) ssh.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return newKeyOf(t, &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537})
}

func TestAcceptable(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, ed, good := newKeyOf(t, &curve.PublicKey), hostKey(t, 1), rsaKey(t, 2048)
	signer, err := ssh.NewSignerFromKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &ssh.Certificate{Key: ed, CertType: ssh.HostCert}
	if err := certificate.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	p, q := new(big.Int).SetBit(big.NewInt(1), 1023, 1), new(big.Int).SetBit(big.NewInt(1), 159, 1)
	dsa, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Name       string
		P, Q, G, Y *big.Int
	}{"ssh-dss", p, q, big.NewInt(2), big.NewInt(3)}))
	if err != nil {
		t.Fatal(err)
	}
	many := []ssh.PublicKey{}
	for n := range 20 {
		many = append(many, hostKey(t, n))
	}
	for _, tt := range []struct {
		name string
		keys []ssh.PublicKey
		want int
		says string
	}{
		{"nothing", nil, 0, ""},
		{"one of each", []ssh.PublicKey{good, ec, ed}, 3, ""},
		{"one twice", []ssh.PublicKey{ed, ed}, 1, ""},
		{"a short RSA key", []ssh.PublicKey{rsaKey(t, 1024), ed}, 1, "of 1024 bits, at least 2048"},
		{"the shortest RSA key", []ssh.PublicKey{rsaKey(t, 2048)}, 1, ""},
		{"an RSA key that is a bit shorter", []ssh.PublicKey{rsaKey(t, 2047), ed}, 1, "of 2047 bits, at least 2048"},
		{"a long RSA key", []ssh.PublicKey{rsaKey(t, 16384)}, 1, ""},
		{"the largest RSA key", []ssh.PublicKey{rsaKey(t, 4073*8)}, 1, ""},
		{"an RSA key that is a byte longer", []ssh.PublicKey{rsaKey(t, 4074*8)}, 0, "of 4097 bytes, at most 4096"},
		{"a huge RSA key", []ssh.PublicKey{rsaKey(t, 65536)}, 0, "at most 4096"},
		{"DSA", []ssh.PublicKey{dsa, ed}, 1, `type "ssh-dss"`},
		{"a certificate", []ssh.PublicKey{certificate}, 0, "ssh-ed25519-cert-v01@openssh.com"},
		{"too many", many, maxKeys, "20 keys"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := acceptableKeys(tt.keys)
			if len(got) != tt.want || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%d keys, %v; want %d, %q", len(got), err, tt.want, tt.says)
			}
		})
	}
	slices.Reverse(many)
	reversed, _ := acceptableKeys(append([]ssh.PublicKey{good, ec}, many...))
	slices.Reverse(many)
	forward, _ := acceptableKeys(many)
	if !slices.EqualFunc(forward, reversed, func(a, b ssh.PublicKey) bool { return compare(a, b) == 0 }) {
		t.Error("of too many keys, others are kept in another order")
	}
	got, _ := acceptableKeys([]ssh.PublicKey{good, ec, ed})
	if got[0].Type() != ssh.KeyAlgoED25519 || got[1].Type() != ssh.KeyAlgoECDSA256 || got[2].Type() != ssh.KeyAlgoRSA {
		t.Errorf("the order is %s, %s, %s", got[0].Type(), got[1].Type(), got[2].Type())
	}
}

func TestMostKeys(t *testing.T) {
	var keys []ssh.PublicKey
	for n := range maxKeys + 1 {
		keys = append(keys, hostKey(t, n))
	}
	if got, err := acceptableKeys(keys[:maxKeys]); len(got) != maxKeys || err != nil {
		t.Errorf("%d keys, %v", len(got), err)
	}
	if got, err := acceptableKeys(keys); len(got) != maxKeys || err == nil || err.Error() != "9 keys, at most 8 are kept" {
		t.Errorf("%d keys, %v", len(got), err)
	}
}

// A report of the same keys counts as a report, and not as a change.
func TestNext(t *testing.T) {
	monday := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	tuesday := monday.Add(24 * time.Hour)
	keys := []ssh.PublicKey{hostKey(t, 1)}
	first := Record{}.next("i-1", keys, monday)
	if !first.Since.Equal(monday) || !first.Reported.Equal(monday) || first.InstanceID != "i-1" {
		t.Errorf("%+v", first)
	}
	if again := first.next("i-1", keys, tuesday); !again.Since.Equal(monday) || !again.Reported.Equal(tuesday) || len(again.Changes) != 0 {
		t.Errorf("%+v", again)
	}
	other := first.next("i-1", []ssh.PublicKey{hostKey(t, 2)}, tuesday)
	if !other.Since.Equal(tuesday) || !other.Reported.Equal(tuesday) || len(other.Changes) != 1 || !other.Changes[0].At.Equal(tuesday) {
		t.Errorf("%+v", other)
	}
	if fresh := other.next("i-2", keys, tuesday); len(fresh.Changes) != 0 || fresh.InstanceID != "i-2" {
		t.Errorf("%+v", fresh)
	}
}

// A key that is not accepted any more makes a note useless, as one that is damaged does.
func TestRecordWithAShortKey(t *testing.T) {
	text := Record{InstanceID: "i-1", Keys: []ssh.PublicKey{hostKey(t, 1), rsaKey(t, 1024)}}.text()
	if r, err := parseRecord(text); err == nil || !strings.Contains(err.Error(), "of 1024 bits") {
		t.Errorf("%+v, %v", r, err)
	}
}

// What a note says is either a record that writes the same note, or refused.
func FuzzRecord(f *testing.F) {
	f.Add(Record{InstanceID: "i-1", Keys: []ssh.PublicKey{hostKey(f, 1)}}.text())
	f.Add("{}")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRecord(text)
		if err != nil {
			return
		}
		again, err := parseRecord(r.text())
		if err != nil || len(again.Keys) != len(r.Keys) || again.InstanceID != r.InstanceID {
			t.Errorf("%q becomes %q: %v", text, r.text(), err)
		}
	})
}
