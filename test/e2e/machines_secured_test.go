//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/test/lab"
)

// The second network, whose bridge no machine is on at first.
const (
	lanNetwork = `<network><name>lan</name><forward mode='bridge'/><bridge name='br-lan'/></network>`
	hotMAC     = "52:54:00:6d:01:01"
	hotPlug    = `<interface type='network'><mac address='` + hotMAC + `'/><source network='lan'/><model type='virtio'/></interface>`
)

// Addresses that mdserver gives to no guest here.
const (
	sharedAddr    = "10.122.250.1"
	containerAddr = "10.122.250.2"
	containerMAC  = "02:42:0a:7a:fa:02"
	strangerAddr  = "10.122.250.3"
	strangerMAC   = "02:42:0a:7a:fa:03"
)

// pair are two machines on one bridge with port security: web1 misbehaves and
// web2 is its victim.
type pair struct {
	*machineHost
	web1, web2 *vm
}

// Two machines with an unmodified image and port security: they take mdserver for
// AWS and are set up, and neither can pass for the other. Rules follow a plug and
// allowed_addresses.
func TestMachinesWithPortSecurity(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for _, step := range []struct {
		name string
		run  func(*pair)
	}{
		{"cloud-init", (*pair).areSetUp},
		{"AWS", func(p *pair) { p.web1.check(lookNamed(p.t, "AWS")) }},
		{"claimed addresses", (*pair).claimsAddresses},
		{"cloned MAC", (*pair).clonesMAC},
		{"hot plug", (*pair).plugs},
		{"allowed addresses", (*pair).sharesAddress},
		{"container behind NAT", (*pair).runsContainerBehindNAT},
		{"bridged container", (*pair).runsBridgedContainer},
	} {
		t.Run(step.name, func(t *testing.T) {
			p.t = t
			step.run(p)
		})
	}
}

func newPair(t *testing.T) *pair {
	t.Helper()
	h := newMachineHost(t, "mds", func(l *lab.Lab, c lab.Config) {
		if err := l.AddIPv6(suite.ctx); err != nil {
			t.Fatal(err)
		}
		if err := l.AddBridge(suite.ctx, lanBridge, lanGateway+"/24"); err != nil {
			t.Fatal(err)
		}
		c.Set("mdserver", "listen_address6", lab.MetadataAddr6).
			Set("dnsmasq", "net_address6", lab.Network6).Set("dnsmasq", "port_security", "yes").
			Set("network lan", "interface", lanBridge).Set("network lan", "net_address", "10.50.0.0")
	})
	if err := h.libvirt.StartNetwork(suite.ctx, "lan", lanNetwork); err != nil {
		t.Fatal(err)
	}
	p := &pair{machineHost: h}
	p.web1 = h.define(lab.Machine{Name: "web1", UUID: uuid.MustParse("ec2a544d-d555-4133-a443-8229416d0011"), MAC: "52:54:00:6d:00:11"})
	p.web2 = h.define(lab.Machine{Name: "web2", UUID: uuid.MustParse("ec2a544d-d555-4133-a443-8229416d0012"), MAC: "52:54:00:6d:00:12"})
	bootMachines(t, p.web1, p.web2)
	return p
}

// Each gets its addresses by DHCP and its metadata with a token, and nothing
// that it sends on the way is dropped.
func (p *pair) areSetUp() {
	const by6 = "curl -sf --max-time 10 'http://[" + lab.MetadataAddr6 + "]/latest/meta-data/instance-id'"
	for _, v := range []*vm{p.web1, p.web2} {
		contains(p.t, "cloud-init's result", v.says("cat /run/cloud-init/result.json"), `"DataSourceEc2Local"`, `"errors": []`)
		found := v.root("ip -brief address show dev $dev", by6,
			"ping -q -c 1 -W 10 "+lab.Gateway, "ping -q -c 1 -W 10 "+lab.Gateway6)
		contains(p.t, "the addresses and metadata by IPv6", found, v.guest.IPv4.String()+"/", v.guest.IPv6.String()+"/", v.guest.InstanceID)
		v.readsItself()
	}
	p.web1.root("ping -c 1 -W 10 "+p.web2.guest.IPv4.String(), "ping -c 1 -W 10 "+p.web2.guest.IPv6.String())
	p.web1.sentAsItself()
	p.web2.sentAsItself()
	contains(p.t, "the counts of tokens", command(p.t, p.server, "status"), "0 refused")
}

