//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/test/lab"
)

// stock is libvirt's default network as it ships.
const stock = `<network><name>default</name><forward mode='nat'/><bridge name='virbr0' stp='off' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip>
</network>`

// vm is a virtual machine that an administrator has just made, and its host.
type vm struct {
	*machineHost
	*lab.Machine
	guest shown
}

// newVM registers a machine, dressed up as a cloud, by `virsh define` and
// `mdserver smbios` alone, and boots it.
func newVM(t *testing.T, network, id string, prepare func(*lab.Lab, lab.Config), args ...string) *vm {
	t.Helper()
	h := newMachineHost(t, network, prepare)
	v := h.define(lab.Machine{Name: "web1", UUID: uuid.MustParse(id), MAC: "52:54:00:6d:00:01"}, args...)
	bootMachines(t, v)
	return v
}

// machineHost is a host of virtual machines on one of libvirt's networks.
type machineHost struct {
	*host
	image   lab.Image
	network string
	key     string // the file with the private SSH key
}

// emulating bounds the tests that have emulated machines at the same time: each takes
// a processor.
var emulating = make(chan struct{}, runtime.NumCPU())

// newMachineHost starts libvirtd, a network and mdserver. prepare changes the
// lab and the configuration first.
func newMachineHost(t *testing.T, network string, prepare func(*lab.Lab, lab.Config)) *machineHost {
	t.Helper()
	emulating <- struct{}{}
	t.Cleanup(func() { <-emulating })
	image, err := lab.OpenImage(suite.ctx, builtImage(t, "guest"))
	if err != nil {
		t.Fatal(err)
	}
	h := &machineHost{host: &host{Lab: newLab(t), t: t}, image: image, network: network}
	h.startLibvirt()
	t.Cleanup(func() { _, _ = h.libvirt.Virsh(context.Background(), "net-destroy", network) })
	xml := mdsNetwork
	c := h.Config().Set("libvirt", "uri", h.libvirt.URI).Set("libvirt", "release_after", "0s")
	if network == "default" {
		xml = stock
		serveStock(t, h.Lab, c)
	}
	if prepare != nil {
		prepare(h.Lab, c)
	}
	if err := h.libvirt.StartNetwork(suite.ctx, network, xml); err != nil {
		t.Fatal(err)
	}
	vendor, err := h.WriteFile("vendor.yaml", vendorData)
	if err != nil {
		t.Fatal(err)
	}
	key, public, err := h.NewSSHKey(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	h.key = key
	c.Set("mdserver", "vendordata_template", vendor).Set("mdserver", "template_escape", "none").Set("public-keys", "lab", public)
	h.server = startServer(t, h.Lab, c)
	return h
}

// define registers a machine and dresses it up; args are those of
// `mdserver smbios`.
func (h *machineHost) define(m lab.Machine, args ...string) *vm {
	t := h.t
	t.Helper()
	machine, err := h.libvirt.DefineMachine(suite.ctx, h.image, m, h.network, h.key)
	if err != nil {
		t.Fatal(err)
	}
	command(t, h.server, append([]string{"smbios", m.Name, "--apply"}, args...)...)
	h.settles("the new machine")
	return &vm{machineHost: h, Machine: machine, guest: show(t, h.server, m.Name)}
}

// bootMachines starts machines together and waits until cloud-init is done in
// all of them.
func bootMachines(t *testing.T, all ...*vm) {
	t.Helper()
	began := time.Now()
	errs := make([]error, len(all))
	var up sync.WaitGroup
	for i, v := range all {
		up.Go(func() {
			errs[i] = v.Boot(suite.ctx, v.guest.IPv4)
			t.Logf("%s was up after %s, by %s", v.guest.Name, time.Since(began).Round(time.Second), v.image.Accelerator())
		})
	}
	up.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// serveStock leaves a host with nothing but libvirt's own network.
func serveStock(t *testing.T, l *lab.Lab, c lab.Config) {
	t.Helper()
	if err := l.Host.IP(suite.ctx, "link", "delete", lab.Bridge); err != nil {
		t.Fatal(err)
	}
	c.Set("network default", "backend", "libvirt")
	for _, key := range []string{"net_name", "net_address", "net_prefix", "gateway", "interface"} {
		delete(c["dnsmasq"], key)
	}
}

// says runs a command in the machine.
func (v *vm) says(command string) string {
	v.t.Helper()
	out, err := v.SSH(suite.ctx, v.guest.IPv4, command)
	if err != nil {
		v.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// check looks at what the machine has become.
func (v *vm) check(look look) {
	t := v.t
	t.Helper()
	v.checkDatasource(look)
	equal(t, "the host name", v.says("hostname"), "web1")
	contains(t, "the addresses", v.says("ip -4 -brief address"), v.guest.IPv4.String()+"/")
	contains(t, "the route to the metadata", v.says("ip -4 route get "+lab.MetadataAddr), " via ")
	equal(t, "the name by the machine's own resolver", strings.Fields(v.says("getent ahostsv4 web1."))[0], v.guest.IPv4.String())
	contains(t, "the keys", v.says("cat .ssh/authorized_keys"), "alice@laptop", "bob@desk", " lab")
	contains(t, "what user-data wrote", v.says("sudo cat /var/lib/lab/written /var/lib/lab/ran"), "name web1", "address "+v.guest.IPv4.String(), "ran on web1")
	if look.vendor {
		equal(t, "what vendor-data wrote", v.says("sudo cat /var/lib/lab/vendor"), "vendor-data of web1")
	}
}

func (v *vm) checkDatasource(look look) {
	t := v.t
	t.Helper()
	contains(t, "cloud-init's result", v.says("cat /run/cloud-init/result.json"), `"`+look.source+`"`, `"errors": []`)
	equal(t, "the instance-id", v.says("sudo cat /var/lib/cloud/data/instance-id"), look.instanceID(v.guest))
	var complaints []string
	for line := range strings.Lines(v.says("sudo grep -E '\\[(WARNING|ERROR|CRITICAL)\\]' /var/log/cloud-init.log || true")) {
		if !strings.Contains(line, netplanComplains) && !strings.Contains(line, reportLost) {
			complaints = append(complaints, line)
		}
	}
	if len(complaints) > 0 {
		t.Errorf("cloud-init complains:\n%s", strings.Join(complaints, ""))
	}
}

// netplanComplains of the rights of the file that this cloud-init writes for
// it, if the datasource is found after the network is up.
const netplanComplains = "Running ['netplan', 'apply'] resulted in stderr output"

// reportLost says that the server did not answer a report in time, as may happen on a
// host that emulates several processors.
const reportLost = "Failed posting event"

// lookNamed is one of the looks that cloud-init is tried with.
func lookNamed(t *testing.T, name string) look {
	t.Helper()
	for _, l := range looks {
		if l.name == name {
			return l
		}
	}
	t.Fatalf("there is no look %q", name)
	return look{}
}

// A machine with an unmodified image is set up by NoCloud over HTTP. ssh knows it, and
// another one of its name, at the first try.
func TestMachineWithNoCloud(t *testing.T) {
	t.Parallel()
	v := newVM(t, "mds", "7e5a544d-d555-4133-a443-8229416d0002", certified, "--as", "nocloud")
	v.check(lookNamed(t, "NoCloud"))
	v.isMadeAnew(v.isKnown("keys"))
}

// A machine on the network that every libvirt host has, dressed up as mdserver
// recommends: it reboots while mdserver is away, and when it is gone there is
// no trace of it.
func TestMachineOnStockNetwork(t *testing.T) {
	t.Parallel()
	v := newVM(t, "default", "7e5a544d-d555-4133-a443-8229416d0003", nil)
	openStack := lookNamed(t, "OpenStack")
	v.check(openStack)

	if err := v.server.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := v.Reboot(suite.ctx, v.guest.IPv4); err != nil {
		t.Fatal("a reboot while mdserver is away:", err)
	}
	t.Logf("web1 was up again, without mdserver, after %s", time.Since(began).Round(time.Second))
	equal(t, "the instance-id after the reboot", v.says("sudo cat /var/lib/cloud/data/instance-id"), v.guest.UUID)
	equal(t, "the host name after the reboot", v.says("hostname"), "web1")
	start(t, v.server)

	v.virsh("destroy", "web1")
	v.virsh("undefine", "web1")
	eventually(t, "no trace of the machine", func(ctx context.Context) error { return v.traces(ctx) })
}

// traces tells what is left of web1 on the stock network.
func (v *vm) traces(ctx context.Context) error {
	for _, args := range [][]string{{"net-dumpxml", "default"}, {"net-dumpxml", "default", "--inactive"}, {"net-dhcp-leases", "default"}} {
		out, err := v.libvirt.Virsh(ctx, args...)
		if err != nil {
			return err
		}
		if strings.Contains(out, "web1") || strings.Contains(out, v.MAC) || strings.Contains(out, v.guest.IPv4.String()) {
			return fmt.Errorf("virsh %s: %s", strings.Join(args, " "), out)
		}
	}
	if found := lookup(v.t, &lab.Guest{Namespace: v.Host}, virbr, "web1"); len(found) > 0 {
		return fmt.Errorf("the name resolves to %v", found)
	}
	out, err := v.server.Run(ctx, nil, "instance", "ls")
	if err == nil && strings.Contains(out, "web1") {
		err = fmt.Errorf("mdserver knows it still:\n%s", out)
	}
	return err
}
