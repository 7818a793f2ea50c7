//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"mdserver/test/lab"
)

// newSite starts three members of etcd.
func newSite(t *testing.T) *lab.Site {
	t.Helper()
	site, err := lab.NewSite(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(site.Logs())
		}
		if err := site.Close(); err != nil {
			t.Error("closing the site:", err)
		}
	})
	if err := site.StartEtcd(suite.ctx, 3); err != nil {
		t.Fatal(err)
	}
	return site
}

// member is a host of a site with libvirtd, our hook and mdserver.
type member struct {
	*host
	name string
}

func newMember(t *testing.T, site *lab.Site, name string, settings ...string) *member {
	t.Helper()
	h := &host{Lab: newLab(t), t: t}
	if _, err := site.Join(suite.ctx, h.Lab); err != nil {
		t.Fatal(err)
	}
	if err := h.InstallHook(suite.binary); err != nil {
		t.Fatal(err)
	}
	h.startLibvirt()
	if err := h.libvirt.StartNetwork(suite.ctx, "mds", mdsNetwork); err != nil {
		t.Fatal(err)
	}
	// A namespace asks in place of the machine, which has its own tap.
	config := site.Config(h.Lab, name).Set("libvirt", "uri", h.libvirt.URI).
		Set("dnsmasq", "port_security", "yes").Set("mdserver", "verify_mac", "no")
	for setting := range slices.Chunk(settings, 3) {
		config = config.Set(setting[0], setting[1], setting[2])
	}
	h.server = startServer(t, h.Lab, config)
	return &member{h, name}
}

// homed is what a host of a fleet tells of a guest.
type homed struct {
	record
	Host     string
	FromHost string `json:"from_host"`
	Epoch    int64
	Run      string
}

func (m *member) homed(ctx context.Context, name string) (homed, error) {
	var guest homed
	out, err := m.server.Run(ctx, nil, "instance", "show", name, "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &guest)
	}
	return guest, err
}

// moving is a guest that moves between two hosts with libvirt and an etcd cluster.
type moving struct {
	t       *testing.T
	members []*member
	first   homed // as it was at the start
	epoch   int64
	asked   int
}

// live migrates the guest while it runs, to the host with this number.
func (m *moving) live(to int, args ...string) {
	m.t.Helper()
	args = append([]string{"--live", "--unsafe", "--migrateuri", "unix://" + m.members[to].Path("migration")}, args...)
	m.members[1-to].migrate(m.members[to].host, "web1", args...)
}

// reboot stops the guest and starts it.
func (m *moving) reboot(at int) {
	m.t.Helper()
	m.members[at].virsh("destroy", "web1")
	m.members[at].virsh("start", "web1")
}

// fail begins a migration that cannot succeed: the guest's memory goes nowhere.
func (m *moving) fail(to int) {
	m.t.Helper()
	from, target := m.members[1-to], m.members[to]
	out, err := from.libvirt.Virsh(suite.ctx, "migrate", "web1", "--desturi", target.libvirt.URI, "--live", "--unsafe",
		"--migrateuri", "unix://"+target.Path("no", "such", "directory"))
	if err == nil {
		m.t.Fatalf("a migration to nowhere succeeds: %s", out)
	}
}

// settles waits until both hosts say that a host has the guest and runs it, or not, and
// that it is on its way from nowhere. All but its home is as it was.
func (m *moving) settles(what string, at int, run string) {
	m.t.Helper()
	name := m.members[at].name
	for _, asked := range m.members {
		var guest homed
		eventually(m.t, what+", says "+asked.name, func(ctx context.Context) (err error) {
			guest, err = asked.homed(ctx, "web1")
			if err == nil && (guest.Host != name || guest.FromHost != "" || guest.Run != run) {
				err = fmt.Errorf("it is on %q, from %q, %q", guest.Host, guest.FromHost, guest.Run)
			}
			return err
		})
		if m.first.UUID == "" {
			m.first = guest
		}
		equal(m.t, what+": what may not change, says "+asked.name, identity(guest), identity(m.first))
		if guest.Epoch < m.epoch {
			m.t.Errorf("%s: %s has the epoch %d after %d", what, asked.name, guest.Epoch, m.epoch)
		}
		m.epoch = guest.Epoch
	}
}

func identity(g homed) string {
	return fmt.Sprintf("%s %s %s %s %s %v", g.InstanceID, g.UUID, g.Name, g.Hostname, g.IPv4, g.known().MACs)
}

