//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
)

// runsTheUnits installs mdserver in the machine, under a systemd that is the
// first process, and has its units run, reload, restart and stop. There is no
// libvirt: that is trouble, and no reason to end.
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

	v.keepsDnsmasqApart("child", "mdserver-launcher")

	v.says("sudo systemctl reload mdserver")
	equal(t, "the process after a reload", v.says("systemctl show --property MainPID --value mdserver"), first)
	v.says("sudo kill -9 " + first)
	v.says("for i in $(seq 60); do sudo mdserver instance ls >/dev/null 2>&1 && exit; sleep 1; done; exit 1")
	if second := v.says("systemctl show --property MainPID --value mdserver"); second == first {
		t.Error("systemd did not start it again")
	}
	v.keepsDnsmasqApart("child", "mdserver-launcher")
	v.says(`printf '[dnsmasq]\nrun = external\n' | sudo tee /etc/mdserver/mdserver.conf.d/external.conf`)
	v.says("sudo systemctl enable mdserver-dnsmasq && sudo systemctl restart mdserver")
	v.keepsDnsmasqApart("external", "mdserver-dnsmasq")
	if refused := v.says("sudo journalctl -u mdserver -u mdserver-launcher -u mdserver-dnsmasq -o cat | grep -iE 'not permitted|permission denied' || true"); refused != "" {
		t.Errorf("the unit keeps the server from something:\n%s", refused)
	}

	v.says("sudo systemctl stop mdserver")
	contains(t, "doctor of a unit that does not run", v.says("sudo mdserver doctor || true"),
		"the unit mdserver.service is inactive", "systemctl enable --now mdserver.service")
	v.says("sudo mdserver uninstall")
	equal(t, "the unit once it is uninstalled", v.says("systemctl show --property LoadState --value mdserver"), "not-found")
}

// keepsDnsmasqApart checks that dnsmasq is run by its unit, obeys the server,
// and can neither read nor write what is the server's.
func (v *vm) keepsDnsmasqApart(mode, unit string) {
	t := v.t
	t.Helper()
	const alive = "pid=$(pgrep -x dnsmasq) && mdserver status | grep -q \" pid $pid\" && echo $pid && exit"
	pid := v.says("for i in $(seq 60); do sudo sh -c '" + alive + "; exit 1' && exit; sleep 1; done; sudo mdserver status; exit 1")
	contains(t, "the server's word of dnsmasq", v.says("sudo mdserver status || true"), "mds "+mode+", pid "+pid)
	equal(t, "dnsmasq's users", v.says("ps -o euser:32=,ruser:32=,egroup:32=,supgrp:32= -p "+pid+" | xargs"), strings.TrimSpace(strings.Repeat("mdserver-dnsmasq ", 4)))
	contains(t, "dnsmasq's unit", v.says("cat /proc/"+pid+"/cgroup"), "/"+unit+".service")

	files := v.says("sudo find /etc/mdserver /var/lib/mdserver /run/mdserver /var/log/mdserver.log " +
		"\\( -path /var/lib/mdserver/dnsmasq -o -path /run/mdserver/dnsmasq \\) -prune -o \\( -type f -o -type s \\) -print")
	contains(t, "the server's files", files, "/etc/mdserver/mdserver.conf", "/var/lib/mdserver/mdserver.db", "/var/lib/mdserver/identity.pem",
		"/run/mdserver/mdserver.sock", "/var/log/mdserver.log")
	for file := range strings.Lines(files) {
		file = strings.TrimSpace(file)
		if got := v.says("sudo -u mdserver-dnsmasq sh -c '[ -r " + file + " ] || [ -w " + file + " ]' && echo open || true"); got != "" {
			t.Errorf("dnsmasq's user can use %s", file)
		}
	}
	equal(t, "what dnsmasq may write", v.says("sudo -u mdserver-dnsmasq find /var/lib/mdserver /etc/mdserver /run/mdserver -writable ! -path '/run/mdserver/dnsmasq*' 2>/dev/null || true"), "")
}

// version is that of the server which the machine installed.
func version(v *vm) string {
	return strings.Fields(v.says("mdserver --version"))[1]
}
