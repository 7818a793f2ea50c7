//go:build host

package host

import (
	"strings"
	"testing"

	"mdserver/test/remedies"
)

// TestFirewalld has firewalld on the host before anything else. Its zone for
// libvirt's bridges rejects HTTP: install opens it, and doctor finds where it is
// closed, for a network of libvirt's and for one of mdserver's own.
func TestFirewalld(t *testing.T) {
	r := remedies.Covers(t)
	w := &ward{newHost(t, "trixie"), r}
	w.must("root", "apt-get install -y --no-install-recommends firewalld && systemctl is-active firewalld")
	w.must("alice", readBlock(t, "README.md#First guest#1"))
	before := w.must("root", services)
	w.bring(sources, "/root/mdserver")

	if out := w.must("root", "./mdserver install"); !strings.Contains(out, openHTTP) {
		t.Errorf("install does not tell how to open the firewall:\n%s", out)
	}
	for _, network := range []string{"default", "mds"} {
		w.must("root", "mdserver install --start --network "+network+" || true")
		w.green("behind firewalld with the network " + network)
	}
	w.wants(zones, "libvirt libvirt\n")

	// A zone that admits all needs no opening, until libvirt takes its bridges back.
	const (
		back    = "until test \"$(" + zones + ")\" = 'libvirt libvirt'; do sleep 0.2; done" // libvirt puts its bridges there after a reload
		shut    = "for i in service=http port=80/tcp; do firewall-cmd --quiet --permanent --zone=libvirt --remove-$i; done; firewall-cmd --quiet --reload && " + back
		trust   = "for i in virbr0 br-mds; do firewall-cmd --quiet --zone=trusted --change-interface=$i; done"
		restart = "systemctl restart libvirtd && virsh list && " + back
	)
	w.must("root", shut)
	w.sees("guests on virbr0 to tcp port 80", "are dropped by")
	w.must("root", trust)
	w.green("with the bridges in a zone that admits all")
	w.cure(restart, "", "guests on virbr0 to tcp port 80 by IPv4 are dropped", "filter_IN_libvirt")
	w.gone("guests on br-mds to")
	w.must("root", shut)
	w.sees("guests on virbr0 to tcp port 80", "are dropped by")
	w.block("docs/howto/firewall.md#firewalld#1", "alice")
	w.must("root", restart)
	w.green("after libvirt put the bridges into its zone once more")

	// A bridge without a zone is in that of the outside, which admits neither. The
	// packet leaves that zone's chain and meets the last rule of firewalld's input.
	const leave = " && firewall-cmd --quiet --zone=libvirt --remove-interface=virbr0"
	w.cure(shut+leave, "", "guests on virbr0 to tcp port 80 by IPv4 are dropped", "filter_INPUT_POLICIES")
	w.cure("true"+leave+" && firewall-cmd --quiet --permanent --zone=libvirt --remove-interface=virbr0", "", "guests on virbr0 to udp port 67 by IPv4 are dropped", "filter_INPUT_POLICIES")
	w.must("root", restart+" && virsh net-destroy default && virsh net-start default")
	w.green("after the network started once more")
	w.wants("firewall-cmd --list-all --zone=public | grep -c '67/udp\\|80/tcp' || true", "0\n")

	w.must("root", "firewall-cmd --quiet --permanent --zone=libvirt --remove-port=80/tcp && firewall-cmd --quiet --reload")
	w.must("root", "mdserver install --start; mdserver uninstall --purge")
	if after := w.must("root", services); after != before {
		t.Errorf("after the purge firewalld's zone has %q, and had %q before", after, before)
	}
}

const (
	openHTTP = "firewall-cmd --permanent --zone=libvirt --add-service=http"
	services = "firewall-cmd --permanent --zone=libvirt --list-services"
	zones    = "echo $(firewall-cmd --get-zone-of-interface=virbr0) $(firewall-cmd --get-zone-of-interface=br-mds)"
)
