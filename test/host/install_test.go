//go:build host

package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDebian13 installs the commit before this one on a newer Debian, upgrades it,
// uses its units, and runs what the documentation tells of its networks and guests. Then nothing
// is left of it.
func TestDebian13(t *testing.T) {
	h := newHost(t, "trixie")
	h.block("README.md#First guest#1", "alice")
	h.must("root", "apt-get install --yes --no-install-recommends jq ufw") // which the guides use
	before := h.everything()
	former := h.bring(h.former(), "/root/former")
	web1, idle1 := guest{"web1", onMds}, guest{"idle1", onDefault}
	// Whatever doctor says of the former version, the server runs then.
	for _, network := range []string{"default", "mds"} {
		out, _ := h.run(suite.ctx, "root", former+" install --start --network "+network, "")
		h.wants("systemctl is-active mdserver", "active\n")
		t.Log(out)
	}
	for _, g := range []guest{web1, idle1} {
		h.idle(g)
		h.must("root", "virsh start "+g.name)
	}
	served := h.addresses([]guest{web1, idle1})

	program := h.bring(sources, "/root/mdserver")
	t.Log(h.must("root", program+" install && systemctl daemon-reload && systemctl restart mdserver"))
	h.settles("after an upgrade", []guest{web1, idle1})
	if after := h.addresses([]guest{web1, idle1}); after != served {
		t.Errorf("the guests' addresses after an upgrade are %s, and were %s", after, served)
	}
	h.unit([]guest{web1, idle1})
	h.documented(web1)
	h.guided(web1, idle1)
	h.removed(before)
}

// documented runs the blocks about networks and about the guest.
func (h *host) documented(g guest) {
	h.t.Helper()
	h.must("root", "gpasswd --delete mdserver libvirt && systemctl restart mdserver")
	h.block("docs/howto/networks.md#Use libvirt's `default` network#1", "alice")
	h.settles("after mdserver was put in the group libvirt", []guest{g})

	h.block("docs/reference/networks.md#Guests with an address in 169.254.0.0/16#1", "alice")
	h.wants("ip route get 169.254.7.7 | grep -o 'dev [^ ]*'", "dev br-mds\n")

	h.block("docs/reference/networks.md#Port security#1", "root")
	h.must("root", h.eventually("mdserver instance show web1 --json | grep -q 172.17.0.0/16"))

	h.must("root", "virsh destroy web1")
	h.block("docs/reference/metadata-keys.md#1", "root")
	h.must("root", "virsh start web1")
	h.wants("dig +short www @"+onMds, "10.122.0.80\n")

	h.must("root", "virsh destroy web1; cd /etc/mdserver/userdata && mkdir -p roles && echo '#cloud-config' >roles/web.yaml && echo '#!/bin/sh' >local.sh")
	h.block("docs/reference/templates.md#Several parts#1", "root")
	h.must("root", "virsh start web1")
	h.wants("mdserver user-data web1 | grep -c '^Content-Type: text/'", "3\n")

	h.block("docs/howto/backup.md#Back up#1", "root")
	h.must("root", "mdserver instance rm web1")
	h.block("docs/howto/backup.md#Restore#1", "root")
	h.settles("after the guest came back by a backup", []guest{g})
	h.must("root", "rm /var/backups/mdserver.backup")
}

// eventually is a script that tries another one for ten seconds.
func (h *host) eventually(script string) string {
	return fmt.Sprintf("for i in $(seq 100); do { %s; } && exit; sleep 0.1; done; exit 1", script)
}

// removed uninstalls mdserver under the guests that run, purges it later, and
// wants the host to be as it was before.
func (h *host) removed(before string) {
	h.t.Helper()
	running := h.must("root", "virsh list --name")
	h.t.Log(h.must("root", "mdserver uninstall"))
	h.wants("virsh list --name", running)
	for _, inactive := range []string{"", " --inactive"} {
		if xml, _ := h.run(suite.ctx, "root", "virsh net-dumpxml default"+inactive, ""); strings.Contains(xml, "<host ") {
			h.t.Errorf("libvirt's network still has guests' entries:\n%s", xml)
		}
	}
	h.wants("systemctl show --property LoadState --value mdserver", "not-found\n")
	h.wants("stat --format '%U %a' /etc/mdserver/uninstalled.json", "root 600\n")
	h.must("root", "for guest in $(virsh list --name); do virsh destroy $guest; done")
	program := h.bring(sources, "/root/mdserver")
	h.t.Log(h.must("root", program+" uninstall --purge"))
	if after := h.everything(); after != before {
		h.t.Errorf("after the purge the host is another than it was before:\n%s", difference(before, after))
	}
}

// everything is what an installation may change: files, users, groups and their
// members, units, tables of nftables, libvirt's networks, and addresses. It leaves
// out what libvirt and virt-install keep of guests, logs and caches.
func (h *host) everything() string {
	h.t.Helper()
	return h.must("root", `
find /etc /opt /root /srv /usr /var /run/systemd/system -xdev \( -path /etc/libvirt/qemu -o -path /etc/libvirt/storage -o -path /root/.cache -o -path /root/former -o -path /root/mdserver -o -path /usr/local/go \
  -o -path /var/cache -o -path /var/lib/libvirt -o -path /var/lib/systemd -o -path /var/log/journal -o -path /var/log/libvirt -o -path /var/log/swtpm -o -path /var/tmp \) -prune \
  -o -printf '%p %y %u %m\n' | sort
ls -d /run/mdserver* 2>/dev/null || true
getent passwd; getent group
systemctl list-units --all --plain --no-legend 'mdserver*'
nft list tables | grep mdserver || true
virsh net-list --all
virsh net-dumpxml --inactive default | grep -v '<uuid>\|<mac '
ip -o address | grep 169.254 || true`)
}

// difference lists the lines that only one of two texts has.
func difference(before, after string) string {
	var list strings.Builder
	for _, side := range []struct{ sign, text, other string }{{"-", before, after}, {"+", after, before}} {
		for line := range strings.Lines(side.text) {
			if !strings.Contains("\n"+side.other, "\n"+line) {
				list.WriteString(side.sign + line)
			}
		}
	}
	return list.String()
}

// former returns the sources of the commit before this one, or these sources
// where git does not have it. scripts/test says so then.
func (h *host) former() string {
	h.t.Helper()
	dir := h.t.TempDir()
	cmd := exec.CommandContext(suite.ctx, "bash", "-o", "pipefail", "-c", `git -C "$1" archive HEAD^ | tar -C "$2" -x`, "bash", sources, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Logf("no upgrade from the commit before this one: %v\n%s", err, out)
		return sources
	}
	return dir
}

// bring builds mdserver out of a directory with its sources and puts it on the
// host.
func (h *host) bring(from, path string) string {
	h.t.Helper()
	binary := filepath.Join(h.t.TempDir(), "mdserver")
	build := exec.CommandContext(suite.ctx, "go", "build", "-o", binary, "./cmd/mdserver")
	build.Dir, build.Env = from, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		h.t.Fatalf("go build: %v\n%s", err, out)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		h.t.Fatal(err)
	}
	if out, err := h.run(suite.ctx, "root", "mkdir -p $(dirname "+path+") && rm -f "+path+" && cat >"+path+" && chmod 755 "+path, string(program)); err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
	return path
}

// wants checks what a script of root's prints.
func (h *host) wants(script, want string) {
	h.t.Helper()
	if got := h.must("root", script); got != want {
		h.t.Errorf("%s\nprints %q, want %q", script, got, want)
	}
}
