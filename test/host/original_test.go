//go:build host

package host

import (
	"strings"
	"testing"
)

// A stand-in for the original: its units as far as systemd cares, and a server
// that writes dnsmasq's configuration.
const standIn = `
mkdir -p /etc/mdserver/userdata /var/lib/mdserver/dnsmasq /opt/original/bin /etc/libvirt/hooks
printf '[public-keys]\n' >/etc/mdserver/mdserver.conf
printf '#cloud-config\nhostname: {{hostname}}\n' >/etc/mdserver/userdata/base.yaml
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
	program := h.bring(sources, "/root/mdserver")
	h.must("root", standIn)
	const (
		units   = "mdserver.service mdserver-dnsmasq.path mdserver-dnsmasq.service"
		states  = "systemctl is-enabled " + units + " || true; systemctl is-active " + units + " || true; systemctl show --property ExecStart --value mdserver | grep -o 'path=[^ ]*'"
		process = "systemctl show --property MainPID --value mdserver"
	)
	before, pid := h.must("root", states), h.must("root", process)
	t.Log(before)
	t.Log(h.must("root", program+" install"))
	h.wants(process, pid)
	h.wants("systemctl is-active mdserver-dnsmasq.path || true; ls /etc/systemd/system/mdserver-dnsmasq.path 2>/dev/null || true", "inactive\n")
	h.must("root", "systemctl stop mdserver-dnsmasq.service; systemctl restart mdserver.service")
	h.wants("systemctl is-active mdserver.service; systemctl is-active mdserver-dnsmasq.path mdserver-dnsmasq.service || true", "active\ninactive\ninactive\n")

	t.Log(h.must("root", "mdserver uninstall"))
	h.must("root", "for i in $(seq 50); do systemctl is-active --quiet mdserver-dnsmasq.service && exit; sleep 0.1; done; exit 1")
	h.wants(states, before)
}

// TestDocumentedUpgrade goes from the original to mdserver and back as
// docs/howto/upgrade.md tells.
func TestDocumentedUpgrade(t *testing.T) {
	h := newHost(t, "bookworm")
	h.must("root", "apt-get install -y --no-install-recommends dnsmasq-base bind9-dnsutils")
	h.must("root", standIn)
	h.must("root", service("libvirtd", "/bin/sleep infinity\nExecReload=/bin/true"))
	h.must("root", `
useradd --system --user-group --home-dir /var/lib/mdserver mdserver # as the original's installation does, and:
chgrp -R mdserver /etc/mdserver; chmod -R o-rwx /etc/mdserver
ip link add br-mds type bridge
ip address add 10.122.0.1/16 dev br-mds
ip address add 169.254.169.254 dev br-mds
ip link set br-mds up
echo '[{"domain_name": "web1", "domain_uuid": "7e5a544d-d555-4133-a443-8229415be701", "mds_mac": "52:54:00:51:00:01", "mds_ipv4": "10.122.0.51",
  "domain_metadata": {}, "last_update": 1700000000}]' >/var/lib/mdserver/db_file.json`)
	h.bring(sources, "/home/alice/mdserver/bin/mdserver")

	served := h.eventually("test \"$(dig +short web1 @10.122.0.1)\" = 10.122.0.51")
	out := h.block("docs/howto/upgrade.md#Step by step#1", "alice")
	for _, want := range []string{"web1", "10.122.0.51"} {
		if !strings.Contains(out, want) {
			t.Errorf("the upgrade does not end with the guest's %s", want)
		}
	}
	h.must("root", served)
	h.block("docs/howto/upgrade.md#dnsmasq#1", "root")
	h.wants("systemctl is-active mdserver; systemctl is-active mdserver-dnsmasq.service || true", "active\ninactive\n")
	h.must("root", served)

	h.block("docs/howto/upgrade.md#The way back#1", "alice")
	h.must("root", h.eventually("systemctl is-active --quiet mdserver-dnsmasq.service"))
	h.wants("systemctl show --property ExecStart --value mdserver | grep -o 'path=[^ ]*'; grep -o 10.122.0.51 /var/lib/mdserver/db_file.json", "path=/opt/original/bin/mdserver\n10.122.0.51\n")
}
