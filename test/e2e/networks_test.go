//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/network"
	"mdserver/test/lab"
)

const (
	lanBridge  = "br-lan"
	lanGateway = "10.50.0.1"
	bothMDS    = "52:54:00:50:00:01"
	bothLAN    = "52:54:00:50:00:02"
)

// both is a guest on the network mds and on the bridge of the network lan.
const both = `<domain type='kvm'>
  <name>both</name>
  <uuid>7e5a544d-d555-4133-a443-8229415b5001</uuid>
  <devices>
    <interface type='bridge'><mac address='` + bothLAN + `'/><source bridge='` + lanBridge + `'/></interface>
    <interface type='network'><mac address='` + bothMDS + `'/><source network='mds'/></interface>
  </devices>
</domain>`

// attachment is where a guest is on one network.
type attachment struct {
	Network string
	MAC     string
	IPv4    netip.Addr
	IPv6    netip.Addr
}

// further tells of a guest's places beside its first.
func further(t *testing.T, s *lab.Server, name string) []attachment {
	t.Helper()
	var guest struct{ Further []attachment }
	if err := json.Unmarshal([]byte(command(t, s, "instance", "show", name, "--json")), &guest); err != nil {
		t.Fatal(err)
	}
	return guest.Further
}

// lookup asks one DNS server for a name, from the guest.
func lookup(t *testing.T, g *lab.Guest, server, name string) []string {
	t.Helper()
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
		doErr := g.Do(func() error {
			conn, err = (&net.Dialer{}).DialContext(ctx, "udp4", net.JoinHostPort(server, "53"))
			return err
		})
		return conn, doErr
	}}
	ctx, cancel := context.WithTimeout(suite.ctx, 10*time.Second)
	defer cancel()
	addrs, err := r.LookupNetIP(ctx, "ip4", name+".")
	if err != nil {
		return nil
	}
	var list []string
	for _, a := range addrs {
		list = append(list, a.Unmap().String())
	}
	return list
}

// A guest on two networks has an address, a name and its metadata on each; the
// second network comes and goes with a reload.
func TestGuestOnTwoNetworks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if err := l.AddBridge(suite.ctx, lanBridge, lanGateway+"/24"); err != nil {
		t.Fatal(err)
	}
	one := l.Config()
	s := startServer(t, l, one)
	uploadXML(t, s, both)
	if places := further(t, s, "both"); len(places) != 0 {
		t.Fatalf("with one network the guest is also on %v", places)
	}
	first := show(t, s, "both")
	two := l.Config().Set("network lan", "interface", lanBridge).Set("network lan", "net_address", "10.50.0.0").
		Set("network lan", "domain", "lan.example.net")
	reconfigure(t, l, s, two)
	places := further(t, s, "both")
	if len(places) != 1 || places[0].Network != "lan" || places[0].MAC != bothLAN {
		t.Fatalf("with two networks the guest is also on %v", places)
	}
	onLAN := places[0].IPv4.String()
	equal(t, "the address on the first network", show(t, s, "both").IPv4.String(), first.IPv4.String())

	lanNIC, err := l.AddGuestOn(suite.ctx, lanBridge, "both", bothLAN)
	if err != nil {
		t.Fatal(err)
	}
	mdsNIC, err := lanNIC.AddInterface(suite.ctx, lab.Bridge, "eth1", bothMDS)
	if err != nil {
		t.Fatal(err)
	}
	lanLease := dhcp(t, lanNIC)
	equal(t, "the DHCP address on lan", lanLease.IP.String(), onLAN)
	equal(t, "the default route by lan", lanLease.Routes["0.0.0.0/0"], "")
	equal(t, "the metadata by lan alone", get(t, lanNIC, "/latest/meta-data/local-hostname"), "both")
	mdsLease := dhcp(t, mdsNIC)
	equal(t, "the DHCP address on mds", mdsLease.IP.String(), first.IPv4.String())
	equal(t, "the default route by mds", mdsLease.Routes["0.0.0.0/0"], lab.Gateway)
	equal(t, "the name on lan", strings.Join(lookup(t, lanNIC, lanGateway, "both.lan.example.net"), " "), onLAN)
	equal(t, "the name on mds", strings.Join(lookup(t, mdsNIC, lab.Gateway, "both.example.net"), " "), first.IPv4.String())
	checkNetworkMetadata(t, lanNIC, first.IPv4.String(), onLAN)

	// By the bridge of another network its address counts for nothing.
	if err := lanNIC.IP(suite.ctx, "route", "replace", lab.MetadataAddr+"/32", "via", lanGateway, "dev", "eth0"); err != nil {
		t.Fatal(err)
	}
	equal(t, "the status of a request by the wrong network", statusFrom(t, lanNIC, first.IPv4), "403 Forbidden")
	equal(t, "the status of one by the right network", statusFrom(t, lanNIC, places[0].IPv4), "200 OK")
	contains(t, "the list of networks", command(t, s, "network", "ls"), "mds ", "lan ", "10.50.0.0/24", lanBridge)

	reconfigure(t, l, s, one)
	if places := further(t, s, "both"); len(places) != 0 {
		t.Errorf("without its network the guest is still on %v", places)
	}
	if _, err := s.DnsmasqChild(suite.ctx); err != nil {
		t.Error("after the second network went:", err)
	}
}

