package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/metadata"
	"mdserver/internal/programtest"
)

var guest = uuid.MustParse("7e5a544d-d555-4133-a443-8229415be7ab")

// authority makes one for all tests: a key takes its time.
var authority = sync.OnceValues(func() (*Authority, error) {
	data, err := generate("kvm1.example.net")
	if err != nil {
		return nil, err
	}
	return parse(data)
})

func testAuthority(t testing.TB) *Authority {
	t.Helper()
	a, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func testDocument(t testing.TB) []byte {
	t.Helper()
	document, err := Document(&metadata.Document{
		InstanceID: "i-0123456789abcdef0", UUID: guest, Hardware: instance.Hardware{VCPUs: 2, Memory: 4 << 30, Arch: "aarch64"},
		LocalIPv4: netip.MustParseAddr("10.122.0.5"), FirstSeen: time.Date(2026, 1, 2, 4, 4, 5, 678, time.FixedZone("CET", 3600)),
		Region: "kvm1", AvailabilityZone: "kvm1a", AccountID: "123456789012",
	})
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestDocumentHasTheFieldsOfAWS(t *testing.T) {
	document := testDocument(t)
	var got map[string]any
	if err := json.Unmarshal(document, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"accountId": "123456789012", "architecture": "arm64", "availabilityZone": "kvm1a", "billingProducts": nil,
		"devpayProductCodes": nil, "marketplaceProductCodes": nil, "imageId": metadata.ResourceID("ami", guest.String()),
		"instanceId": "i-0123456789abcdef0", "instanceType": "kvm.2x4g", "kernelId": nil, "pendingTime": "2026-01-02T03:04:05Z",
		"privateIp": "10.122.0.5", "ramdiskId": nil, "region": "kvm1", "version": "2017-09-30",
	}
	for name, value := range want {
		if there, ok := got[name]; !ok || there != value {
			t.Errorf("%s is %v (there: %v), want %v", name, there, ok, value)
		}
	}
	if len(got) != 15 || bytes.HasSuffix(document, []byte("\n")) {
		t.Errorf("%d fields, want AWS's 15, and no newline at the end:\n%s", len(got), document)
	}
}

func TestArchitecture(t *testing.T) {
	for arch, want := range map[string]string{"x86_64": "x86_64", "aarch64": "arm64", "i686": "i386", "riscv64": "riscv64"} {
		if got := architecture(arch); got != want {
			t.Errorf("libvirt's %s is %q, want %s", arch, got, want)
		}
	}
	if got := architecture(""); got != architecture(runtime.GOARCH) || got == "" {
		t.Errorf("of a guest without any on record it is %q", got)
	}
}

func TestDocumentOfAGuestWithoutIPv4(t *testing.T) {
	for addr, want := range map[netip.Addr]string{
		{}: `"privateIp": null`, netip.MustParseAddr("fd00:122::5"): `"privateIp": "fd00:122::5"`,
	} {
		document, err := Document(&metadata.Document{LocalIPv6: addr})
		if err != nil || !strings.Contains(string(document), want) {
			t.Errorf("%v: lacks %s (%v):\n%s", addr, want, err, document)
		}
	}
}

func TestOpenMakesTheAuthorityOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.pem")
	first, created, err := Open(path, strings.Repeat("long.", 30))
	if err != nil || !created {
		t.Fatalf("created %v: %v", created, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key's file has the mode %v (%v), want %v", info.Mode(), err, fs.FileMode(0o600))
	}
	second, created, err := Open(path, "another")
	if err != nil || created || !bytes.Equal(first.Certificate(), second.Certificate()) {
		t.Errorf("opened again: created %v, same certificate %v: %v", created, bytes.Equal(first.Certificate(), second.Certificate()), err)
	}
	if err := create(path, "a third"); err != nil { // as one that was slower would
		t.Error(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was overwritten (%v)", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestOpenRefusesADamagedFile(t *testing.T) {
	good, err := generate("x")
	if err != nil {
		t.Fatal(err)
	}
	other := testAuthority(t).Certificate()
	certificate := bytes.Index(good, []byte("-----BEGIN CERT"))
	for name, content := range map[string][]byte{
		"empty": {}, "text": []byte("hello\n"), "cut short": good[:len(good)-100], "no key": good[certificate:], "no certificate": good[:certificate],
		"another's certificate": append(bytes.Clone(good[:certificate]), other...),
		"a broken key":          bytes.Replace(good, []byte("MII"), []byte("AAA"), 1),
		"the wrong order":       append(bytes.Clone(good[certificate:]), good[:certificate]...),
	} {
		path := filepath.Join(t.TempDir(), "identity.pem")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Open(path, "x")
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want ErrDamaged with the path", name, err)
		}
		if now, _ := os.ReadFile(path); !bytes.Equal(now, content) {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if _, _, err := Open(filepath.Join(t.TempDir(), "none", "identity.pem"), "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestSignaturesAreKeptPerDocument(t *testing.T) {
	data, err := generate("x")
	if err != nil {
		t.Fatal(err)
	}
	a, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(id uuid.UUID, text string) Signed {
		t.Helper()
		s, err := a.Sign(id, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := sign(guest, "one")
	a.signed[guest] = cached{[]byte("one"), Signed{Signature: "kept"}}
	if got := sign(guest, "one"); got.Signature != "kept" {
		t.Error("an unchanged document is signed again")
	}
	if got := sign(guest, "two"); got.Signature == "kept" || got.Signature == first.Signature {
		t.Error("a changed document has the old signature")
	}
	for i := range mostCached {
		a.signed[uuid.NewSHA1(uuid.Nil, []byte{byte(i), byte(i >> 8)})] = cached{}
	}
	sign(guest, "three")
	if len(a.signed) != 1 {
		t.Errorf("%d signatures are kept after the limit of %d", len(a.signed), mostCached)
	}
}

// What AWS tells people to do with the four answers works with ours.
func TestOpenSSLVerifies(t *testing.T) {
	programtest.Need(t, "openssl", "openssl")
	a, document := testAuthority(t), testDocument(t)
	signed, err := a.Sign(guest, document)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := base64.StdEncoding.DecodeString(signed.Signature)
	if err != nil {
		t.Fatal(err)
	}
	write("document", document)
	write("other", bytes.Replace(document, []byte("10.122.0.5"), []byte("10.122.0.6"), 1))
	write("certificate", a.Certificate())
	write("signature", raw)
	write("rsa2048", []byte("-----BEGIN PKCS7-----\n"+signed.PKCS7+"\n-----END PKCS7-----\n"))
	openssl(t, dir, "x509", "-pubkey", "-noout", "-in", "certificate", "-out", "key")

	tests := []struct{ name, command string }{
		{"the signature, by the public key", "dgst -sha256 -verify key -signature signature document"},
		{"rsa2048, as AWS documents it", "smime -verify -in rsa2048 -inform PEM -content document -certfile certificate -noverify"},
		{"with the authority trusted", "smime -verify -in rsa2048 -inform PEM -content document -CAfile certificate"},
		{"cms", "cms -verify -binary -in rsa2048 -inform PEM -CAfile certificate"},
	}
	for _, tt := range tests {
		out := openssl(t, dir, strings.Fields(tt.command)...)
		if !strings.HasPrefix(tt.command, "dgst") && out != string(document) {
			t.Errorf("%s: the document came out as %q", tt.name, out)
		}
	}
	if out, err := run(dir, "dgst", "-sha256", "-verify", "key", "-signature", "signature", "other"); err == nil {
		t.Errorf("another document passes: %s", out)
	}
	for _, answer := range []string{signed.Signature, signed.PKCS7} {
		for line := range strings.Lines(answer) {
			if len(line) > 65 {
				t.Errorf("a line of %d characters", len(line))
			}
		}
		if strings.HasSuffix(answer, "\n") {
			t.Error("ends with a newline")
		}
	}
}

func openssl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := run(dir, args...)
	if err != nil {
		t.Fatalf("openssl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func run(dir string, args ...string) (string, error) {
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = errors.New(err.Error() + ": " + stderr.String())
	}
	return string(out), err
}

func TestVerify(t *testing.T) {
	a, document := testAuthority(t), testDocument(t)
	signed, err := a.Sign(guest, document)
	if err != nil {
		t.Fatal(err)
	}
	strangerFile := filepath.Join(t.TempDir(), "identity.pem")
	stranger, _, err := Open(strangerFile, "kvm1.example.net") // of the same name
	if err != nil {
		t.Fatal(err)
	}
	forged, err := stranger.Sign(guest, document)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(document, []byte("10.122.0.5"), []byte("10.122.0.6"), 1)
	framed := "-----BEGIN PKCS7-----\n" + signed.PKCS7 + "\n-----END PKCS7-----\n"
	tests := []struct {
		name, signature string
		document        []byte
		want            string
	}{
		{"signature", signed.Signature, document, ""},
		{"signature with a newline, as curl and echo leave it", signed.Signature + "\n", document, ""},
		{"pkcs7", signed.PKCS7, document, ""},
		{"pkcs7 in its frame", framed, document, ""},
		{"signature of another document", signed.Signature, other, "not genuine"},
		{"pkcs7 of another document", signed.PKCS7, other, "to another document"},
		{"pkcs7 without the document", signed.PKCS7, nil, "to another document"},
		{"a stranger's signature", forged.Signature, document, "not genuine"},
		{"a stranger's pkcs7", forged.PKCS7, document, "not genuine"},
		{"not base64", "%%%", document, "not base64"},
		{"nothing", "", document, "neither RSA's nor PKCS #7"},
		{"rubbish", "AAAA", document, "neither RSA's nor PKCS #7"},
		{"cut short", signed.PKCS7[:390], document, "neither RSA's nor PKCS #7"},
	}
	for _, tt := range tests {
		err := Verify(a.Certificate(), tt.document, []byte(tt.signature))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if err := Verify([]byte("x"), document, []byte(signed.PKCS7)); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("without a certificate: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	a, document := testAuthority(f), testDocument(f)
	signed, err := a.Sign(guest, document)
	if err != nil {
		f.Fatal(err)
	}
	der, err := decodeSignature([]byte(signed.PKCS7))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(der[:200])
	f.Add([]byte{0x30, 0x80, 0x06, 0x09})
	certificate := a.Certificate()
	f.Fuzz(func(t *testing.T, der []byte) {
		text := []byte(base64.StdEncoding.EncodeToString(der))
		if Verify(certificate, []byte("never signed"), text) == nil {
			t.Errorf("%x passes for a signature", der)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	a, document := testAuthority(b), testDocument(b)
	b.Run("kept", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.Sign(guest, document); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("anew", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.sign(document); err != nil {
				b.Fatal(err)
			}
		}
	})
}