// web1 takes web2's addresses beside its own.
func (p *pair) claimsAddresses() {
	four, six := p.web2.guest.IPv4.String(), p.web2.guest.IPv6.String()
	before := p.web1.dropped("mds")
	statuses := p.web1.root(
		"ip address add "+four+"/32 dev $dev", "ip address add "+six+"/128 dev $dev nodad",
		"arping -q -U -c 2 -I $dev "+four+" || true",
		curlStatus("--interface "+four, metadataURL), curlStatus("--interface "+six, "http://["+lab.MetadataAddr6+"]"))
	equal(p.t, "the statuses with another's addresses", statuses, "000\n000")
	p.web2.readsItself()
	p.web1.root("ip address delete "+four+"/32 dev $dev", "ip address delete "+six+"/128 dev $dev")
	p.grew(before, "arp", "ipv4", "ipv6")
	p.web2.sentAsItself()
}

// web1 takes web2's MAC and address. The connection by which it is told to do so
// rests until it has its own back.
func (p *pair) clonesMAC() {
	victim := p.web2.guest.IPv4.String()
	before := p.web1.dropped("mds")
	clone := p.web1.root(
		"ip address add "+victim+"/32 dev $dev", "ip link set $dev address "+p.web2.MAC,
		"arping -q -U -c 2 -I $dev "+victim+" || true",
		curlStatus("--interface "+victim, metadataURL),
		"ip link set $dev address "+p.web1.MAC, "ip address delete "+victim+"/32 dev $dev")
	equal(p.t, "the status with another's MAC and address", clone, "000")
	p.web2.readsItself()
	p.web1.readsItself()
	p.grew(before, "mac")
	p.web2.sentAsItself()
}

// web1 gets a second interface while it runs, and loses it again.
func (p *pair) plugs() {
	v := p.web1
	plug := v.file(hotPlug)
	v.virsh("attach-device", "web1", plug, "--live")
	v.ports("plugged", "web1", 2)
	places := further(p.t, v.server, "web1")
	if len(places) != 1 || places[0].MAC != hotMAC {
		p.t.Fatalf("the further places are %v", places)
	}
	addrs := v.root(
		"for i in $(seq 60); do hot=$(grep -l "+hotMAC+" /sys/class/net/*/address | cut -d/ -f5); [ -z \"$hot\" ] || break; sleep 1; done",
		`printf '[Match]\nMACAddress=`+hotMAC+`\n[Network]\nDHCP=ipv4\n[DHCPv4]\nUseRoutes=no\n' >/run/systemd/network/05-hot.network`,
		"networkctl reload", "/lib/systemd/systemd-networkd-wait-online --timeout=120 --ipv4 --interface=$hot",
		"ip -4 -brief address show dev $hot", "ping -q -c 1 -W 10 -I $hot "+lanGateway, "ip address add 10.50.0.77/32 dev $hot")
	contains(p.t, "the addresses", addrs, places[0].IPv4.String()+"/24")
	before := v.dropped("lan")
	v.fails("ping -c 1 -W 2 -I 10.50.0.77 " + lanGateway)
	if after := v.dropped("lan"); after["arp"]+after["ipv4"] == before["arp"]+before["ipv4"] {
		p.t.Errorf("nothing was counted at the new port: %v", after)
	}
	v.virsh("detach-device", "web1", plug, "--live")
	v.ports("unplugged", "web1", 1)
	v.readsItself()
}

// An address is web1's once its domain's metadata allow it, and no more when they
// do not.
func (p *pair) sharesAddress() {
	p.web1.root("ip address add " + sharedAddr + "/32 dev $dev")
	ping := "ping -c 1 -W 2 " + sharedAddr
	p.web2.fails(ping)
	p.allow(sharedAddr)
	eventually(p.t, "an answer from the allowed address", func(ctx context.Context) error {
		_, err := p.web2.SSH(ctx, p.web2.guest.IPv4, ping)
		return err
	})
	p.allow()
	p.web2.fails(ping)
	p.web1.root("ip address delete " + sharedAddr + "/32 dev $dev")
}