// statusFrom asks for metadata from one of the guest's addresses.
func statusFrom(t *testing.T, g *lab.Guest, from netip.Addr) string {
	t.Helper()
	resp, err := g.HTTPClient(from).Get("http://" + lab.MetadataAddr + "/latest/meta-data/instance-id")
	if err != nil {
		t.Fatalf("metadata from %s: %v", from, err)
	}
	_ = resp.Body.Close()
	return resp.Status
}

// checkNetworkMetadata looks for both addresses in each datasource.
func checkNetworkMetadata(t *testing.T, g *lab.Guest, mds, lan string) {
	t.Helper()
	macs := "/latest/meta-data/network/interfaces/macs/"
	equal(t, "EC2's interfaces", get(t, g, macs), bothLAN+"/\n"+bothMDS+"/")
	equal(t, "EC2's address on mds", get(t, g, macs+bothMDS+"/local-ipv4s"), mds)
	equal(t, "EC2's address on lan", get(t, g, macs+bothLAN+"/local-ipv4s"), lan)
	equal(t, "the first device", get(t, g, macs+bothMDS+"/device-number"), "0")
	equal(t, "the second device", get(t, g, macs+bothLAN+"/device-number"), "1")
	equal(t, "EC2's network on lan", get(t, g, macs+bothLAN+"/subnet-ipv4-cidr-block"), "10.50.0.0/24")
	openstack := get(t, g, "/openstack/latest/network_data.json")
	nocloud := get(t, g, "/nocloud/network-config")
	contains(t, "OpenStack's networks", openstack, `"ip_address":"`+mds+`"`, `"ip_address":"`+lan+`"`, bothLAN, bothMDS)
	contains(t, "NoCloud's networks", nocloud, mds+"/16", lan+"/24", bothLAN, bothMDS)
	if strings.Count(nocloud, "0.0.0.0/0") != 1 {
		t.Errorf("NoCloud's networks have not one default route:\n%s", nocloud)
	}
}

const (
	virbr      = "192.168.122.1"
	stockMAC   = "52:54:00:51:00:01"
	others     = "52:54:00:51:00:99"
	stockGuest = `<domain type='kvm'>
  <name>stock</name>
  <uuid>7e5a544d-d555-4133-a443-8229415b5002</uuid>
  <devices>
    <interface type='network'><mac address='` + stockMAC + `'/><source network='default'/></interface>
  </devices>
</domain>`
	// stockNetwork is libvirt's default network with entries that somebody made.
	stockNetwork = `<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='off' delay='0'/>
  <dns><host ip='192.168.122.77'><hostname>printer</hostname></host></dns>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.122.2' end='192.168.122.254'/>
      <host mac='` + others + `' name='nas' ip='192.168.122.99'/></dhcp>
  </ip>
</network>`
)

