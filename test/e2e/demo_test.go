//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The demonstrations check what they show. Here they must also show all of it, and leave
// nothing behind.
func TestDemos(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(suite.ctx, "go", "build", "-o", program, "../demo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, tt := range []struct {
		name  string
		args  []string
		shows []string // in this order
	}{
		{"one host", []string{"--domains", filepath.Join(testdata, "domains")},
			[]string{"The host\n", "The guests\n", "web1 starts\n", "local-hostname", "web2 starts\n", "#cloud-config", "All of it is gone again"}},
		{"fleet", []string{"--fleet"}, []string{"etcd3 ", "kvm3 ", "Six guests start\n", "mail2 ", "Names resolve across hosts\n", "db1.example.net",
			"web1 migrates from kvm1 to kvm2\n", "by kvm2\n", "web1 reboots on kvm2\n", "by kvm2\n", "A member of etcd dies\n", "new1 ",
			"kvm3 dies\n", "kvm3  away", "mail1 ", "by kvm1\n", "In the end\n", "of kvm3\n", "All of it is gone again"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := openDir(t)
			cmd := exec.CommandContext(suite.ctx, program, append([]string{"--mdserver", suite.binary}, tt.args...)...)
			cmd.Env = append(os.Environ(), "TMPDIR="+dir)
			var logs strings.Builder
			cmd.Stderr = &logs
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, out, &logs)
			}
			rest := string(out)
			for _, want := range tt.shows {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("it does not show %q after what comes before:\n%s", want, out)
				}
				rest = after
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("it leaves %v, %v", left, err)
			}
		})
	}
}

// openDir makes a directory that dnsmasq can read, which gives up root.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "demo-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
