//go:build host

package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bring builds mdserver and puts it on the host as /root/mdserver.
func (h *host) bring() {
	h.t.Helper()
	binary := filepath.Join(h.t.TempDir(), "mdserver")
	build := exec.CommandContext(suite.ctx, "go", "build", "-o", binary, "../../cmd/mdserver")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		h.t.Fatalf("go build: %v\n%s", err, out)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		h.t.Fatal(err)
	}
	if out, err := h.run(suite.ctx, "root", "cat >mdserver && chmod 755 mdserver", string(program)); err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
}

// webOnDefault is a guest that no test starts.
const webOnDefault = `<domain type='qemu'><name>web1</name><uuid>7e5a544d-d555-4133-a443-8229415b5002</uuid><devices>
<interface type='network'><mac address='52:54:00:51:00:01'/><source network='default'/></interface></devices></domain>`

// What "install --start" did is undone by "uninstall", and a later purge leaves
// nothing.
func TestUninstall(t *testing.T) {
	h := newHost(t, "bookworm")
	h.must("alice", shellBlocks(t, "A first guest")[0])
	h.bring()
	// Whatever doctor says of this host, the server runs then.
	out, _ := h.run(suite.ctx, "root", "./mdserver install --start --network default", "")
	if active := h.must("root", "systemctl is-active mdserver"); active != "active\n" {
		t.Fatalf("mdserver is %s\n%s", active, out)
	}
	if out, err := h.run(suite.ctx, "root", "mdserver instance add -", webOnDefault); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	entry := "mac='52:54:00:51:00:01'"
	if xml := h.must("root", "virsh net-dumpxml default"); !strings.Contains(xml, entry) {
		t.Fatalf("libvirt's network lacks the guest's entry:\n%s", xml)
	}

	t.Log(h.must("root", "mdserver uninstall"))
	for _, inactive := range []string{"", " --inactive"} {
		if xml, _ := h.run(suite.ctx, "root", "virsh net-dumpxml default"+inactive, ""); strings.Contains(xml, entry) {
			t.Errorf("libvirt's network still has the guest's entry:\n%s", xml)
		}
	}
	h.wants("systemctl show --property LoadState --value mdserver", "not-found\n")
	h.wants("stat --format '%U %a' /etc/mdserver/uninstalled.json", "root 600\n")
	h.must("root", "./mdserver uninstall --purge")
	h.wants("ls -d /etc/mdserver /var/lib/mdserver /usr/local/bin/mdserver 2>/dev/null || true", "")
	h.wants("getent passwd mdserver mdserver-dnsmasq || true", "")
}

// wants checks what a script of root's prints.
func (h *host) wants(script, want string) {
	h.t.Helper()
	if got := h.must("root", script); got != want {
		h.t.Errorf("%s\nprints %q, want %q", script, got, want)
	}
}

// A stand-in for the original: its units as far as systemd cares, and a server
// that writes dnsmasq's configuration.
const standIn = `
mkdir -p /etc/mdserver /var/lib/mdserver/dnsmasq /opt/original/bin /etc/libvirt/hooks
printf '[public-keys]\n' >/etc/mdserver/mdserver.conf
printf '#!/bin/sh\ntouch /var/lib/mdserver/dnsmasq/mds.conf\nexec sleep infinity\n' >/opt/original/bin/mdserver
printf '#!/bin/sh\nexec sleep infinity\n' >/opt/original/bin/dnsmasq
chmod 755 /opt/original/bin/*
cd /etc/systemd/system
cat >mdserver.service <<'END'
[Unit]
Requires=mdserver-dnsmasq.path
Before=mdserver-dnsmasq.path
[Service]
ExecStart=/opt/original/bin/mdserver /etc/mdserver/mdserver.conf
[Install]
WantedBy=multi-user.target
END
cat >mdserver-dnsmasq.path <<'END'
[Unit]
PartOf=mdserver.service
BindsTo=mdserver.service
After=mdserver.service
[Path]
PathExists=/var/lib/mdserver/dnsmasq/mds.conf
Unit=mdserver-dnsmasq.service
END
cat >mdserver-dnsmasq.service <<'END'
[Unit]
Description=Simple metadata server - dnsmasq component
PartOf=mdserver.service
After=mdserver-dnsmasq.path
[Service]
ExecStart=/opt/original/bin/dnsmasq --conf-file=/var/lib/mdserver/dnsmasq/mds.conf --keep-in-foreground
END
systemctl daemon-reload
systemctl enable --now mdserver.service
for i in $(seq 50); do systemctl is-active --quiet mdserver-dnsmasq.service && exit; sleep 0.1; done
exit 1`

// The original's units are as they were after an upgrade and the way back, and
// its server runs on until it is asked to stop.
func TestTheOriginalsUnitsComeBack(t *testing.T) {
	h := newHost(t, "bookworm")
	h.bring()
	h.must("root", standIn)
	const (
		units   = "mdserver.service mdserver-dnsmasq.path mdserver-dnsmasq.service"
		states  = "systemctl is-enabled " + units + " || true; systemctl is-active " + units + " || true; systemctl show --property ExecStart --value mdserver | grep -o 'path=[^ ]*'"
		process = "systemctl show --property MainPID --value mdserver"
	)
	before, pid := h.must("root", states), h.must("root", process)
	t.Log(before)
	t.Log(h.must("root", "./mdserver install"))
	h.wants(process, pid)
	h.wants("systemctl is-active mdserver-dnsmasq.path || true; ls /etc/systemd/system/mdserver-dnsmasq.path 2>/dev/null || true", "inactive\n")
	h.must("root", "systemctl stop mdserver-dnsmasq.service; systemctl restart mdserver.service")
	h.wants("systemctl is-active mdserver.service; systemctl is-active mdserver-dnsmasq.path mdserver-dnsmasq.service || true", "active\ninactive\ninactive\n")

	t.Log(h.must("root", "mdserver uninstall"))
	h.must("root", "for i in $(seq 50); do systemctl is-active --quiet mdserver-dnsmasq.service && exit; sleep 0.1; done; exit 1")
	h.wants(states, before)
}