// The stock network of libvirt serves: mdserver runs no dnsmasq and needs no
// network of its own.
func TestNetworkOfLibvirt(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	v, err := l.StartLibvirt(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = v.Virsh(context.Background(), "net-destroy", "default") })
	if err := v.StartNetwork(suite.ctx, "default", stockNetwork); err != nil {
		t.Fatal(err)
	}
	dumps := func() string {
		live, errLive := v.Virsh(suite.ctx, "net-dumpxml", "default")
		stored, errStored := v.Virsh(suite.ctx, "net-dumpxml", "default", "--inactive")
		if errLive != nil || errStored != nil {
			t.Fatal(errLive, errStored)
		}
		return live + stored
	}
	before := dumps()
	// Without the lab's own network nobody has the metadata address.
	if err := l.Host.IP(suite.ctx, "link", "delete", lab.Bridge); err != nil {
		t.Fatal(err)
	}
	squatter, err := l.AddGuestOn(suite.ctx, "virbr0", "squatter", "52:54:00:51:00:77")
	if err != nil {
		t.Fatal(err)
	}
	squatted := dhcp(t, squatter).IP

	c := l.Config().Set("network default", "backend", "libvirt").Set("libvirt", "uri", v.URI)
	for _, key := range []string{"net_name", "net_address", "net_prefix", "gateway", "interface"} {
		delete(c["dnsmasq"], key)
	}
	s := startServer(t, l, c)
	uploadXML(t, s, stockGuest)
	guest := show(t, s, "stock")
	if !netip.MustParsePrefix("192.168.122.0/24").Contains(guest.IPv4) || guest.IPv4 == squatted {
		t.Fatalf("the guest's address is %v, the stranger's %v", guest.IPv4, squatted)
	}
	entry := fmt.Sprintf("<host mac='%s' name='stock' ip='%s'/>", stockMAC, guest.IPv4)
	if text := dumps(); strings.Count(text, entry) != 2 {
		t.Errorf("the entry is not in both definitions:\n%s", text)
	}
	g, err := l.AddGuestOn(suite.ctx, "virbr0", "stock", stockMAC)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the DHCP address", dhcp(t, g).IP.String(), guest.IPv4.String())
	equal(t, "the name", strings.Join(lookup(t, g, virbr, "stock"), " "), guest.IPv4.String())
	equal(t, "the metadata", get(t, g, "/latest/meta-data/local-hostname"), "stock")
	contains(t, "the user-data", get(t, g, "/nocloud/network-config"), guest.IPv4.String()+"/24", virbr)
	if pids, err := s.Children("dnsmasq"); err != nil || len(pids) > 0 {
		t.Errorf("mdserver runs dnsmasq %v, %v", pids, err)
	}
	contains(t, "status", command(t, s, "status"), "192.168.122.0/24 on virbr0, 1 guest, by libvirt")

	checkOthersEntries(t, s, squatter, squatted)
	restartNetwork(t, v, g)
	v = restartLibvirtd(t, l, s, v, domainOnDefault("late", "3", "52:54:00:51:00:03", ""))

	v = hangLibvirtd(t, l, s, v)

	none := l.Config().Set("libvirt", "uri", v.URI)
	none["dnsmasq"] = c["dnsmasq"]
	reconfigure(t, l, s, none)
	equal(t, "the definitions, while the network is not mdserver's", dumps(), before)
	reconfigure(t, l, s, c)
	if text := dumps(); strings.Count(text, entry) != 2 {
		t.Errorf("the entry is not in both definitions again:\n%s", text)
	}
	equal(t, "the address afterwards", show(t, s, "stock").IPv4.String(), guest.IPv4.String())

	g.StopDHCP()
	command(t, s, "instance", "rm", "stock")
	equal(t, "the definitions, after the guest went", dumps(), before)
	if got := lookup(t, g, virbr, "stock"); len(got) > 0 {
		t.Errorf("the name still resolves to %v", got)
	}
	eventually(t, "the lease goes", func(context.Context) error {
		out, err := v.Virsh(suite.ctx, "net-dhcp-leases", "default")
		if err == nil && strings.Contains(out, stockMAC) {
			err = fmt.Errorf("there is still\n%s", out)
		}
		return err
	})
	uploadXML(t, s, stockGuest)
	if err := s.Stop(20 * time.Second); err != nil {
		t.Error(err)
	}
	out, err := l.Host.Output(suite.ctx, "ip", "-4", "address", "show", "dev", "virbr0")
	if err != nil || strings.Contains(out, lab.MetadataAddr) {
		t.Errorf("the bridge is not left as it was: %v %s", err, out)
	}
	withdraw(t, l, v, dumps, before)
}

