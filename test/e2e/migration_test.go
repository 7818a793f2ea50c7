//go:build e2e

package e2e

import (
	"testing"
)

// migrate moves a guest from one host to another. Its memory goes through a
// Unix socket, for the labs share files and no network.
func (h *host) migrate(to *host, name string, args ...string) {
	h.t.Helper()
	full := append([]string{"migrate", name, "--desturi", to.libvirt.URI}, args...)
	h.virsh(full...)
}

// A guest moves to another host and back: there it is known before it runs,
// with its name, MAC and instance-id, and here nothing of it is released. The
// rules of port security go with it, to a port with another name.
func TestMigration(t *testing.T) {
	t.Parallel()
	settings := []string{"libvirt", "release_after", "0s", "dnsmasq", "port_security", "yes"}
	first, second := newHost(t, true, true, settings...), newHost(t, true, true, settings...)
	second.virsh("create", second.file(machine("other", 9, 1))) // so that the guest has another tap there
	first.virsh("define", first.file(machine("web1", 1, 1)))
	first.virsh("start", "web1")
	first.settles("started")
	mac := machineMAC(1, 1)
	atFirst := first.ports("started", "web1", 1)[0]
	if !first.rules(atFirst, mac) {
		t.Errorf("the first host has no rules for %s", atFirst)
	}
	before, err := first.records()
	if err != nil {
		t.Fatal(err)
	}
	live := []string{"--live", "--unsafe", "--migrateuri", "unix://" + second.Path("migration")}

	first.migrate(second, "web1", append(live, "--persistent", "--undefinesource")...)
	second.settles("migrated")
	first.state(1, "away")
	first.ports("migrated", "web1", 0)
	atSecond := second.ports("migrated", "web1", 1)[0]
	if atSecond == atFirst || !second.rules(atSecond, mac) || first.rules(atFirst, mac) {
		t.Errorf("it went from %s to %s; the rules are there: %v, here: %v", atFirst, atSecond, second.rules(atSecond, mac), first.rules(atFirst, mac))
	}
	after, err := second.records()
	if err != nil {
		t.Fatal(err)
	}
	was, is := before[machineUUID(1)], after[machineUUID(1)]
	equal(t, "the guest's name, MACs and metadata", is.known().Name+is.known().MACs[0], was.known().Name+was.known().MACs[0])
	equal(t, "its instance-id", is.InstanceID, was.InstanceID)

	live[len(live)-1] = "unix://" + first.Path("migration")
	second.migrate(first, "web1", live...)
	first.settles("migrated back")
	second.state(1, "away") // its definition stays behind
	second.ports("migrated back", "web1", 0)
	atFirst = first.ports("migrated back", "web1", 1)[0]
	if !first.rules(atFirst, mac) || second.rules(atSecond, mac) {
		t.Errorf("it came back; the rules are here: %v, there: %v", first.rules(atFirst, mac), second.rules(atSecond, mac))
	}
	again, err := first.records()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "its address, back at home", again[machineUUID(1)].IPv4, was.IPv4)

	first.virsh("define", first.file(machine("web2", 2, 1)))
	first.settles("a guest that is off")
	first.migrate(second, "web2", "--offline", "--persistent")
	second.state(2, "present")
	first.state(2, "present")
}
