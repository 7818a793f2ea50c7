//go:build e2e

package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mdserver/test/lab"
)

// Two guests are registered from the definitions that libvirt prints, one by
// the command and one by the upload, and find everything they need.
func TestGuestsFindAddressNamesAndConfiguration(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("dnsmasq", "prefix", "lab-").
		Set("dnsmasq", "entry_order", "base,prefix,domain").
		Set("dnsmasq", "lease_len", "3600"))
	command(t, s, "instance", "add", domainFile("web1"))
	web1 := show(t, s, "web1")
	web2 := register(t, s, "web2")
	equal(t, "web1's MAC", web1.MAC, "52:54:00:4a:0c:11")
	equal(t, "web2's MAC", web2.MAC, "52:54:00:7d:10:22")

	guest1, lease1 := boot(t, l, web1)
	guest2, lease2 := boot(t, l, web2)
	checkLease(t, web1, guest1, lease1)
	checkLease(t, web2, guest2, lease2)
	checkNames(t, guest1, web2)
	checkNames(t, guest2, web1)

	checkMetadata(t, guest1, web1)
	checkMetadata(t, guest2, web2)
	contains(t, "web1's user-data", get(t, guest1, "/latest/user-data"),
		"#cloud-config\n", "for web1.\n", "name web1\n", "address "+web1.IPv4.String()+"\n",
		"key "+lab.KeyAlice+"\n", "key "+lab.KeyBob+"\n")
	contains(t, "web2's user-data", get(t, guest2, "/latest/user-data"), "content: web server web2\n")

	renewed, err := guest1.Renew(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the renewed address", renewed.IP.String(), lease1.IP.String())
}

func checkLease(t *testing.T, want shown, g *lab.Guest, lease lab.Lease) {
	t.Helper()
	equal(t, want.Name+"'s address", lease.IP.String(), want.IPv4.String())
	equal(t, "the router", lease.Router, lab.Gateway)
	equal(t, "the DNS server", strings.Join(lease.DNS, " "), lab.Gateway)
	equal(t, "the domain", lease.Domain, "example.net")
	equal(t, "the route to the metadata server", lease.Routes[lab.MetadataAddr+"/32"], lab.Gateway)
	equal(t, "the default route", lease.Routes["0.0.0.0/0"], lab.Gateway)
	if lease.Seconds != 3600 {
		t.Errorf("%s's lease lasts %d s, want 3600", want.Name, lease.Seconds)
	}
	routes, err := g.Routes(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, want.Name+"'s routes", routes, "default via "+lab.Gateway, lab.MetadataAddr+" via "+lab.Gateway)
}

// checkNames resolves every name of the other guest, and its address.
func checkNames(t *testing.T, from *lab.Guest, other shown) {
	t.Helper()
	for _, name := range []string{other.Hostname, "lab-" + other.Hostname, "lab-" + other.Hostname + ".example.net"} {
		addrs, err := from.Resolve(suite.ctx, name)
		if err != nil {
			t.Errorf("resolving %s from %s: %v", name, from.Label, err)
			continue
		}
		equal(t, name, strings.Join(addrs, " "), other.IPv4.String())
	}
	names, err := from.Reverse(suite.ctx, other.IPv4.String())
	if err != nil {
		t.Errorf("resolving %s from %s: %v", other.IPv4, from.Label, err)
		return
	}
	// dnsmasq's expand-hosts, which the original sets, adds the domain
	equal(t, "the name of "+other.IPv4.String(), names[0], other.Hostname+".example.net")
}

func checkMetadata(t *testing.T, g *lab.Guest, want shown) {
	t.Helper()
	const tree = "/2009-04-04/meta-data/"
	listing := get(t, g, tree)
	for name, value := range map[string]string{
		"instance-id":               want.InstanceID,
		"hostname":                  want.Hostname,
		"local-hostname":            want.Hostname,
		"local-ipv4":                want.IPv4.String(),
		"mac":                       want.MAC,
		"public-keys/":              "0=alice\n1=bob",
		"public-keys/0/openssh-key": lab.KeyAlice,
		"public-keys/1/openssh-key": lab.KeyBob,
	} {
		equal(t, name, get(t, g, tree+name), value)
		if top, _, slash := strings.Cut(name, "/"); slash {
			name = top + "/"
		}
		contains(t, "the listing", "\n"+listing+"\n", "\n"+name+"\n")
	}
}