// withdraw takes a guest's entries out of both definitions, as "mdserver
// uninstall" does, and leaves the others'.
func withdraw(t *testing.T, l *lab.Lab, v *lab.Libvirt, dumps func() string, before string) {
	t.Helper()
	reader, err := boltstore.OpenReader(l.Path("state", "mdserver.db"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := reader.Notes(suite.ctx)
	if err := errors.Join(err, reader.Close()); err != nil {
		t.Fatal(err)
	}
	notes := network.EntryNotes(all)
	uri, err := url.Parse(v.URI)
	if err != nil {
		t.Fatal(err)
	}
	end := connection.Endpoint{Socket: uri.Query().Get("socket")}
	if text := dumps(); text == before {
		t.Errorf("a server that stops takes its entries along:\n%s", text)
	}
	for i, removed := range []int{2, 0} {
		w := network.Withdraw(suite.ctx, end, "default", notes["default"])
		if w.Removed != removed || len(w.Problems) > 0 || len(w.Commands) > 0 {
			t.Errorf("time %d: %+v, want %d entries removed", i, w, removed)
		}
		equal(t, "the definitions without mdserver", dumps(), before)
	}
	if w := network.Withdraw(suite.ctx, end, "gone", notes["default"]); w.Removed > 0 || len(w.Problems) > 0 {
		t.Errorf("of a network that libvirt does not have: %+v", w)
	}
}

// domainOnDefault is a guest with an interface on libvirt's network.
func domainOnDefault(name, digit, mac, metadata string) string {
	xml := strings.NewReplacer("stock", name, "415b5002", "415b500"+digit, stockMAC, mac).Replace(stockGuest)
	return strings.Replace(xml, "<devices>", metadata+"<devices>", 1)
}

// checkOthersEntries registers guests that the network knows already: one by an
// entry that somebody made, one by a lease.
func checkOthersEntries(t *testing.T, s *lab.Server, squatter *lab.Guest, squatted netip.Addr) {
	t.Helper()
	uploadXML(t, s, domainOnDefault("box", "4", others, ""))
	equal(t, "the address of the guest that has an entry", show(t, s, "box").IPv4.String(), "192.168.122.99")
	command(t, s, "instance", "rm", "box")

	uploadXML(t, s, domainOnDefault("squatter", "5", squatter.MAC, ""))
	equal(t, "the address of the guest that has a lease", show(t, s, "squatter").IPv4.String(), squatted.String())
	equal(t, "its metadata", get(t, squatter, "/latest/meta-data/local-hostname"), "squatter")
	wish := "<metadata><m:instance xmlns:m='urn:md_server:domain_metadata'><m:ipv4>192.168.122.50</m:ipv4></m:instance></metadata>"
	uploadXML(t, s, domainOnDefault("squatter", "5", squatter.MAC, wish))
	// A busy libvirt may take longer for the entry than a registration waits.
	eventually(t, "the address in place of the old lease", func(context.Context) error {
		squatter.StopDHCP()
		if got := dhcp(t, squatter).IP.String(); got != "192.168.122.50" {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	squatter.StopDHCP()
	command(t, s, "instance", "rm", "squatter")
}

// restartNetwork has the network and libvirtd itself come up again.
func restartNetwork(t *testing.T, v *lab.Libvirt, g *lab.Guest) {
	t.Helper()
	for _, args := range [][]string{{"net-destroy", "default"}, {"net-start", "default"}} {
		if out, err := v.Virsh(suite.ctx, args...); err != nil {
			t.Fatal(err, out)
		}
	}
	if err := g.Attach(suite.ctx, "virbr0"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "metadata by the new bridge", func(ctx context.Context) error {
		_, err := g.Get(ctx, "/latest/meta-data/instance-id")
		return err
	})
}

// restartLibvirtd registers a guest while libvirtd is away: its entry follows,
// and it goes without a trace like any other.
func restartLibvirtd(t *testing.T, l *lab.Lab, s *lab.Server, v *lab.Libvirt, xml string) *lab.Libvirt {
	t.Helper()
	v.Kill()
	uploadXML(t, s, xml)
	late := show(t, s, "late")
	if !late.IPv4.IsValid() {
		t.Error("a guest gets no address while libvirtd is away")
	}
	again, err := l.StartLibvirt(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the entry follows", func(ctx context.Context) error {
		out, err := again.Virsh(ctx, "net-dumpxml", "default")
		if err == nil && !strings.Contains(out, "ip='"+late.IPv4.String()+"'") {
			err = fmt.Errorf("the definition is\n%s", out)
		}
		return err
	})
	command(t, s, "instance", "rm", "late")
	return again
}

// hangLibvirtd starts the server and registers guests while libvirtd answers
// nothing, as when it waits for the hooks of guests that it starts by itself. They
// get addresses from what is known, and their entries follow when it is replaced:
// libvirtd 9.0 may hang for good after SIGCONT, for virsh as well.
func hangLibvirtd(t *testing.T, l *lab.Lab, s *lab.Server, v *lab.Libvirt) *lab.Libvirt {
	t.Helper()
	if err := v.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(suite.ctx); err != nil {
		t.Fatal(err)
	}
	addrs := map[netip.Addr]bool{}
	for i, name := range []string{"auto1", "auto2", "auto3"} {
		uploadXML(t, s, domainOnDefault(name, fmt.Sprint(6+i), fmt.Sprintf("52:54:00:51:00:1%d", i), ""))
		addr := show(t, s, name).IPv4
		if !addr.IsValid() || addrs[addr] {
			t.Errorf("%s has the address %v while libvirtd hangs", name, addr)
		}
		addrs[addr] = true
	}
	out, err := l.Host.Output(suite.ctx, "ip", "-4", "address", "show", "dev", "virbr0")
	if err != nil || !strings.Contains(out, lab.MetadataAddr) {
		t.Errorf("the bridge lacks the metadata address while libvirtd hangs: %v %s", err, out)
	}
	v.Kill()
	again, err := l.StartLibvirt(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the entries follow", func(ctx context.Context) error {
		out, err := again.Virsh(ctx, "net-dumpxml", "default")
		for addr := range addrs {
			if err == nil && !strings.Contains(out, "ip='"+addr.String()+"'") {
				err = fmt.Errorf("the definition is\n%s", out)
			}
		}
		return err
	})
	for _, name := range []string{"auto1", "auto2", "auto3"} {
		command(t, s, "instance", "rm", name)
	}
	return again
}
