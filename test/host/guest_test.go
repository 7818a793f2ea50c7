//go:build e2e

package host

import "testing"
import "time"

func TestDebian12(t *testing.T) {
	h := newHost(t, "bookworm")
	for _, s := range []string{
		"sudo apt-get install -y --no-install-recommends libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils dnsmasq-base virtinst curl ca-certificates git make",
		"curl -fsSL https://go.dev/dl/go1.26.0.linux-amd64.tar.gz | sudo tar -C /usr/local -xz",
		"cd mdserver; export PATH=$PATH:/usr/local/go/bin; make build",
		`cd mdserver; ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519; sudo bin/mdserver install; printf '[network default]\nbackend = libvirt\n[public-keys]\ndefault = %s\n' "$(cat ~/.ssh/id_ed25519.pub)" | sudo tee /etc/mdserver/mdserver.conf.d/a.conf; 
sudo usermod -aG libvirt mdserver 
sudo systemctl reload-or-restart libvirtd
sudo systemctl enable --now mdserver
sudo virsh net-start default; sudo virsh net-autostart default 
sudo mdserver doctor || true`,
		"sudo curl -sSfL -o /var/lib/libvirt/images/debian-12.qcow2 https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2; ls -lh /var/lib/libvirt/images/; sudo cat /etc/mdserver/mdserver.conf | grep -v '^#' | grep .",
		`sudo virt-install --name web1 --memory 1024 --osinfo linux2022 --import --noautoconsole \
  --disk size=10,backing_store=/var/lib/libvirt/images/debian-12.qcow2 \
  --network network=default --sysinfo 'system.product=OpenStack Nova'
  sudo mdserver instance ls`,
		`time ssh -o StrictHostKeyChecking=accept-new -o ConnectionAttempts=300 debian@$(sudo mdserver instance show web1 --json | sed -n 's/.*"ipv4": "\(.*\)",/\1/p') hostname`,
	} {
		b := time.Now()
		out, err := h.run(suite.ctx, "alice", s, "")
		if len(out) > 3000 {
			out = out[len(out)-3000:]
		}
		t.Log(s, err, time.Since(b), "\n", out)
	}
}
