package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/setup"
	"mdserver/internal/install"
)

// execute runs one command and returns what it prints.
func execute(t *testing.T, cmd *cobra.Command, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	if err := cmd.Execute(); err != nil {
		t.Fatalf("%s %q: %v", cmd.Name(), args, err)
	}
	return out.String()
}

func TestInstallAndUninstall(t *testing.T) {
	root := t.TempDir()
	unit := filepath.Join(root, "etc/systemd/system/mdserver.service")

	out := execute(t, setup.InstallCommand(manualPages), "--root", root, "--dry-run")
	if !strings.HasPrefix(out, "This is what would be done:\n") {
		t.Errorf("a dry run prints\n%s", out)
	}
	if _, err := os.Stat(unit); err == nil {
		t.Error("a dry run installs")
	}

	out = execute(t, setup.InstallCommand(manualPages), "--root", root, "--prefix", "/usr", "--user", "metadata")
	for _, want := range []string{
		"ACTION", "created  /usr/bin/mdserver", "\nNext:\n", "    virsh net-define /usr/share/mdserver/mds-network.xml\n",
		"    systemctl restart mdserver.service\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("install does not print %q:\n%s", want, out)
		}
	}
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if installed, err := os.Stat(filepath.Join(root, "usr/bin/mdserver")); err != nil || installed.Size() != self.Size() {
		t.Errorf("the program is not this one: %v", err)
	}

	for _, name := range []string{
		"man/man8/mdserver.8", "man/man8/mdserver-instance-add.8",
		"bash-completion/completions/mdserver", "zsh/site-functions/_mdserver", "fish/vendor_completions.d/mdserver.fish",
	} {
		if content, err := os.ReadFile(filepath.Join(root, "usr/share", name)); err != nil || !strings.Contains(string(content), "mdserver") {
			t.Errorf("%s: %v\n%s", name, err, content)
		}
	}
	if !regexp.MustCompile(`created +/usr/share/man/man8/mdserver\*\.8 +\d+ man pages\n`).MatchString(out) {
		t.Errorf("install does not sum up the man pages:\n%s", out)
	}

	var report install.Report
	out = execute(t, setup.InstallCommand(manualPages), "--root", root, "--prefix", "/usr", "--user", "metadata", "--json")
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for _, c := range report.Changes {
		if c.Action != install.Unchanged && c.Action != install.Skipped {
			t.Errorf("the second time: %v", c)
		}
	}

	out = execute(t, setup.UninstallCommand(), "--root", root, "--prefix", "/usr")
	for _, want := range []string{"removed  /etc/systemd/system/mdserver.service", "kept     /etc/mdserver/mdserver.conf", "configuration"} {
		if !strings.Contains(out, want) {
			t.Errorf("uninstall does not print %q:\n%s", want, out)
		}
	}
	if _, err := os.Stat(unit); err == nil {
		t.Error("uninstall leaves the unit")
	}
	if left, err := os.ReadDir(filepath.Join(root, "usr")); err == nil {
		t.Errorf("uninstall leaves %v below the prefix", left)
	}
}

func TestUninstallWithoutInstall(t *testing.T) {
	cmd := setup.UninstallCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"--root", t.TempDir()})
	if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), "nothing is installed with the prefix /usr/local") {
		t.Errorf("error %v", err)
	}
}