// A container behind NAT sends as its guest: it needs nothing, is its guest to the
// metadata server, and is too far away for a token.
func (p *pair) runsContainerBehindNAT() {
	const inner = "ip netns exec nat "
	p.web1.root(
		"ip netns add nat",
		"ip link add nat0 type veth peer name eth0 netns nat",
		"ip address add 172.18.0.1/24 dev nat0", "ip link set nat0 up",
		"ip -n nat address add 172.18.0.2/24 dev eth0", "ip -n nat link set eth0 up",
		"ip -n nat route add default via 172.18.0.1",
		"sysctl -q -w net.ipv4.ip_forward=1",
		"nft 'table ip nat { chain out { type nat hook postrouting priority srcnat; ip saddr 172.18.0.0/24 masquerade; }; }'")
	before := p.web1.dropped("mds")
	found := p.web1.root(inner+"ping -c 1 -W 10 "+p.web2.guest.IPv4.String()+" >/dev/null",
		inner+"curl -sf --max-time 10 "+instanceIDPath, "echo",
		inner+curlStatus("--request PUT --header '"+ttl60+"'", metadataURL+"/latest/api/token"))
	equal(p.t, "the metadata of a container, and the status of its token", found, p.web1.guest.InstanceID+"\n000")
	if after := p.web1.dropped("mds"); fmt.Sprint(after) != fmt.Sprint(before) {
		p.t.Errorf("something of a container behind NAT was dropped: %v, before %v", after, before)
	}
	p.web1.root("nft delete table ip nat", "ip netns delete nat")
}

// Containers on a bridge of web1's send with MACs and addresses of their own: one
// that is allowed, and one that is not.
func (p *pair) runsBridgedContainer() {
	p.bridges()
	ping := func(container, from string) string {
		return "ip netns exec " + container + " ping -c 1 -W 2 -I " + from + " " + p.web2.guest.IPv4.String()
	}
	p.web1.fails("sudo " + ping("allowed", containerAddr))
	p.allow(containerAddr, containerMAC)
	eventually(p.t, "an answer to the allowed container", func(ctx context.Context) error {
		_, err := p.web1.SSH(ctx, p.web1.guest.IPv4, "sudo "+ping("allowed", containerAddr))
		return err
	})
	p.web2.says("ping -c 1 -W 10 " + containerAddr)
	before := p.web1.dropped("mds")
	p.web1.fails("sudo " + ping("stranger", strangerAddr))
	p.grew(before, "mac")
	victim := p.web2.guest.IPv4.String()
	p.web1.root("ip -n allowed address add "+strangerAddr+"/32 dev eth0", "ip -n allowed address add "+victim+"/32 dev eth0")
	p.web1.fails("sudo " + ping("allowed", strangerAddr))
	p.web1.fails("sudo ip netns exec allowed ping -c 1 -W 2 -I " + victim + " " + lab.Gateway)
	p.web2.readsItself()
	equal(p.t, "the status for an address of no guest", p.web1.root("ip netns exec allowed "+curlStatus("--interface "+containerAddr, instanceIDPath)), "400")
}

// bridges makes web1's interface a port of a bridge, with two containers at others.
func (p *pair) bridges() {
	steps := []string{
		"systemctl stop systemd-networkd.socket systemd-networkd",
		"ip link add br0 address " + p.web1.MAC + " type bridge stp_state 0 forward_delay 0",
		"ip link set br0 up", "ip link set $dev master br0", "ip address flush dev $dev",
		"ip address add " + p.web1.guest.IPv4.String() + "/16 dev br0", "ip route replace default via " + lab.Gateway,
	}
	for i, c := range []struct{ name, addr, mac string }{{"allowed", containerAddr, containerMAC}, {"stranger", strangerAddr, strangerMAC}} {
		port := fmt.Sprintf("port%d", i)
		steps = append(steps, "ip netns add "+c.name,
			"ip link add "+port+" type veth peer name eth0 address "+c.mac+" netns "+c.name,
			"ip link set "+port+" master br0 up",
			"ip -n "+c.name+" address add "+c.addr+"/16 dev eth0", "ip -n "+c.name+" link set eth0 up",
			"ip -n "+c.name+" route add default via "+lab.Gateway)
	}
	p.web1.root(steps...)
	p.web1.readsItself()
}

