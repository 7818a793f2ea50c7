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
}

const (
	openHTTP = "firewall-cmd --permanent --zone=libvirt --add-service=http"
	zones    = "echo $(firewall-cmd --get-zone-of-interface=virbr0) $(firewall-cmd --get-zone-of-interface=br-mds)"
)
