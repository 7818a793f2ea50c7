//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"mdserver/test/lab"
)

// Debian's own cloud-init boots against the server: every stage, no warning.
func TestCloudInit(t *testing.T) {
	t.Parallel()
	root := chroot(t)
	l := newLab(t)
	s := startServer(t, l, l.Config())
	web1 := register(t, s, "web1")
	guest, _ := boot(t, l, web1)

	boot, err := guest.RunCloudInit(suite.ctx, root)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("four stages in %s, datasource in %s, crawl in %s", boot.Total, boot.Datasource, boot.Crawl)
	equal(t, "the host name", boot.Hostname, "web1")
	equal(t, "the instance-id", boot.InstanceID, web1.InstanceID)
	for _, problem := range append(boot.Errors, boot.Warnings...) {
		t.Error("cloud-init complains:", problem)
	}
	for path, wants := range map[string][]string{
		"home/debian/.ssh/authorized_keys": {lab.KeyAlice, lab.KeyBob},
		"root/.ssh/authorized_keys":        {lab.KeyAlice, lab.KeyBob},
		"var/lib/lab/written":              {"name web1\n", "address " + web1.IPv4.String() + "\n"},
		"var/lib/lab/ran":                  {"ran on web1\n"},
		"etc/hostname":                     {"web1\n"},
	} {
		text, err := boot.File(path)
		if err != nil {
			t.Errorf("cloud-init did not write it: %v\n%s", err, boot.Output)
			continue
		}
		contains(t, path, text, wants...)
	}
	if boot.Datasource <= 0 {
		t.Error("cloud-init.log does not tell how long the datasource took")
	}
}

// chroot is the root file system in which namespaces run cloud-init.
func chroot(t *testing.T) string {
	t.Helper()
	return builtImage(t, "chroot")
}

// builtImage builds an image, or finds the one that was built before.
func builtImage(t *testing.T, kind string) string {
	t.Helper()
	return built(t, "../../scripts/build-image", kind)
}

func built(t *testing.T, script, kind string) string {
	t.Helper()
	cmd := exec.CommandContext(suite.ctx, script, kind)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", script, kind, err)
	}
	return strings.TrimSpace(string(out))
}
