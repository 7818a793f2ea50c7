package hostkeys

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"mdserver/internal/instance"
	"mdserver/internal/programtest"
)

const month = 30 * 24 * time.Hour

// signing is the key that signs.
func signing(a *Authority) ssh.PublicKey {
	key, _ := a.PublicKeys()
	return key
}

func (h *house) authority() *Authority {
	h.t.Helper()
	a, err := OpenAuthority(h.t.Context(), h.store)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// accepts reports what OpenSSH's rules make of a host's certificate.
func accepts(ca ssh.PublicKey, host string, certificate *ssh.Certificate) error {
	checker := ssh.CertChecker{IsHostAuthority: func(key ssh.PublicKey, _ string) bool {
		return bytes.Equal(key.Marshal(), ca.Marshal())
	}}
	return checker.CheckHostKey(net.JoinHostPort(host, "22"), nil, certificate)
}

func TestAuthorityIsKept(t *testing.T) {
	h := newHouse(t)
	first := signing(h.authority())
	if again := signing(h.authority()); !bytes.Equal(first.Marshal(), again.Marshal()) {
		t.Error("the key is another one after a restart")
	}
	if err := h.store.SetNote(t.Context(), authorityNote, "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(t.Context(), h.store); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a damaged key: %v", err)
	}
}

func TestCertificateNamesTheGuestAlone(t *testing.T) {
	h := newHouse(t)
	web, db := h.start(1, "web", "mds"), h.start(2, "db", "mds")
	a := h.authority()
	certificates, err := a.Certify(t.Context(), web, h.directory(), []ssh.PublicKey{hostKey(t, 1), rsaKey(t, 1024)}, month)
	if err != nil || len(certificates) != 1 {
		t.Fatal(certificates, err)
	}
	for _, host := range []string{"web", "web.vm.example.net", web.IPv4.String(), web.IPv6.String()} {
		if err := accepts(signing(a), host, certificates[0]); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"db", db.IPv4.String(), "web.example.net", "example.net", "localhost"} {
		if err := accepts(signing(a), host, certificates[0]); err == nil {
			t.Errorf("the certificate of web holds for %s", host)
		}
	}
	left := time.Until(time.Unix(int64(certificates[0].ValidBefore), 0))
	if left > month || left < month-time.Minute || certificates[0].CertType != ssh.HostCert {
		t.Errorf("a certificate of the type %d for %v", certificates[0].CertType, left)
	}
}

func TestNoCertificateForNobody(t *testing.T) {
	h := newHouse(t)
	nobody := &instance.Instance{ID: "i-1"}
	if list, err := h.authority().Certify(t.Context(), nobody, h.directory(), []ssh.PublicKey{hostKey(t, 1)}, month); err == nil || len(list) > 0 {
		t.Errorf("a certificate that holds for all hosts: %+v, %v", list, err)
	}
}

// OpenSSH reads the certificate as we mean it.
func TestSSHKeygenReadsTheCertificate(t *testing.T) {
	programtest.Need(t, "ssh-keygen", "openssh-client")
	h := newHouse(t)
	web := h.start(1, "web", "mds")
	certificates, err := h.authority().Certify(t.Context(), web, h.directory(), []ssh.PublicKey{hostKey(t, 1)}, month)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key-cert.pub")
	if err := os.WriteFile(file, ssh.MarshalAuthorizedKey(certificates[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ssh-keygen", "-L", "-f", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"host certificate", `Key ID: "web ` + web.UUID.String() + " " + web.ID + `"`, " web\n", " web.vm.example.net\n",
		" " + web.IPv4.String() + "\n", " " + web.IPv6.String() + "\n", "Critical Options: (none)",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
}

func BenchmarkCertify(b *testing.B) {
	h := newHouse(b)
	web := h.start(1, "web", "mds")
	a, keys := h.authority(), []ssh.PublicKey{hostKey(b, 1), hostKey(b, 2), hostKey(b, 3)}
	for b.Loop() {
		if _, err := a.Certify(b.Context(), web, h.directory(), keys, month); err != nil {
			b.Fatal(err)
		}
	}
}

// A certificate is valid for clients whose clocks are behind, has a number of its
// own, and no more principals than OpenSSH reads.
func TestCertificateFields(t *testing.T) {
	h := newHouse(t)
	a := h.authority()
	web := h.start(1, "web", "mds")
	var more []instance.Attachment
	for n := range 2 * maxPrincipals {
		more = append(more, instance.Attachment{Network: "mds", MAC: web.MAC, IPv4: netip.AddrFrom4([4]byte{10, 122, byte(1 + n>>8), byte(n)})})
	}
	web.Attach(more)
	before := time.Now().Truncate(time.Second)
	a.now = func() time.Time { return before }
	list, err := a.Certify(t.Context(), web, h.directory(), []ssh.PublicKey{hostKey(t, 1), hostKey(t, 2)}, month)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d certificates, %v", len(list), err)
	}
	if list[0].Serial == list[1].Serial || list[0].Serial == 0 {
		t.Errorf("the serial numbers are %d and %d", list[0].Serial, list[1].Serial)
	}
	for _, c := range list {
		from, to := time.Unix(int64(c.ValidAfter), 0), time.Unix(int64(c.ValidBefore), 0)
		if since := before.Sub(from); since != time.Hour || to.Sub(from) != month+skew {
			t.Errorf("valid from %v to %v", from, to)
		}
		if len(c.ValidPrincipals) != 256 || c.ValidPrincipals[0] != "web" {
			t.Errorf("%d principals, the first is %q", len(c.ValidPrincipals), c.ValidPrincipals[0])
		}
		if want := "web " + web.UUID.String() + " " + web.ID; c.KeyId != want {
			t.Errorf("the id is %q, want %q", c.KeyId, want)
		}
	}
}
