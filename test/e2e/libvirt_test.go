//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mdserver/test/lab"
)

// mdsNetwork is libvirt's name for the lab's bridge.
const mdsNetwork = `<network><name>mds</name><forward mode='bridge'/><bridge name='br-mds'/></network>`

// host is a lab with a libvirtd of its own and mdserver.
type host struct {
	*lab.Lab
	t       *testing.T
	libvirt *lab.Libvirt
	server  *lab.Server
}

// newHost starts libvirtd, with or without mdserver's hook, and mdserver, with
// or without an eye on libvirt.
func newHost(t *testing.T, hook, events bool, settings ...string) *host {
	t.Helper()
	h := &host{Lab: newLab(t), t: t}
	if hook {
		if err := h.InstallHook(suite.binary); err != nil {
			t.Fatal(err)
		}
	}
	h.startLibvirt()
	if err := h.libvirt.StartNetwork(suite.ctx, "mds", mdsNetwork); err != nil {
		t.Fatal(err)
	}
	c := h.Config()
	if events {
		c.Set("libvirt", "uri", h.libvirt.URI)
	}
	for i := 0; i < len(settings); i += 3 {
		c.Set(settings[i], settings[i+1], settings[i+2])
	}
	h.server = startServer(t, h.Lab, c)
	return h
}