// Every name that a listing shows must answer, with and without the slash at
// its end, and none of it by a redirect: clients follow none.
func TestEveryListedNameAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	guest, _ := boot(t, l, register(t, s, "web1"))
	asked := 0
	var walk func(path string)
	walk = func(path string) {
		asked++
		body := get(t, guest, path)
		trimmed := strings.TrimSuffix(path, "/")
		if trimmed == path {
			return
		}
		equal(t, trimmed, get(t, guest, trimmed), body)
		for name := range strings.SplitSeq(body, "\n") {
			if index, _, ok := strings.Cut(name, "="); ok {
				name = index + "/" // "0=alice" is the directory 0/
			}
			walk(path + name)
		}
	}
	equal(t, "/latest/", get(t, guest, "/latest/"), "dynamic\nmeta-data\nuser-data")
	for name := range strings.SplitSeq(get(t, guest, "/latest/"), "\n") { // bare names, as AWS has them
		get(t, guest, "/latest/"+name)
	}
	walk("/latest/dynamic/")
	walk("/latest/meta-data/")
	if asked < 12 {
		t.Errorf("only %d names in /latest/", asked)
	}
	equal(t, "a doubled slash", get(t, guest, "/latest//meta-data/hostname"), "web1")
}

// A guest that was removed is gone from DHCP and from DNS.
func TestRemovedGuestIsGone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	web1, web2 := register(t, s, "web1"), register(t, s, "web2")
	guest1, _ := boot(t, l, web1)
	guest2, _ := boot(t, l, web2)

	command(t, s, "instance", "rm", "web1")
	guest1.StopDHCP()
	if _, there := list(t, s)["web1"]; there {
		t.Error("web1 is still listed")
	}
	offered, err := guest1.TryDHCP(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if offered {
		t.Error("web1 was still offered an address")
	}
	for _, name := range []string{"web1", "web1.example.net"} {
		if addrs, err := guest2.Resolve(suite.ctx, name); err == nil {
			t.Errorf("%s still resolves, to %v", name, addrs)
		}
	}
	if names, err := guest2.Reverse(suite.ctx, web1.IPv4.String()); err == nil {
		t.Errorf("%s is still called %v", web1.IPv4, names)
	}
	if body, err := guest1.Get(suite.ctx, "/latest/user-data"); err == nil {
		t.Errorf("the removed guest still got user-data:\n%s", body)
	}
	if renewed, err := guest2.Renew(suite.ctx); err != nil || renewed.IP != web2.IPv4 {
		t.Errorf("the other guest's renewal: %v (%v)", renewed.IP, err)
	}
}

// dnsmasq dies and comes back; guests notice nothing.
func TestDnsmasqKilledAndBack(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	guest, lease := boot(t, l, register(t, s, "web1"))
	old, err := s.DnsmasqChild(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	kill(t, old)
	eventually(t, "a new dnsmasq", func(ctx context.Context) error {
		now, err := s.DnsmasqChild(ctx)
		if err == nil && now == old {
			err = errors.New("the killed one is still there")
		}
		return err
	})
	renewed, err := guest.Renew(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the renewed address", renewed.IP.String(), lease.IP.String())
	// A guest that reboots asks for its old address anew.
	guest.StopDHCP()
	equal(t, "the address after a reboot", dhcp(t, guest).IP.String(), lease.IP.String())
	if !s.Alive() {
		t.Error("mdserver ended with its dnsmasq")
	}
	// And one that is registered now is served by the new one.
	web2 := register(t, s, "web2")
	_, lease2 := boot(t, l, web2)
	equal(t, "web2's address", lease2.IP.String(), web2.IPv4.String())
}

// SIGTERM ends the server and its dnsmasq, and nothing is left running.
func TestTermStopsEverything(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	register(t, s, "web1")
	if _, err := s.DnsmasqChild(suite.ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(stopTime); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"dnsmasq", "mdserver"} {
		if pids, err := l.Pids(suite.ctx, name); err != nil || len(pids) > 0 {
			t.Errorf("left running: %s %v (%v)", name, pids, err)
		}
	}
}