// served asks for address and metadata in place of the guest: its host answers, and the
// other one does not, also not by the segment between them.
func (m *moving) served(what string, at int) {
	m.t.Helper()
	for number, h := range m.members {
		m.asked++
		g, err := h.AddGuest(suite.ctx, fmt.Sprint("web1-", m.asked), machineMAC(1, 1))
		if err != nil {
			m.t.Fatal(err)
		}
		if err := g.NamePort(suite.ctx); err != nil {
			m.t.Fatal(err)
		}
		if number == at {
			equal(m.t, what+": the address by DHCP of "+h.name, dhcp(m.t, g).IP.String(), m.first.IPv4)
			equal(m.t, what+": the instance-id of "+h.name, get(m.t, g, "/latest/meta-data/instance-id"), m.first.InstanceID)
			equal(m.t, what+": the host name of "+h.name, get(m.t, g, "/latest/meta-data/local-hostname"), m.first.Hostname)
			g.StopDHCP()
		} else if offered, err := g.TryDHCP(suite.ctx); err != nil || offered {
			m.t.Errorf("%s: %s offers a lease: %v, %v", what, h.name, offered, err)
		}
		if err := g.Remove(suite.ctx); err != nil {
			m.t.Fatal(err)
		}
	}
}

// moveStep is something that happens to a guest, and what both hosts say of it then.
type moveStep struct {
	what  string
	do    func()
	at    int
	run   string
	moves int64 // how often it gets another host
}

// follow makes the steps. After each, the host that has the guest serves it alone.
func (m *moving) follow(steps []moveStep) {
	m.t.Helper()
	for _, step := range steps {
		before := m.epoch
		step.do()
		m.settles(step.what, step.at, step.run)
		if m.epoch != before+step.moves {
			m.t.Errorf("%s: the epoch grows from %d to %d, want %d more", step.what, before, m.epoch, step.moves)
		}
		m.served(step.what, step.at)
	}
}

// newMoving starts a guest on the first of two hosts.
func newMoving(t *testing.T, settings ...string) *moving {
	t.Helper()
	site := newSite(t)
	m := &moving{t: t, members: []*member{newMember(t, site, "kvm1", settings...), newMember(t, site, "kvm2", settings...)}}
	m.members[0].virsh("define", m.members[0].file(machine("web1", 1, 1)))
	m.members[0].virsh("start", "web1")
	return m
}

// offline migrates the guest while it does not run, to the host with this number.
func (m *moving) offline(to int) {
	m.t.Helper()
	m.members[1-to].migrate(m.members[to].host, "web1", "--offline", "--persistent", "--undefinesource")
}

// A guest moves between two hosts of a fleet, each with its libvirt, by real migrations of an
// emulated machine: live, offline, one that fails, and back again. After each, and after
// the reboot that follows, the host that runs it has it and serves it alone, and it
// has kept its address, name and instance-id.
func TestFleetMigration(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.follow([]moveStep{
		{"started", func() {}, 0, "running", 1},
		{"migrated", func() { m.live(1, "--persistent", "--undefinesource") }, 1, "running", 1},
		{"started again there", func() { m.reboot(1) }, 1, "running", 0},
		{"not migrated", func() { m.fail(0) }, 1, "running", 2},
		{"migrated back, and the definition stays", func() { m.live(0, "--persistent") }, 0, "running", 1},
		{"started again here", func() { m.reboot(0) }, 0, "running", 0},
		{"migrated to where its definition is", func() { m.live(1, "--persistent") }, 1, "running", 1},
		{"stopped", func() { m.members[1].virsh("destroy", "web1") }, 1, "", 0},
		{"migrated while it is off", func() { m.offline(0) }, 0, "", 1},
		{"started after that", func() { m.members[0].virsh("start", "web1") }, 0, "running", 0},
	})
}

// The same with hosts that follow no events of libvirt and have its hook alone. They know
// that a guest runs when it has arrived, and otherwise that it was started.
func TestFleetMigrationByHooks(t *testing.T) {
	t.Parallel()
	m := newMoving(t, "libvirt", "uri", "off")
	m.follow([]moveStep{
		{"started", func() {}, 0, "starting", 1},
		{"migrated", func() { m.live(1, "--persistent", "--undefinesource") }, 1, "running", 1},
		{"not migrated", func() { m.fail(0) }, 1, "running", 2},
		{"started again there", func() { m.reboot(1) }, 1, "starting", 0},
		{"stopped", func() { m.members[1].virsh("destroy", "web1") }, 1, "", 0},
		{"migrated while it is off", func() { m.offline(0) }, 0, "", 1},
		{"started after that", func() { m.members[0].virsh("start", "web1") }, 0, "starting", 0},
	})
}