func (h *host) startLibvirt() {
	h.t.Helper()
	v, err := h.StartLibvirt(suite.ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	h.libvirt = v
}

// virsh runs a command that must succeed.
func (h *host) virsh(args ...string) string {
	h.t.Helper()
	out, err := h.libvirt.Virsh(suite.ctx, args...)
	if err != nil {
		h.t.Fatalf("virsh %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// machine is a guest without a disk: its firmware runs, which is enough for
// libvirt.
func machine(name string, n int, nics ...int) string {
	var devices strings.Builder
	for _, nic := range nics {
		fmt.Fprintf(&devices, "<interface type='network'><mac address='%s'/><source network='mds'/></interface>", machineMAC(n, nic))
	}
	return fmt.Sprintf(`<domain type='qemu'><name>%s</name><uuid>%s</uuid>
  <memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>%s<memballoon model='none'/></devices>
</domain>`, name, machineUUID(n), devices.String())
}

func machineUUID(n int) string     { return fmt.Sprintf("7e5a544d-d555-4133-a443-8229415c%04x", n) }
func machineMAC(n, nic int) string { return fmt.Sprintf("52:54:00:5c:%02x:%02x", n, nic) }

// file writes a definition and returns its path.
func (h *host) file(definition string) string {
	h.t.Helper()
	path, err := h.WriteFile("machine.xml", definition)
	if err != nil {
		h.t.Fatal(err)
	}
	return path
}

// known is what mdserver and libvirt both tell of a domain.
type known struct {
	Name     string
	MACs     []string
	Userdata string // metadata userdata_prefix
}

// record is a guest of mdserver's.
type record struct {
	UUID       string
	Name       string
	InstanceID string `json:"instance_id"`
	FirstSeen  string `json:"first_seen"`
	Hostname   string
	IPv4       string
	Interfaces []struct{ MAC string }
	Metadata   struct{ Values map[string]string }
	Presence   struct{ State string }
}

func (r record) known() known {
	k := known{Name: r.Name, Userdata: r.Metadata.Values["userdata_prefix"]}
	for _, nic := range r.Interfaces {
		k.MACs = append(k.MACs, nic.MAC)
	}
	slices.Sort(k.MACs)
	return k
}

// records are mdserver's guests by UUID.
func (h *host) records() (map[string]record, error) {
	out, err := h.server.Run(suite.ctx, nil, "instance", "list", "--json")
	if err != nil {
		return nil, err
	}
	var list []record
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	byUUID := map[string]record{}
	for _, r := range list {
		byUUID[r.UUID] = r
	}
	return byUUID, nil
}

// domains are libvirt's, by UUID.
func (h *host) domains() (map[string]known, error) {
	out, err := h.libvirt.Virsh(suite.ctx, "list", "--all", "--uuid")
	if err != nil {
		return nil, err
	}
	byUUID := map[string]known{}
	for _, id := range strings.Fields(out) {
		text, err := h.libvirt.Virsh(suite.ctx, "dumpxml", id)
		if err != nil {
			return nil, err
		}
		var d struct {
			Name       string `xml:"name"`
			Userdata   string `xml:"metadata>instance>userdata_prefix"`
			Interfaces []struct {
				MAC struct {
					Address string `xml:"address,attr"`
				} `xml:"mac"`
			} `xml:"devices>interface"`
		}
		if err := xml.Unmarshal([]byte(text), &d); err != nil {
			return nil, err
		}
		k := known{Name: d.Name, Userdata: d.Userdata}
		for _, nic := range d.Interfaces {
			k.MACs = append(k.MACs, nic.MAC.Address)
		}
		slices.Sort(k.MACs)
		byUUID[id] = k
	}
	return byUUID, nil
}

// agree compares mdserver's inventory with libvirt's own view.
func (h *host) agree() error {
	records, err := h.records()
	if err != nil {
		return err
	}
	domains, err := h.domains()
	if err != nil {
		return err
	}
	var problems []error
	for id, d := range domains {
		if len(d.MACs) == 0 { // no guest of ours
			delete(domains, id)
			continue
		}
		if got := records[id].known(); fmt.Sprint(got) != fmt.Sprint(d) {
			problems = append(problems, fmt.Errorf("mdserver has %+v, libvirt %+v", got, d))
		}
		if records[id].Presence.State != "present" {
			problems = append(problems, fmt.Errorf("%s is %q, but libvirt has it", d.Name, records[id].Presence.State))
		}
	}
	for id, r := range records {
		if _, ok := domains[id]; !ok && r.Presence.State == "present" {
			problems = append(problems, fmt.Errorf("%s is present, but libvirt has it no more", r.Name))
		}
	}
	return errors.Join(problems...)
}

// settles waits until mdserver knows what libvirt knows.
func (h *host) settles(what string) {
	h.t.Helper()
	eventually(h.t, what, func(context.Context) error { return h.agree() })
}

// state waits for a guest's state.
func (h *host) state(n int, want string) {
	h.t.Helper()
	eventually(h.t, "a guest that is "+want, func(context.Context) error {
		records, err := h.records()
		if got := records[machineUUID(n)].Presence.State; err == nil && got != want {
			err = fmt.Errorf("it is %q", got)
		}
		return err
	})
}

// Each of libvirt's events reaches the inventory; the guest keeps its address
// and its instance-id through all of them.
func TestEventsOfLibvirt(t *testing.T) {
	t.Parallel()
	h := newHost(t, false, true)
	h.virsh("define", h.file(machine("web1", 1, 1)))
	h.settles("defined")
	records, err := h.records()
	if err != nil {
		t.Fatal(err)
	}
	first := records[machineUUID(1)]
	for _, step := range []struct {
		what string
		args []string
	}{
		{"started", []string{"start", "web1"}},
		{"metadata of a running guest", setMetadata("web1", "db", "--live")},
		{"an interface is plugged", []string{"attach-interface", "web1", "network", "mds", "--mac", machineMAC(1, 2), "--model", "usb-net", "--live"}},
		{"an interface is unplugged", []string{"detach-interface", "web1", "bridge", "--mac", machineMAC(1, 2), "--live"}},
		{"suspended", []string{"suspend", "web1"}},
		{"resumed", []string{"resume", "web1"}},
		{"saved", []string{"managedsave", "web1"}},
		{"restored", []string{"start", "web1"}},
		{"stopped", []string{"destroy", "web1"}},
		{"renamed", []string{"domrename", "web1", "web2"}},
		{"metadata of a guest that is off", setMetadata("web2", "cache", "--config")},
		{"started with its new name", []string{"start", "web2"}},
		{"stopped again", []string{"destroy", "web2"}},
	} {
		h.virsh(step.args...)
		h.settles(step.what)
		records, err := h.records()
		if err != nil {
			t.Fatal(err)
		}
		if r := records[machineUUID(1)]; r.IPv4 != first.IPv4 || r.InstanceID != first.InstanceID {
			t.Errorf("%s: it is %s %s, and was %s %s", step.what, r.InstanceID, r.IPv4, first.InstanceID, first.IPv4)
		}
	}
	// libvirt tells of this one only when the guest starts
	h.virsh("attach-interface", "web2", "network", "mds", "--mac", machineMAC(1, 3), "--config")
	h.virsh("start", "web2")
	h.settles("started with an interface more")
	h.virsh("destroy", "web2")
	h.virsh("undefine", "web2")
	h.state(1, "gone")
	h.virsh("define", h.file(machine("web2", 1, 1)))
	h.state(1, "present")

	h.virsh("create", h.file(machine("transient", 2, 1)))
	h.settles("a transient guest")
	saved := h.Path("transient.save")
	h.virsh("save", "transient", saved)
	h.state(2, "away")
	h.virsh("restore", saved)
	h.state(2, "present")
	h.virsh("destroy", "transient")
	h.state(2, "gone")
}

func setMetadata(name, prefix, where string) []string {
	return []string{"metadata", name, "urn:md_server:domain_metadata", "--key", "mdserver", where,
		"--set", "<instance><userdata_prefix>" + prefix + "</userdata_prefix></instance>"}
}

// A guest that is undefined is released after its rest: no lease, no name, no
// record; and one that was undefined while nobody looked is, too.
func TestReleaseOfTheUndefined(t *testing.T) {
	t.Parallel()
	h := newHost(t, false, true, "libvirt", "release_after", "0s")
	h.virsh("define", h.file(machine("web1", 1, 1)))
	h.virsh("define", h.file(machine("web2", 2, 1)))
	h.settles("defined")
	g, err := h.AddGuest(suite.ctx, "web1", machineMAC(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	lease := dhcp(t, g)
	equal(t, "the name", strings.Join(lookup(t, g, lab.Gateway, "web1.example.net"), " "), lease.IP.String())
	uploadXML(t, h.server, machine("byhand", 3, 1))
	g.StopDHCP()

	h.virsh("undefine", "web1")
	h.released("web1")
	eventually(t, "the name of the released guest", func(context.Context) error {
		if found := lookup(t, g, lab.Gateway, "web1.example.net"); len(found) > 0 {
			return fmt.Errorf("it is %v", found)
		}
		return nil
	})
	// Its lease is flushed: the MAC is a stranger's now.
	g2, err := h.AddGuest(suite.ctx, "heir", machineMAC(4, 1))
	if err != nil {
		t.Fatal(err)
	}
	h.virsh("define", h.file(machineAt("heir", 4, lease.IP.String())))
	h.settles("the heir is defined")
	equal(t, "the address of the heir", dhcp(t, g2).IP.String(), lease.IP.String())

	if err := h.server.Stop(20 * time.Second); err != nil {
		t.Error(err)
	}
	h.virsh("undefine", "web2")
	start(t, h.server)
	h.released("web2")
	if show(t, h.server, "byhand").MAC != machineMAC(3, 1) {
		t.Error("a guest that libvirt never had is gone")
	}
}

// machineAt is a machine that asks for an address.
func machineAt(name string, n int, addr string) string {
	wish := "<metadata><m:instance xmlns:m='urn:md_server:domain_metadata'><m:ipv4>" + addr + "</m:ipv4></m:instance></metadata>"
	return strings.Replace(machine(name, n, 1), "<memory", wish+"<memory", 1)
}

func (h *host) released(name string) {
	h.t.Helper()
	eventually(h.t, name+" is released", func(ctx context.Context) error {
		records, err := h.records()
		for _, r := range records {
			if r.Name == name {
				err = fmt.Errorf("it is still there, %s", r.Presence.State)
			}
		}
		return err
	})
}

// The hook alone, the events alone and both give the same guests.
func TestHookAndEventsAgree(t *testing.T) {
	t.Parallel()
	var results []string
	for _, by := range []struct{ hook, events bool }{{true, false}, {false, true}, {true, true}} {
		h := newHost(t, by.hook, by.events)
		h.virsh("define", h.file(machine("web1", 1, 1)))
		h.virsh(setMetadata("web1", "web", "--config")...)
		h.virsh("start", "web1")
		if by.hook { // which is done when the start is
			show(t, h.server, "web1")
		}
		h.virsh("destroy", "web1")
		h.virsh("domrename", "web1", "web2")
		h.virsh("start", "web2")
		eventually(t, "the guest is known by its new name", func(context.Context) error {
			records, err := h.records()
			if r := records[machineUUID(1)]; err == nil && r.Name != "web2" {
				err = fmt.Errorf("it is %+v", r)
			}
			return err
		})
		records, err := h.records()
		if err != nil {
			t.Fatal(err)
		}
		r := records[machineUUID(1)]
		results = append(results, fmt.Sprint(r.known(), r.InstanceID, r.Hostname, r.IPv4, len(records)))
	}
	equal(t, "the guest by events", results[1], results[0])
	equal(t, "the guest by both", results[2], results[0])
}

// libvirtd and mdserver may be killed at any time: all is found again.
func TestLibvirtdIsKilled(t *testing.T) {
	t.Parallel()
	// A namespace asks in place of the machine, which has its own tap.
	h := newHost(t, true, true, "mdserver", "verify_mac", "no")
	h.virsh("define", h.file(machine("web1", 1, 1)))
	h.virsh("start", "web1")
	h.virsh("define", h.file(machine("web2", 2, 1)))
	h.settles("two guests")
	h.libvirt.Kill()
	g, err := h.AddGuest(suite.ctx, "web1", machineMAC(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	dhcp(t, g)
	equal(t, "metadata while libvirtd is away", get(t, g, "/latest/meta-data/local-hostname"), "web1")
	eventually(t, "mdserver says that libvirt is away", func(context.Context) error {
		// Its exit code says that something is wrong.
		if out, err := h.server.Run(suite.ctx, nil, "status"); err == nil || !strings.Contains(out, "not reached") || !strings.Contains(out, "libvirt: no connection") {
			return errors.New(out)
		}
		return nil
	})
	if err := os.Remove(h.Path("libvirt", "etc", "qemu", "web2.xml")); err != nil {
		t.Fatal(err)
	}
	h.startLibvirt()
	h.settles("libvirtd is back")
	h.state(2, "gone")

	if err := h.libvirt.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	equal(t, "metadata while libvirtd hangs", get(t, g, "/latest/meta-data/local-hostname"), "web1")
	if err := h.libvirt.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	h.settles("libvirtd goes on")
}

// What libvirt lets everybody read is enough to follow its domains: mdserver
// needs no right to change them.
func TestFollowingWithoutRights(t *testing.T) {
	t.Parallel()
	h := newHost(t, false, false)
	h.virsh("define", h.file(machine("web1", 1, 1)))
	if err := h.server.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	socket := h.Path("libvirt", "run", "libvirt-sock-ro")
	c := h.Config().Set("libvirt", "uri", "qemu+unix:///system?socket="+socket).Set("libvirt", "release_after", "0s")
	server, err := h.NewServer(suite.binary, c)
	if err != nil {
		t.Fatal(err)
	}
	h.server = server
	start(t, server)
	h.settles("listed")
	h.virsh("define", h.file(machine("web2", 2, 1)))
	h.virsh("start", "web2")
	h.settles("defined and started")
	h.virsh("undefine", "web1")
	h.released("web1")
}
