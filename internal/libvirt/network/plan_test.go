package network

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// stock is libvirt's network default with entries of somebody else.
const stock = `<network connections='1'>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <mtu size='1400'/>
  <domain name='lab.example'/>
  <dns><host ip='192.168.122.77'><hostname>printer</hostname></host></dns>
  <ip family='ipv6' address='fd00:7::1' prefix='64'><dhcp><host id='0:1' ip='fd00:7::9'/></dhcp></ip>
  <ip address='10.99.0.1' prefix='24'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.122.2' end='192.168.122.254'/>
      <host mac='52:54:00:51:00:99' name='nas' ip='192.168.122.99'/></dhcp>
  </ip>
</network>`

func mac(n byte) instance.MAC { return instance.MAC{0x52, 0x54, 0, 0x51, 0, n} }
func ip(n byte) netip.Addr    { return netip.AddrFrom4([4]byte{192, 168, 122, n}) }

func guest(n byte, names ...string) entry {
	return entry{MAC: mac(n), IP: ip(n), Name: names[0], Names: names}
}

func TestParseDefinition(t *testing.T) {
	got, err := parseDefinition(stock)
	if err != nil {
		t.Fatal(err)
	}
	want := definition{
		Bridge: "virbr0", Domain: "lab.example", ServeDNS: true,
		IPv4: netip.MustParsePrefix("192.168.122.0/24"), Gateway: ip(1), MTU: 1400, Leases: 253,
		Hosts: []dhcpHost{{MAC: mac(0x99), IP: ip(99), Name: "nas"}},
		Names: []dnsHost{{IP: ip(77), Names: []string{"printer"}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, text := range []string{"", "<network", "<network><ip address='x'/></network>", "<network><ip address='224.0.0.1'/></network>",
		"<network><ip address='10.0.0.1' netmask='255.0.255.0'/></network>", "<network><ip address='10.0.0.1' netmask='x'/></network>",
		"<network><ip address='10.0.0.1' prefix='33'/></network>", "<network><ip address='10.0.0.1' prefix='-1'/></network>"} {
		if d, err := parseDefinition(text); err == nil {
			t.Errorf("%q is read as %+v", text, d)
		}
	}
	if d, err := parseDefinition("<network><name>routed</name><bridge name='br0'/></network>"); err != nil || d.IPv4.IsValid() || d.Bridge != "br0" {
		t.Errorf("without addresses: %+v, %v", d, err)
	}
}

// Without netmask and prefix, the address's class decides.
func TestPrefixOfDefinition(t *testing.T) {
	for text, want := range map[string]string{
		"<ip address='192.168.150.1'/>":                                    "192.168.150.0/24",
		"<ip address='172.16.0.1'/>":                                       "172.16.0.0/16",
		"<ip address='10.1.2.1'/>":                                         "10.0.0.0/8",
		"<ip address='10.1.2.1' prefix='24'/>":                             "10.1.2.0/24",
		"<ip address='10.1.2.1' netmask='255.255.252.0'/>":                 "10.1.0.0/22",
		"<ip family='ipv4' address='10.1.2.1' prefix='30'/>":               "10.1.2.0/30",
		"<ip family='ipv6' address='fd00::1'/><ip address='192.168.7.9'/>": "192.168.7.0/24",
	} {
		d, err := parseDefinition("<network>" + text + "</network>")
		if err != nil || d.IPv4.Masked().String() != want {
			t.Errorf("%s is the network %v (%v), want %s", text, d.IPv4, err, want)
		}
	}
}

// libvirt's dnsmasq grants as many leases as its ranges have addresses.
func TestLeasesOfDefinition(t *testing.T) {
	for text, want := range map[string]int{
		"": 0,
		"<range start='10.0.0.100' end='10.0.0.101'/>":                                                 2,
		"<range start='10.0.0.2' end='10.0.0.9'/><range start='10.0.0.20' end='10.0.0.20'/>":           9,
		"<range start='10.0.0.9' end='10.0.0.2'/>":                                                     0,
		"<range start='x' end='10.0.0.2'/><host mac='52:54:00:51:00:01' ip='10.0.0.7'/>":               0,
		"<range start='0.0.0.0' end='255.255.255.255'/><range start='0.0.0.0' end='255.255.255.255'/>": 1 << 33,
	} {
		d, err := parseDefinition("<network><ip address='10.0.0.1' prefix='24'><dhcp>" + text + "</dhcp></ip></network>")
		if err != nil || d.Leases != want {
			t.Errorf("%s grants %d leases (%v), want %d", text, d.Leases, err, want)
		}
	}
}

// calls writes a plan as libvirt is going to see it.
func calls(p plan) string {
	var lines []string
	for _, s := range p.steps {
		sign := "+"
		if s.remove {
			sign = "-"
		}
		_, _, text := s.call()
		lines = append(lines, sign+text)
	}
	return strings.Join(lines, "\n")
}

func TestPlan(t *testing.T) {
	web, renamed := guest(5, "web", "web.lab.example"), guest(5, "www", "www.lab.example")
	had := func(entries ...entry) definition { // the network with mdserver's entries
		d, _ := parseDefinition(stock)
		for _, e := range entries {
			d.Hosts, d.Names = append(d.Hosts, e.dhcp()), append(d.Names, e.dns())
		}
		return d
	}
	silentWith := func(entries ...entry) definition { // the network without DNS
		d := definition{IPv4: netip.MustParsePrefix("192.168.122.0/24")}
		for _, e := range entries {
			d.Hosts = append(d.Hosts, e.dhcp())
		}
		return d
	}
	silent := silentWith()
	const (
		webDHCP = `<host mac="52:54:00:51:00:05" name="web" ip="192.168.122.5"></host>`
		webDNS  = `<host ip="192.168.122.5"><hostname>web</hostname><hostname>web.lab.example</hostname></host>`
		webGone = `-<host ip="192.168.122.5"></host>`
	)
	for _, tt := range []struct {
		name         string
		is           definition
		wanted, ours []entry
		want         string
		problem      string // "" for none
	}{
		{"nothing to do", had(), nil, nil, "", ""},
		{"a guest comes", had(), []entry{web}, nil, "+" + webDHCP + "\n+" + webDNS, ""},
		{"a guest comes where there is no DNS", silent, []entry{web}, nil, "+" + webDHCP, ""},
		{"DNS was turned off", silentWith(web), []entry{web}, []entry{web}, "", ""},
		{"a guest goes where there is no DNS", silentWith(web), nil, []entry{web}, "-" + webDHCP, ""},
		{"it is there", had(web), []entry{web}, []entry{web}, "", ""},
		{"it goes", had(web), nil, []entry{web}, "-" + webDHCP + "\n" + webGone, ""},
		{"it goes, and was not there", had(), nil, []entry{web}, "", ""},
		{"what looks alike is somebody else's", had(web), nil, nil, "", ""},
		{"half of it is there", had(), []entry{web}, []entry{web}, "+" + webDHCP + "\n+" + webDNS, ""},
		{"it is renamed", had(web), []entry{renamed}, []entry{web},
			"-" + webDHCP + "\n" + webGone + "\n" +
				strings.ReplaceAll("+"+webDHCP+"\n+"+webDNS, "web", "www"), ""},
		{"it gets another address", had(web), []entry{{MAC: web.MAC, IP: ip(6), Name: "web", Names: []string{"web"}}}, []entry{web},
			"-" + webDHCP + "\n" + webGone + "\n" +
				`+<host mac="52:54:00:51:00:05" name="web" ip="192.168.122.6"></host>` + "\n" + `+<host ip="192.168.122.6"><hostname>web</hostname></host>`, ""},
		{"it gets further names", had(guest(5, "web")), []entry{web}, []entry{guest(5, "web")}, webGone + "\n+" + webDNS, ""},
		{"its MAC is somebody else's", had(), []entry{{MAC: mac(0x99), IP: ip(5), Name: "web"}}, nil, "", "another entry"},
		{"its address is somebody else's", had(), []entry{{MAC: mac(5), IP: ip(99), Name: "web"}}, nil, "", "another entry"},
		{"somebody else made its entry", had(), []entry{{MAC: mac(0x99), IP: ip(99), Name: "box", Names: []string{"box"}}}, nil,
			`+<host ip="192.168.122.99"><hostname>box</hostname></host>`, ""},
		{"its DHCP name is somebody else's", had(), []entry{{MAC: mac(5), IP: ip(5), Name: "nas", Names: []string{"nas"}}}, nil,
			`+<host mac="52:54:00:51:00:05" ip="192.168.122.5"></host>` + "\n" + `+<host ip="192.168.122.5"><hostname>nas</hostname></host>`, ""},
		{"its DNS name is somebody else's", had(), []entry{{MAC: mac(5), IP: ip(5), Name: "p", Names: []string{"p", "printer"}}}, nil,
			`+<host mac="52:54:00:51:00:05" name="p" ip="192.168.122.5"></host>` + "\n" + `+<host ip="192.168.122.5"><hostname>p</hostname></host>`, "printer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := makePlan(tt.is, tt.wanted, tt.ours)
			if got := calls(p); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if problems := strings.Join(p.problems, "; "); (problems == "") != (tt.problem == "") || !strings.Contains(problems, tt.problem) {
				t.Errorf("problems %q, want %q", problems, tt.problem)
			}
		})
	}
}

// What somebody else made for a guest is not mdserver's to remove.
func TestMine(t *testing.T) {
	d, _ := parseDefinition(stock)
	nas := entry{MAC: mac(0x99), IP: ip(99), Name: "nas", Names: []string{"nas"}}
	web := guest(5, "web")
	kept := mine([]entry{nas, web}, nil, d)
	if !kept[0].MAC.IsZero() || !slices.Equal(kept[0].Names, nas.Names) || !kept[1].equal(web) {
		t.Errorf("kept %+v", kept)
	}
	d.Names = append(d.Names, nas.dns()) // as it was made
	if got := calls(makePlan(d, nil, kept)); got != `-<host ip="192.168.122.99"></host>` {
		t.Errorf("when both are gone: %s", got)
	}
	again := mine([]entry{web}, []entry{web}, definition{Hosts: []dhcpHost{web.dhcp()}, Names: []dnsHost{web.dns()}})
	if !again[0].equal(web) {
		t.Errorf("what was mdserver's is no longer: %+v", again)
	}
	moved := entry{MAC: web.MAC, IP: ip(6), Name: "web", Names: web.Names}
	if kept := mine([]entry{moved}, []entry{web}, definition{Hosts: []dhcpHost{web.dhcp()}, Names: []dnsHost{web.dns()}}); !kept[0].equal(moved) {
		t.Errorf("a guest with another address: %+v", kept)
	}
}

func FuzzParseDefinition(f *testing.F) {
	f.Add(stock)
	f.Add("<network><ip address='10.0.0.1' prefix='99'/></network>")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDefinition(text)
		if err != nil {
			return
		}
		if d.IPv4.IsValid() && !d.IPv4.Contains(d.Gateway) {
			t.Errorf("%v is not on %v", d.Gateway, d.IPv4)
		}
		for _, h := range d.Names {
			_ = h.xml()
		}
	})
}

// libvirt refuses a second entry with the same name. A guest's name is that of its
// first interface.
func TestWantedNames(t *testing.T) {
	s := New(Settings{Name: "lan", EntryOrder: []string{"domain", "base"}}, nil, nil, nil)
	s.view.Domain = "x.lab"
	for i, hostname := range []string{"master-0.x.lab", "master-0.y.lab", "web"} {
		s.guests[uuid.UUID{byte(i)}] = instance.Instance{Hostname: hostname, Network: "lan", IPv4: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}
	}
	web := s.guests[uuid.UUID{2}]
	web.Further = []instance.Attachment{{Network: "lan", MAC: instance.MAC{2, 2}, IPv4: netip.MustParseAddr("10.0.0.9")}}
	s.guests[uuid.UUID{2}] = web
	var got []string
	for _, e := range s.wanted() {
		got = append(got, e.IP.String()+" "+e.Name+" "+strings.Join(e.Names, " "))
	}
	want := []string{"10.0.0.0 master-0 master-0.x.lab", "10.0.0.1  master-0.y.lab.x.lab master-0.y.lab", "10.0.0.2 web web.x.lab web", "10.0.0.9  "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
