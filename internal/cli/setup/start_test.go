package setup

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/doctor"
	"mdserver/internal/install"
)

func TestReadKeys(t *testing.T) {
	for _, test := range []struct {
		content string
		want    []string
		err     string
	}{
		{"ssh-ed25519 AAAA me\n", []string{"ssh-ed25519 AAAA me"}, ""},
		{"# mine\n\nssh-ed25519 AAAA me\r\nssh-rsa BBBB\n", []string{"ssh-ed25519 AAAA me", "ssh-rsa BBBB"}, ""},
		{"# none\n", nil, "has no key"},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\n", nil, "is a private key"},
	} {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := readKeys(file)
		if !slices.Equal(keys, test.want) || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q: %q, %v", test.content, keys, err)
		}
	}
}

func TestInstallChecksStartFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"with --start only":        {"--network", "default"},
		"cannot start with --root": {"--start", "--root", t.TempDir()},
		"read the SSH key":         {"--start", "--key", "/does/not/exist", "--dry-run"},
		"is a private key; na":     {"--start", "--key", privateKey(t), "--dry-run"},
	} {
		cmd := InstallCommand(func() ([]install.Page, error) { return nil, nil })
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetOut(io.Discard)
		cmd.SetArgs(args)
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", args, err, want)
		}
	}
}

func privateKey(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The commands act on this host with all that they can do.
func TestOnThisHost(t *testing.T) {
	opts := onThisHost(install.Options{Prefix: "/opt"})
	if opts.Prefix != "/opt" || opts.UID != os.Geteuid() {
		t.Errorf("prefix %s, user %d", opts.Prefix, opts.UID)
	}
	for name, missing := range map[string]bool{"Run": opts.Run == nil, "Query": opts.Query == nil, "Load": opts.Load == nil,
		"Withdraw": opts.Withdraw == nil, "RemoveTable": opts.RemoveTable == nil} {
		if missing {
			t.Errorf("there is no %s", name)
		}
	}
}

// A server that was just started is given time, and not for ever.
func TestSettled(t *testing.T) {
	for name, test := range map[string]struct {
		wrong   int // looks that find something wrong
		takes   time.Duration
		healthy bool
	}{
		"well at once": {0, 0, true},
		"well later":   {6, 6 * time.Second, true},
		"never":        {1000, settling, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, looks := time.Now(), 0
				report := settled(t.Context(), func() doctor.Report {
					looks++
					return doctor.Report{Healthy: looks > test.wrong}
				})
				if took := time.Since(began); took != test.takes || report.Healthy != test.healthy {
					t.Errorf("healthy is %v after %s, want %v after %s", report.Healthy, took, test.healthy, test.takes)
				}
			})
		})
	}
}
