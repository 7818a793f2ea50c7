//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"mdserver/test/lab"
	"mdserver/test/remedies"
)

// clinic is a patient beside a libvirt that runs guests.
type clinic struct {
	*patient
	libvirt *lab.Libvirt
}

// newClinic starts libvirtd, and mdserver with a configuration that names it.
func newClinic(t *testing.T, r *remedies.Exercised, c func(*lab.Lab) lab.Config) *clinic {
	t.Helper()
	l := newLab(t)
	v, err := l.StartLibvirt(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = v.Virsh(context.Background(), "net-destroy", "default") })
	return &clinic{patientOf(t, r, l, c(l).Set("libvirt", "uri", v.URI)), v}
}

func (c *clinic) virsh(args ...string) {
	c.t.Helper()
	if _, err := c.libvirt.Virsh(suite.ctx, args...); err != nil {
		c.t.Fatalf("virsh %s: %v", strings.Join(args, " "), err)
	}
}

// define gives libvirt a domain or a network.
func (c *clinic) define(command, xml string) {
	c.t.Helper()
	file, err := c.WriteFile("define.xml", xml)
	if err != nil {
		c.t.Fatal(err)
	}
	c.virsh(command, file)
}

// known waits until a guest is registered.
func (c *clinic) known(name string) {
	c.t.Helper()
	eventually(c.t, name, func(ctx context.Context) error {
		_, err := c.server.Run(ctx, nil, "instance", "show", name)
		return err
	})
}

// onDefault is a configuration for libvirt's network "default".
func onDefault(l *lab.Lab) lab.Config {
	c := l.Config().Set("network default", "backend", "libvirt")
	for _, key := range []string{"net_name", "net_address", "net_prefix", "gateway", "interface"} {
		delete(c["dnsmasq"], key)
	}
	return c
}

// newStockClinic has libvirt's network "default", which libvirt's dnsmasq serves.
func newStockClinic(t *testing.T, r *remedies.Exercised) *clinic {
	t.Helper()
	l := newLab(t)
	v, err := l.StartLibvirt(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = v.Virsh(context.Background(), "net-destroy", "default") })
	if err := v.StartNetwork(suite.ctx, "default", stockNetwork); err != nil {
		t.Fatal(err)
	}
	if err := l.Host.IP(suite.ctx, "link", "delete", lab.Bridge); err != nil { // so that virbr0 gets the metadata address
		t.Fatal(err)
	}
	return &clinic{patientOf(t, r, l, onDefault(l).Set("libvirt", "uri", v.URI)), v}
}

