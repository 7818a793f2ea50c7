package entries

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

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

func guest(n byte, names ...string) Entry {
	return Entry{MAC: mac(n), IP: ip(n), Name: names[0], Names: names}
}

// namesOf is the entry of a guest that another host serves.
func namesOf(e Entry) Entry {
	e.MAC = instance.MAC{}
	return e
}

func TestParseDefinition(t *testing.T) {
	got, err := Parse(stock)
	if err != nil {
		t.Fatal(err)
	}
	want := Definition{
		Bridge: "virbr0", Domain: "lab.example", ServeDNS: true,
		IPv4: netip.MustParsePrefix("192.168.122.0/24"), Gateway: ip(1), MTU: 1400, Leases: 253,
		Hosts: []DHCPHost{{MAC: mac(0x99), IP: ip(99), Name: "nas"}},
		Names: []DNSHost{{IP: ip(77), Names: []string{"printer"}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if d, err := Parse("<network><name>routed</name><bridge name='br0'/></network>"); err != nil || d.IPv4.IsValid() || d.Bridge != "br0" {
		t.Errorf("without addresses: %+v, %v", d, err)
	}
}

// What cannot be read is an error that names the value.
func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "the network's definition: EOF",
		"<network":                             "the network's definition: XML syntax error",
		"<network><ip address='x'/></network>": `the network's address "x" is not an IPv4 address`,
		"<network><ip address=''/></network>":  `the network's address "" is not an IPv4 address`,
		"<network><ip address='fd00::1' prefix='24'/></network>":               `the network's address "fd00::1" is not an IPv4 address`,
		"<network><ip address='224.0.0.1'/></network>":                         "the network of 224.0.0.1 has neither netmask nor prefix",
		"<network><ip address='10.0.0.1' netmask='255.0.255.0'/></network>":    `"255.0.255.0" is not a netmask, in the network 10.0.0.1`,
		"<network><ip address='10.0.0.1' netmask='x'/></network>":              `"x" is not a netmask, in the network 10.0.0.1`,
		"<network><ip address='10.0.0.1' prefix='33'/></network>":              "prefix length 33 too large",
		"<network><ip address='10.0.0.1' prefix='-1'/></network>":              `the prefix "-1" of the network 10.0.0.1 is not a whole number`,
		"<network><ip address='10.0.0.1' prefix='256'/></network>":             `the prefix "256" of the network 10.0.0.1 is not a whole number`,
		"<network><ip address='10.0.0.1' prefix='x' netmask='1.1'/></network>": `the prefix "x" of the network 10.0.0.1 is not a whole number`,
	} {
		if d, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) || d.IPv4.IsValid() {
			t.Errorf("%q: %v, want %q; read %+v", text, err, want, d)
		}
	}
}

// A network's MTU is at most 65535, and one that is no number counts as not set.
func TestMTUOfDefinition(t *testing.T) {
	for size, want := range map[string]int{"": 0, "1400": 1400, "65535": 65535, "65536": 0, "-1": 0, "x": 0} {
		if d, err := Parse("<network><mtu size='" + size + "'/></network>"); err != nil || d.MTU != want {
			t.Errorf("%q: MTU %d (%v), want %d", size, d.MTU, err, want)
		}
	}
}

// DNS is served unless the definition says otherwise.
func TestDNSOfDefinition(t *testing.T) {
	for dns, want := range map[string]bool{"": true, "<dns/>": true, "<dns enable='yes'/>": true, "<dns enable='no'/>": false} {
		if d, err := Parse("<network>" + dns + "</network>"); err != nil || d.ServeDNS != want {
			t.Errorf("%q: %v (%v)", dns, d.ServeDNS, err)
		}
	}
}

