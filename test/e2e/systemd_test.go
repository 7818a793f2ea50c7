//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
)

// runsTheUnits installs mdserver in the machine, under a systemd that is the
// first process, and has its unit run, reload, restart and stop. There is
// neither a libvirt nor a dnsmasq: that is trouble, and no reason to end.
func (v *vm) runsTheUnits() {
	t := v.t
	t.Helper()
	if err := v.Copy(suite.ctx, v.guest.IPv4, suite.binary); err != nil {
		t.Fatal(err)
	}
	v.says("sudo ./" + filepath.Base(suite.binary) + " install")
	v.says("sudo systemctl enable --now mdserver") // waits until it says that it is ready
	equal(t, "the unit", v.says("systemctl is-active mdserver"), "active")
	first := v.says("systemctl show --property MainPID --value mdserver")
	equal(t, "the server's user", v.says("ps -o user= -p "+first), "mdserver")
	contains(t, "the server's own word", v.says("sudo mdserver status || true"), "pid "+first+",")
	contains(t, "doctor of the server", v.says("sudo mdserver doctor || true"), "mdserver "+version(v)+" runs, process "+first)

	v.says("sudo systemctl reload mdserver")
	equal(t, "the process after a reload", v.says("systemctl show --property MainPID --value mdserver"), first)
	v.says("sudo kill -9 " + first)
	v.says("for i in $(seq 60); do sudo mdserver instance ls >/dev/null 2>&1 && exit; sleep 1; done; exit 1")
	if second := v.says("systemctl show --property MainPID --value mdserver"); second == first {
		t.Error("systemd did not start it again")
	}
	if refused := v.says("sudo journalctl -u mdserver -o cat | grep -iE 'not permitted|permission denied' || true"); refused != "" {
		t.Errorf("the unit keeps the server from something:\n%s", refused)
	}

	v.says("sudo systemctl stop mdserver")
	contains(t, "doctor of a unit that does not run", v.says("sudo mdserver doctor || true"),
		"the unit mdserver.service is inactive", "systemctl enable --now mdserver.service")
	v.says("sudo mdserver uninstall")
	equal(t, "the unit once it is uninstalled", v.says("systemctl show --property LoadState --value mdserver"), "not-found")
}

// version is that of the server which the machine installed.
func version(v *vm) string {
	return strings.Fields(v.says("mdserver --version"))[1]
}