// allow sets web1's allowed_addresses while it runs.
func (p *pair) allow(list ...string) {
	p.t.Helper()
	p.virsh("metadata", "web1", "urn:md_server:domain_metadata", "--key", "mdserver", "--live", "--config",
		"--set", "<instance><allowed_addresses>"+strings.Join(list, ", ")+"</allowed_addresses></instance>")
	eventually(p.t, "the allowed addresses "+strings.Join(list, ", "), func(context.Context) error {
		got := p.web1.port("mds")
		for _, addr := range []string{sharedAddr, containerAddr} {
			sends := slices.Contains(got.Sends, netip.MustParsePrefix(addr+"/32"))
			if sends != slices.Contains(list, addr) {
				return fmt.Errorf("it sends from %v", got.Sends)
			}
		}
		return nil
	})
}

// grew checks that more of what web1 sends was dropped, of each kind.
func (p *pair) grew(before map[string]uint64, kinds ...string) {
	p.t.Helper()
	after := p.web1.dropped("mds")
	for _, kind := range kinds {
		if after[kind] <= before[kind] {
			p.t.Errorf("nothing more was dropped as %s: %v, before %v", kind, after, before)
		}
	}
}

// readsItself checks that the machine gets its own metadata, with a token.
func (v *vm) readsItself() {
	v.t.Helper()
	const command = "token=$(curl -sf --max-time 10 --request PUT --header '" + ttl60 + "' " + metadataURL + "/latest/api/token) && " +
		"curl -sf --max-time 10 --header \"X-aws-ec2-metadata-token: $token\" " + instanceIDPath
	equal(v.t, "the instance-id that "+v.guest.Name+" reads", v.says(command), v.guest.InstanceID)
}

// sentAsItself checks that nothing of the machine's was dropped.
func (v *vm) sentAsItself() {
	v.t.Helper()
	if dropped := v.dropped("mds"); len(dropped) > 0 {
		v.t.Errorf("of what %s sent was dropped: %v", v.guest.Name, dropped)
	}
}

// dropped counts what the machine sent in vain on a network, by kind.
func (v *vm) dropped(network string) map[string]uint64 {
	v.t.Helper()
	return v.port(network).Dropped
}

// port tells what the machine may send on a network.
func (v *vm) port(network string) portStatus {
	v.t.Helper()
	var e portState
	if err := json.Unmarshal([]byte(command(v.t, v.server, "explain", v.guest.Name, "--json")), &e); err != nil {
		v.t.Fatal(err)
	}
	for _, port := range e.PortSecurity {
		if port.Network == network && port.State == "on" {
			return port
		}
	}
	v.t.Fatalf("port security of %s is not on on the network %s: %+v", v.guest.Name, network, e.PortSecurity)
	return portStatus{}
}

// curlStatus is a command that prints the status of an answer, 000 without one.
func curlStatus(options, url string) string {
	return "curl -s -o /dev/null -w '%{http_code}\\n' --max-time 3 " + options + " '" + url + "' || true"
}

// root runs commands as root, one after the other, until one fails. $dev is the
// interface that the machine has had from the start.
func (v *vm) root(commands ...string) string {
	v.t.Helper()
	find := "dev=$(grep -l " + v.MAC + " /sys/class/net/*/address | cut -d/ -f5 | head -n 1)"
	script := strings.Join(append([]string{"set -e", find}, commands...), "\n")
	return v.says("sudo sh <<'END'\n" + script + "\nEND\n")
}

// fails runs a command that must fail in the machine, which can be reached.
func (v *vm) fails(command string) {
	v.t.Helper()
	if out := v.says("if " + command + " >/dev/null 2>&1; then echo done; else echo failed; fi"); out != "failed" {
		v.t.Errorf("in %s this succeeds: %s", v.guest.Name, command)
	}
}