// Without netmask and prefix, the address's class decides.
func TestPrefixOfDefinition(t *testing.T) {
	for text, want := range map[string]string{
		"<ip address='192.168.150.1'/>":                                    "192.168.150.0/24",
		"<ip address='172.16.0.1'/>":                                       "172.16.0.0/16",
		"<ip address='10.1.2.1'/>":                                         "10.0.0.0/8",
		"<ip address='127.0.0.1'/>":                                        "127.0.0.0/8",
		"<ip address='128.0.0.1'/>":                                        "128.0.0.0/16",
		"<ip address='191.255.0.1'/>":                                      "191.255.0.0/16",
		"<ip address='192.0.0.1'/>":                                        "192.0.0.0/24",
		"<ip address='223.0.0.1'/>":                                        "223.0.0.0/24",
		"<ip address='10.1.2.1' prefix='24'/>":                             "10.1.2.0/24",
		"<ip address='10.1.2.1' netmask='255.255.252.0'/>":                 "10.1.0.0/22",
		"<ip family='ipv4' address='10.1.2.1' prefix='30'/>":               "10.1.2.0/30",
		"<ip family='ipv6' address='fd00::1'/><ip address='192.168.7.9'/>": "192.168.7.0/24",
	} {
		d, err := Parse("<network>" + text + "</network>")
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
		"<range start='10.0.0.2' end='x'/>":                                                            0,
		"<range start='fd00::1' end='fd00::9'/>":                                                       0,
		"<range start='10.0.0.2' end='fd00::9'/>":                                                      0,
		"<range start='::ffff:10.0.0.2' end='10.0.0.20'/>":                                             0,
		"<range start='10.0.0.2'/>":                                                                    0,
		"<range start='x' end='10.0.0.2'/><host mac='52:54:00:51:00:01' ip='10.0.0.7'/>":               0,
		"<range start='0.0.0.0' end='255.255.255.255'/><range start='0.0.0.0' end='255.255.255.255'/>": 1 << 33,
	} {
		d, err := Parse("<network><ip address='10.0.0.1' prefix='24'><dhcp>" + text + "</dhcp></ip></network>")
		if err != nil || d.Leases != want {
			t.Errorf("%s grants %d leases (%v), want %d", text, d.Leases, err, want)
		}
	}
}

// calls writes a plan as libvirt is going to see it.
func calls(p Plan) string {
	var lines []string
	for _, s := range p.Steps {
		sign := "+"
		if s.Remove {
			sign = "-"
		}
		lines = append(lines, sign+s.XML())
	}
	return strings.Join(lines, "\n")
}

