//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"mdserver/test/lab"
)

// A guest that is gone keeps nothing from others while it rests: neither its
// MAC address nor its name, its address or its lease.
func TestGoneKeepsNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t, true, true)
	h.virsh("define", h.file(machine("web1", 1, 1)))
	h.settles("defined")
	h.virsh("undefine", "web1")
	h.state(1, "gone")
	h.virsh("define", h.file(strings.Replace(machine("web2", 2, 1), machineMAC(2, 1), machineMAC(1, 1), 1)))
	h.settles("another guest with its MAC address")

	h.virsh("define", h.file(machine("db1", 3, 1)))
	h.settles("defined")
	lease := dhcp(t, h.guest("db1", 3))
	h.virsh("undefine", "db1")
	h.state(3, "gone")
	h.virsh("define", h.file(machine("db1", 4, 1)))
	h.settles("another guest with its name")
	equal(t, "the address that comes with the name", dhcp(t, h.guest("db1-again", 4)).IP.String(), lease.IP.String())

	h.virsh("undefine", "db1")
	h.state(4, "gone")
	h.virsh("define", h.file(machineAt("heir", 5, lease.IP.String())))
	h.settles("another guest that asks for its address")
	equal(t, "the address asked for", dhcp(t, h.guest("heir", 5)).IP.String(), lease.IP.String())
}

func (h *host) guest(name string, n int) *lab.Guest {
	h.t.Helper()
	g, err := h.AddGuest(suite.ctx, name, machineMAC(n, 1))
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

// A domain that lost its last interface on the network is no guest any more,
// nor is one whose start failed after the hook had told of it.
func TestNoGuestAnyMore(t *testing.T) {
	t.Parallel()
	h := newHost(t, true, true)
	h.virsh("define", h.file(machine("web1", 1, 1)))
	h.settles("defined")
	h.virsh("define", h.file(machine("web1", 1)))
	h.state(1, "gone")
	h.virsh("define", h.file(machine("web1", 1, 1)))
	h.state(1, "present")

	unable := strings.Replace(machine("unable", 2, 1), "</domain>",
		"<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:arg value='-unable'/></qemu:commandline></domain>", 1)
	if out, err := h.libvirt.Virsh(suite.ctx, "create", h.file(unable)); err == nil {
		t.Fatalf("it starts: %s", out)
	}
	h.state(2, "") // as the hook told of it
	h.libvirt.Kill()
	h.startLibvirt()
	h.state(2, "gone")
}

// Guests that exchange their names keep all else, even if mdserver looks when
// all is done.
func TestNamesAreExchanged(t *testing.T) {
	t.Parallel()
	h := newHost(t, false, true)
	h.virsh("define", h.file(machine("web1", 1, 1)))
	h.virsh("define", h.file(machine("web2", 2, 1)))
	h.settles("defined")
	before, err := h.records()
	if err != nil {
		t.Fatal(err)
	}
	h.virsh("domrename web1 aside; domrename web2 web1; domrename aside web2")
	h.settles("exchanged")
	after, err := h.records()
	if err != nil {
		t.Fatal(err)
	}
	for n, hostname := range map[int]string{1: "web2", 2: "web1"} {
		was, is := before[machineUUID(n)], after[machineUUID(n)]
		equal(t, "the host name", is.Hostname, hostname)
		equal(t, "the address", is.IPv4, was.IPv4)
		equal(t, "the instance-id", is.InstanceID, was.InstanceID)
		equal(t, "the time when it was first seen", is.FirstSeen, was.FirstSeen)
	}
}
