//go:build host

package host

import (
	"strings"
)

// unit has mdserver's units run, reload, restart and stop under systemd, with either
// way to run dnsmasq, and wants them to keep mdserver and dnsmasq apart.
func (h *host) unit(guests []guest) {
	h.t.Helper()
	h.wants("systemctl is-active mdserver", "active\n")
	first := h.pid()
	h.wants("ps -o user= -p "+first, "mdserver\n")
	h.must("root", "mdserver status | grep -F 'pid "+first+",'")
	h.must("root", "mdserver doctor | grep -F \"mdserver $(mdserver --version | cut -d' ' -f2) runs, process "+first+"\"")
	h.keepsDnsmasqApart("child", "mdserver-launcher")

	h.must("root", "systemctl reload mdserver")
	if after := h.pid(); after != first {
		h.t.Errorf("the server is process %s after a reload, and was %s", after, first)
	}
	h.must("root", "kill -9 "+first)
	h.must("root", h.eventually("mdserver instance ls >/dev/null"))
	if second := h.pid(); second == first {
		h.t.Error("systemd did not start the server again")
	}
	h.keepsDnsmasqApart("child", "mdserver-launcher")

	const external = "/etc/mdserver/mdserver.conf.d/external.conf"
	h.must("root", "printf '[dnsmasq]\\nrun = external\\n' >"+external)
	h.must("root", "systemctl enable mdserver-dnsmasq && systemctl restart mdserver")
	h.keepsDnsmasqApart("external", "mdserver-dnsmasq")
	h.settles("with a dnsmasq of its own unit", guests)

	h.must("root", "systemctl stop mdserver")
	said := h.must("root", "mdserver doctor || true")
	for _, want := range []string{"the unit mdserver.service is inactive", "systemctl enable --now mdserver.service"} {
		if !strings.Contains(said, want) {
			h.t.Errorf("doctor does not say %q of a unit that does not run:\n%s", want, said)
		}
	}
	h.must("root", "rm "+external+" && systemctl disable --now mdserver-dnsmasq && systemctl start mdserver")
	h.keepsDnsmasqApart("child", "mdserver-launcher")
	h.settles("after its unit was stopped and started", guests)
	h.wants("journalctl -u mdserver -u mdserver-launcher -u mdserver-dnsmasq -o cat | grep -iE 'not permitted|permission denied' || true", "")
}

// pid is the process of the server.
func (h *host) pid() string {
	h.t.Helper()
	return strings.TrimSpace(h.must("root", "systemctl show --property MainPID --value mdserver"))
}

// keepsDnsmasqApart checks that dnsmasq is run by its unit, obeys the server, and
// can neither read nor write what is the server's.
func (h *host) keepsDnsmasqApart(mode, unit string) {
	h.t.Helper()
	const find = "pid=$(pgrep -u mdserver-dnsmasq -x dnsmasq)"
	h.must("root", h.eventually(find+" && mdserver status | grep -qF \"mds "+mode+", pid $pid\""))
	h.wants(find+"; ps -o euser:32=,ruser:32=,egroup:32=,supgrp:32= -p $pid | xargs", strings.TrimSpace(strings.Repeat("mdserver-dnsmasq ", 4))+"\n")
	h.wants(find+"; grep -o '[^/]*\\.service$' /proc/$pid/cgroup", unit+".service\n")

	files := h.must("root", `find /etc/mdserver /var/lib/mdserver /run/mdserver /var/log/mdserver.log \
  \( -path /var/lib/mdserver/dnsmasq -o -path /run/mdserver/dnsmasq \) -prune -o \( -type f -o -type s \) -print`)
	for _, file := range []string{"/etc/mdserver/mdserver.conf", "/var/lib/mdserver/mdserver.db", "/var/lib/mdserver/identity.pem",
		"/run/mdserver/mdserver.sock", "/var/log/mdserver.log"} {
		if !strings.Contains(files, file+"\n") {
			h.t.Errorf("there is no %s:\n%s", file, files)
		}
	}
	for file := range strings.Lines(files) {
		h.wants("runuser -u mdserver-dnsmasq -- sh -c '[ -r "+strings.TrimSpace(file)+" ] || [ -w "+strings.TrimSpace(file)+" ]' && echo open || true", "")
	}
	h.wants("runuser -u mdserver-dnsmasq -- find /var/lib/mdserver /etc/mdserver /run/mdserver -writable ! -path '/run/mdserver/dnsmasq*' 2>/dev/null || true", "")
}