// A policy that drops keeps guests also from libvirt's dnsmasq: what one table
// accepts, another can still drop. The rules that doctor names let them in.
func TestDoctorFirewallOfLibvirt(t *testing.T) {
	t.Parallel()
	c := newStockClinic(t, remedies.Covers(t))
	c.well("firewall")
	guest, err := c.AddGuestOn(suite.ctx, "virbr0", "web", machineMAC(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	c.do("nft add table inet strict && nft add chain inet strict input '{ type filter hook input priority 10; policy drop; }' && " +
		"nft add rule inet strict input ct state established,related accept && nft add rule inet strict input iifname lo accept")
	for _, words := range []string{"tcp port 80", "udp port 67", "udp port 53"} {
		c.mend(c.finds("firewall", "virbr0", words, "inet strict input"))
	}
	c.well("firewall")
	dhcp(t, guest)
	equal(t, "the DNS of libvirt", strings.Join(lookup(t, guest, virbr, "printer"), " "), "192.168.122.77")
}

// A restart of the network takes the running guests off it; doctor and explain
// say so. A guest may also have been put on another bridge.
func TestDoctorTaps(t *testing.T) {
	t.Parallel()
	c := newStockClinic(t, remedies.Covers(t))
	c.define("define", strings.ReplaceAll(machine("web", 1, 1), "network='mds'", "network='default'"))
	c.virsh("start", "web")
	c.known("web")
	c.well("taps")
	detached := func() bool {
		return strings.Contains(strings.Join(explained(t, c.server, "web").Missing, "\n"), "its tap")
	}
	if detached() {
		t.Error("a guest on its network is said to be off it")
	}

	c.virsh("net-destroy", "default")
	c.mend(c.finds("bridge", "virbr0", "does not exist"))
	f := c.finds("taps", `the guest "web" has no network`, "on no bridge", "virbr0")
	if !detached() {
		t.Error("explain says nothing of the tap")
	}
	c.mend(f)
	c.well("taps")
	if detached() {
		t.Error("explain says that the tap is off the bridge")
	}

	tap := strings.Fields(f.Remedy[0])[3]
	c.do("ip link add elsewhere type bridge && ip link set " + tap + " master elsewhere")
	c.mend(c.finds("taps", `the guest "web" is on another network`, "elsewhere", "virbr0"))
	c.well("taps")

	t.Log("the network is gone for good: no command knows what it was")
	c.virsh("net-destroy", "default")
	c.virsh("net-undefine", "default")
	c.mend(c.finds("bridge", "virbr0", "does not exist"))
}

// Two guests of an imported database share a name in DNS, by the prefix. It is
// found while the server runs and while it does not.
func TestDoctorNames(t *testing.T) {
	t.Parallel()
	c := newClinic(t, remedies.Covers(t), func(l *lab.Lab) lab.Config {
		entry := func(name string, n int) string {
			return fmt.Sprintf(`{"domain_name": %q, "domain_uuid": %q, "domain_metadata": {}, "mds_mac": %q, "mds_ipv4": "10.122.6.%d", "mds_ipv6": null, "first_seen": 159454553%[4]d.0, "last_update": 1594545616.0}`,
				name, machineUUID(n), machineMAC(n, 1), n)
		}
		if _, err := l.WriteFile("state/db_file.json", "["+entry("web", 1)+", "+entry("lab-web", 2)+"]"); err != nil {
			t.Fatal(err)
		}
		return l.Config().Set("dnsmasq", "prefix", "lab-").Set("dnsmasq", "entry_order", "base,prefix")
	})
	c.define("net-define", mdsNetwork)
	c.virsh("net-start", "mds")
	c.define("define", machine("web", 1, 1))
	c.define("define", machine("lab-web", 2, 1))
	c.finds("names", `"web" and "lab-web"`, "lab-web in DNS")
	if err := c.server.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	c.finds("names", `"web" and "lab-web"`)
	start(t, c.server)
	c.mend(c.finds("names", `"web" and "lab-web"`))
	c.well("names")
}

const (
	nova   = `<sysinfo type="smbios"><system><entry name="product">OpenStack Nova</entry></system></sysinfo>`
	amazon = `<sysinfo type="smbios"><system><entry name="serial">%[1]s</entry><entry name="uuid">%[1]s</entry></system></sysinfo>`
	seed   = `<sysinfo type="smbios"><system><entry name="serial">ds=nocloud;s=http://169.254.169.254/nocloud/</entry></system></sysinfo>`
	strict = `<metadata><m:instance xmlns:m="urn:md_server:domain_metadata"><m:imds>required</m:imds></m:instance></metadata>`
)

// showing is a domain that shows its image some hardware.
func showing(name, uuid, sysinfo, metadata string) string {
	return fmt.Sprintf(`<domain type="qemu"><name>%s</name><uuid>%s</uuid>%s%s<memory>65536</memory><os><type arch="x86_64">hvm</type><smbios mode="sysinfo"/></os>`+
		`<devices><interface type="network"><mac address="52:54:00:4a:0c:%s"/><source network="mds"/></interface></devices></domain>`,
		name, uuid, metadata, sysinfo, uuid[len(uuid)-2:])
}

// What an image takes this server for does not go with the configuration.
func TestDoctorDatasources(t *testing.T) {
	t.Parallel()
	const (
		plain   = "4f2c8f0e-6a0b-4d0e-9d6e-0f6f6f1f7a01"
		amazon1 = "ec2c8f0e-6a0b-4d0e-9d6e-0f6f6f1f7a02"
	)
	c := newClinic(t, remedies.Covers(t), func(l *lab.Lab) lab.Config { return l.Config().Set("mdserver", "imds", "required") })
	c.define("net-define", mdsNetwork)
	c.virsh("net-start", "mds")

	t.Log("OpenStack, where tokens are required")
	c.define("define", showing("it's web1", plain, nova, ""))
	c.known("it's web1")
	if err := c.server.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	c.mend(c.finds("datasource", "it's web1", "imds requires them")) // only a change: it is read at the start
	start(t, c.server)

	c.define("define", showing("it's web1", plain, nova, strict)) // by the domain's own metadata
	f := c.finds("datasource", "it's web1", "imds requires them")
	c.mend(f)
	contains(t, "the advice", strings.Join(f.Advice, "\n"), "edit "+shellQuoted("it's web1"))
	c.define("define", showing("it's web1", plain, nova, ""))

	f = c.finds("datasource", "it's web1", "imds requires them")
	c.follow(f)
	c.mend(f)
	c.well("datasource")

	t.Log("AWS, where there are no tokens")
	c.do("sed -i 's/^imds = .*/imds = off/' " + c.file)
	c.do("mdserver reload --config " + c.file)
	c.define("define", showing("aws", amazon1, fmt.Sprintf(amazon, amazon1), ""))
	if err := c.server.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	c.mend(c.finds("datasource", `"aws"`, "imds is off"))
	start(t, c.server)
	f = c.finds("datasource", `"aws"`, "imds is off")
	c.follow(f)
	c.mend(f)
	c.well("datasource")

	t.Log("NoCloud, which an older cloud-init reads in vain")
	c.virsh("undefine", "aws")
	c.define("define", showing("it's web1", plain, seed, ""))
	c.mend(c.sees("datasource", "it's web1", "before 23.2"))
	c.gone("datasource", "before 23.2")

	t.Log("a clone, which a newer cloud-init takes for AWS")
	c.define("define", showing("aws", amazon1, nova, ""))
	c.mend(c.sees("datasource", `"aws"`, "detects AWS"))
	c.virsh("undefine", "aws")
	c.gone("datasource", `"aws"`)
}

func shellQuoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// A guest whose first boot was before the server's start: explain says what
// that means. One that is started again is like any other.
func TestExplainStartedBefore(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	v, err := l.StartLibvirt(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.StartNetwork(suite.ctx, "mds", mdsNetwork); err != nil {
		t.Fatal(err)
	}
	file, err := l.WriteFile("machine.xml", machine("web", 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"define", file}, {"start", "web"}} {
		if _, err := v.Virsh(suite.ctx, args...); err != nil {
			t.Fatal(err)
		}
	}
	c := &clinic{patientOf(t, nil, l, l.Config().Set("libvirt", "uri", v.URI)), v}
	c.known("web")
	doc := explained(t, c.server, "web")
	contains(t, "what is missing", strings.Join(doc.Missing, "\n"), "started before the server", "OpenStack:", "NoCloud:", "EC2:", "cloud-init clean --reboot")
	equal(t, "the state's source", source(doc, "state"), "libvirt")

	if err := c.server.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	start(t, c.server) // which knows the guest by its database now
	c.known("web")
	eventually(t, "the guest that was known before", func(context.Context) error {
		if missing := strings.Join(explained(t, c.server, "web").Missing, "\n"); !strings.Contains(missing, "it was running when the server started") {
			return errors.New(missing)
		}
		return nil
	})

	c.virsh("destroy", "web")
	c.virsh("start", "web")
	eventually(t, "the guest that is started again", func(context.Context) error {
		if doc := explained(t, c.server, "web"); source(doc, "state") != "" || !strings.Contains(strings.Join(doc.Missing, "\n"), "no requests since") {
			return errors.New(strings.Join(doc.Missing, "\n"))
		}
		return nil
	})
}

// Records that are damaged are set aside by the server's start.
func TestDoctorDamage(t *testing.T) {
	t.Parallel()
	p := newPatient(t, remedies.Covers(t))
	for i := range 4 {
		uploadXML(t, p.server, machine(fmt.Sprintf("a-guest-by-this-name-%d", i), i+1, 1))
	}
	if err := p.server.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	db := p.Path("state", "mdserver.db")
	data, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	damaged := strings.ReplaceAll(string(data), "a-guest-by-this-name-2", "b-guest-by-this-name-2")
	if damaged == string(data) {
		t.Fatal("the guest's name is not in the database")
	}
	if err := os.WriteFile(db, []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	p.mend(p.sees("database", "is damaged in"))
	start(t, p.server)
	p.gone("database", "is damaged in")
	f := p.sees("database", "set aside in")
	p.mend(f)
	aside := f.Text[strings.LastIndex(f.Text, " ")+1:]
	if err := os.Remove(aside); err != nil {
		t.Fatal(err)
	}
	p.gone("database", "set aside in")
}