func TestPlan(t *testing.T) {
	web, renamed := guest(5, "web", "web.lab.example"), guest(5, "www", "www.lab.example")
	had := func(entries ...Entry) Definition { // the network with mdserver's entries
		d, _ := Parse(stock)
		for _, e := range entries {
			d.Hosts, d.Names = append(d.Hosts, e.DHCP()), append(d.Names, e.DNS())
		}
		return d
	}
	silentWith := func(entries ...Entry) Definition { // the network without DNS
		d := Definition{IPv4: netip.MustParsePrefix("192.168.122.0/24")}
		for _, e := range entries {
			d.Hosts = append(d.Hosts, e.DHCP())
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
		is           Definition
		wanted, ours []Entry
		want         string
		problem      string // "" for none
	}{
		{"nothing to do", had(), nil, nil, "", ""},
		{"a guest comes", had(), []Entry{web}, nil, "+" + webDHCP + "\n+" + webDNS, ""},
		{"a guest comes that another host serves", had(), []Entry{namesOf(web)}, nil, "+" + webDNS, ""},
		{"a guest moves to another host", had(web), []Entry{namesOf(web)}, []Entry{web}, "-" + webDHCP, ""},
		{"a guest comes where there is no DNS", silent, []Entry{web}, nil, "+" + webDHCP, ""},
		{"DNS was turned off", silentWith(web), []Entry{web}, []Entry{web}, "", ""},
		{"a guest goes where there is no DNS", silentWith(web), nil, []Entry{web}, "-" + webDHCP, ""},
		{"it is there", had(web), []Entry{web}, []Entry{web}, "", ""},
		{"it goes", had(web), nil, []Entry{web}, "-" + webDHCP + "\n" + webGone, ""},
		{"it goes, and was not there", had(), nil, []Entry{web}, "", ""},
		{"what looks alike is somebody else's", had(web), nil, nil, "", ""},
		{"half of it is there", had(), []Entry{web}, []Entry{web}, "+" + webDHCP + "\n+" + webDNS, ""},
		{"it is renamed", had(web), []Entry{renamed}, []Entry{web},
			"-" + webDHCP + "\n" + webGone + "\n" +
				strings.ReplaceAll("+"+webDHCP+"\n+"+webDNS, "web", "www"), ""},
		{"it gets another address", had(web), []Entry{{MAC: web.MAC, IP: ip(6), Name: "web", Names: []string{"web"}}}, []Entry{web},
			"-" + webDHCP + "\n" + webGone + "\n" +
				`+<host mac="52:54:00:51:00:05" name="web" ip="192.168.122.6"></host>` + "\n" + `+<host ip="192.168.122.6"><hostname>web</hostname></host>`, ""},
		{"it gets further names", had(guest(5, "web")), []Entry{web}, []Entry{guest(5, "web")}, webGone + "\n+" + webDNS, ""},
		{"its MAC is somebody else's", had(), []Entry{{MAC: mac(0x99), IP: ip(5), Name: "web"}}, nil, "", "another entry"},
		{"its address is somebody else's", had(), []Entry{{MAC: mac(5), IP: ip(99), Name: "web"}}, nil, "", "another entry"},
		{"somebody else made its entry", had(), []Entry{{MAC: mac(0x99), IP: ip(99), Name: "box", Names: []string{"box"}}}, nil,
			`+<host ip="192.168.122.99"><hostname>box</hostname></host>`, ""},
		{"its DHCP name is somebody else's", had(), []Entry{{MAC: mac(5), IP: ip(5), Name: "nas", Names: []string{"nas"}}}, nil,
			`+<host mac="52:54:00:51:00:05" ip="192.168.122.5"></host>` + "\n" + `+<host ip="192.168.122.5"><hostname>nas</hostname></host>`, ""},
		{"its DNS name is somebody else's", had(), []Entry{{MAC: mac(5), IP: ip(5), Name: "p", Names: []string{"p", "printer"}}}, nil,
			`+<host mac="52:54:00:51:00:05" name="p" ip="192.168.122.5"></host>` + "\n" + `+<host ip="192.168.122.5"><hostname>p</hostname></host>`, "printer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := MakePlan(tt.is, tt.wanted, tt.ours)
			if got := calls(p); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if problems := strings.Join(p.Problems, "; "); (problems == "") != (tt.problem == "") || !strings.Contains(problems, tt.problem) {
				t.Errorf("problems %q, want %q", problems, tt.problem)
			}
		})
	}
}

// What somebody else made for a guest is not mdserver's to remove.
func TestMine(t *testing.T) {
	d, _ := Parse(stock)
	nas := Entry{MAC: mac(0x99), IP: ip(99), Name: "nas", Names: []string{"nas"}}
	web := guest(5, "web")
	kept := Mine([]Entry{nas, web}, nil, d)
	if !kept[0].MAC.IsZero() || !slices.Equal(kept[0].Names, nas.Names) || !kept[1].Equal(web) {
		t.Errorf("kept %+v", kept)
	}
	d.Names = append(d.Names, nas.DNS()) // as it was made
	if got := calls(MakePlan(d, nil, kept)); got != `-<host ip="192.168.122.99"></host>` {
		t.Errorf("when both are gone: %s", got)
	}
	again := Mine([]Entry{web}, []Entry{web}, Definition{Hosts: []DHCPHost{web.DHCP()}, Names: []DNSHost{web.DNS()}})
	if !again[0].Equal(web) {
		t.Errorf("what was mdserver's is no longer: %+v", again)
	}
	moved := Entry{MAC: web.MAC, IP: ip(6), Name: "web", Names: web.Names}
	if kept := Mine([]Entry{moved}, []Entry{web}, Definition{Hosts: []DHCPHost{web.DHCP()}, Names: []DNSHost{web.DNS()}}); !kept[0].Equal(moved) {
		t.Errorf("a guest with another address: %+v", kept)
	}
}

func FuzzParseDefinition(f *testing.F) {
	f.Add(stock)
	f.Add("<network><ip address='10.0.0.1' prefix='99'/></network>")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
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
