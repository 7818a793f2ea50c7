package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/identity"
)

// do runs a command below `mdserver identity` on a host without a server.
func do(t *testing.T, args ...string) (string, error) {
	t.Helper()
	t.Setenv(command.EnvSocket, filepath.Join(t.TempDir(), "none"))
	var out bytes.Buffer
	cmd := Command()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// write changes to a new directory and writes files into it.
func write(t *testing.T, files map[string][]byte) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, content := range files {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVerify checks that the exit code tells an unreadable file from a document that is
// not genuine.
func TestVerify(t *testing.T) {
	ours, theirs := newTestAuthority(t), newTestAuthority(t)
	document, other := []byte(`{"instanceId": "i-1"}`), []byte(`{"instanceId": "i-2"}`)
	signed, err := ours.Sign(uuid.UUID{1}, document)
	if err != nil {
		t.Fatal(err)
	}
	write(t, map[string][]byte{
		"ca": ours.Certificate(), "foreign": theirs.Certificate(), "document": document, "forged": other,
		"signature": []byte(signed.Signature), "pkcs7": []byte(signed.PKCS7),
	})
	for _, tt := range []struct {
		name string
		args string
		want string // what is printed, or the beginning of the error
		code int
	}{
		{"a signature", "--ca ca document signature", "document is genuine\n", 0},
		{"PKCS #7", "--ca ca document pkcs7", "document is genuine\n", 0},
		{"another document", "--ca ca forged signature", "forged with signature: the document is not genuine", exit.Failure},
		{"another document in PKCS #7", "--ca ca forged pkcs7", "forged with pkcs7: the document is not genuine", exit.Failure},
		{"another authority", "--ca foreign document signature", "document with signature: the document is not genuine", exit.Failure},
		{"swapped", "--ca ca signature document", "signature with document: ", exit.Failure},
		{"a file that is no certificate", "--ca document document signature", "document: no certificate in PEM", exit.Failure},
		{"no document", "--ca ca none signature", "open none: ", exit.Unreadable},
		{"no signature", "--ca ca document none", "open none: ", exit.Unreadable},
		{"no certificate", "--ca none document signature", "open none: ", exit.Unreadable},
		{"no server to ask", "document signature", "mdserver does not run: ", exit.Unreachable},
		{"one file", "--ca ca document", "expected 2 arguments, got 1", exit.Usage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := do(t, append([]string{"verify"}, strings.Fields(tt.args)...)...)
			switch {
			case err != nil && got != "":
				t.Errorf("printed %q in spite of the error %v", got, err)
			case err != nil:
				got = err.Error()
			}
			if !strings.HasPrefix(got, tt.want) || exit.Code(err) != tt.code {
				t.Errorf("exit code %d, %q, want %d, %q", exit.Code(err), got, tt.code, tt.want)
			}
		})
	}
}

func newTestAuthority(t *testing.T) *identity.Authority {
	t.Helper()
	a, _, err := identity.Open(filepath.Join(t.TempDir(), "identity.pem"), "kvm1")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAuthority checks that newAuthority describes what is in a certificate.
func TestAuthority(t *testing.T) {
	certificate := newTestAuthority(t).Certificate()
	got, err := newAuthority(certificate)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(certificate)
	parsed, err := identity.ParseCertificate(certificate)
	if err != nil {
		t.Fatal(err)
	}
	want := authority{
		Subject: parsed.Subject.String(), Fingerprint: fmt.Sprintf("%x", sha256.Sum256(block.Bytes)),
		NotBefore: parsed.NotBefore, NotAfter: parsed.NotAfter, Certificate: string(certificate),
	}
	if got != want || !strings.Contains(got.Subject, "kvm1") || !got.NotAfter.After(got.NotBefore) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, err := newAuthority([]byte("hello")); err == nil || !strings.HasPrefix(err.Error(), "answer of mdserver: ") {
		t.Error(err)
	}
	if _, err := do(t, "ca"); exit.Code(err) != exit.Unreachable {
		t.Errorf("without a server: %v", err)
	}
}
