//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mdserver/internal/doctor/finding"
	"mdserver/test/remedies"
)

var (
	changeAdvice = regexp.MustCompile(`^in (.+), line (\d+), section \[.+\], change ("(?:[^"\\]|\\.)*") to ("(?:[^"\\]|\\.)*")$`)
	addAdvice    = regexp.MustCompile(`^in (.+), section \[(.+)\], add ("(?:[^"\\]|\\.)*")$`)
)

// follow edits the configuration as the advice of a finding says, to the letter.
func (p *patient) follow(f finding.Finding) {
	p.t.Helper()
	for _, advice := range f.Advice {
		if m := changeAdvice.FindStringSubmatch(advice); m != nil {
			p.changeLine(m[1], number(p.t, m[2]), unquoted(p.t, m[3]), unquoted(p.t, m[4]))
			return
		}
		if m := addAdvice.FindStringSubmatch(advice); m != nil {
			p.addLine(m[1], m[2], unquoted(p.t, m[3]))
			return
		}
	}
	p.t.Fatalf("no advice on the configuration in %q", f.Advice)
}

func (p *patient) changeLine(file string, line int, from, to string) {
	p.t.Helper()
	lines := strings.Split(p.read(file), "\n")
	if line > len(lines) || strings.TrimSpace(lines[line-1]) != from {
		p.t.Fatalf("line %d of %s is not %q:\n%s", line, file, from, strings.Join(lines, "\n"))
	}
	lines[line-1] = to
	p.write(file, strings.Join(lines, "\n"))
}

func (p *patient) addLine(file, section, line string) {
	p.t.Helper()
	head := "[" + section + "]\n"
	text := p.read(file)
	if !strings.Contains(text, head) {
		text += "\n" + head
	}
	p.write(file, strings.Replace(text, head, head+line+"\n", 1))
}

func (p *patient) read(file string) string {
	p.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p *patient) write(file, text string) {
	p.t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func unquoted(t *testing.T, text string) string {
	t.Helper()
	plain, err := strconv.Unquote(text)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// What the configuration leaves open is closed by the change that doctor names,
// in the right section also where there are several, and in a file whose path
// has a space.
func TestDoctorConfiguration(t *testing.T) {
	t.Parallel()
	r := remedies.Covers(t)
	l := newLab(t)
	c := l.Config().Set("mdserver", "upload", "local").Set("mdserver", "verify_mac", "no").
		Set("dnsmasq", "port_security", "yes").Set("network lan", "port_security", "no").
		Set("network lan", "interface", "br-lan").Set("network lan", "net_address", "10.50.0.0").Set("network lan", "net_prefix", "24")
	if out, err := l.Host.Command(suite.ctx, "sh", "-c", "ip link add br-lan type bridge && ip address add 10.50.0.1/24 dev br-lan && ip link set br-lan up").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	p := patientOf(t, r, l, c)
	for _, tt := range []struct{ check, words string }{
		{"configuration", "mdserver.upload is local"},
		{"identity", "verify_mac is no"},
		{"port security", `the network "lan" can pose as each other`},
	} {
		f := p.sees(tt.check, tt.words)
		p.follow(f)
		p.mend(f)
		p.gone(tt.check, tt.words)
	}
	p.gone("port security", "port_security is no")

	t.Log("a key that there is not, and a value that is wrong")
	good := p.read(p.file)
	for _, tt := range []struct{ line, words string }{
		{"verify_mack = no", "verify_mack"},
		{"port = many", "mdserver.port"},
	} {
		p.addLine(p.file, "mdserver", tt.line)
		f := p.sees("configuration", tt.words)
		p.mend(f)
		contains(t, "the advice", strings.Join(f.Advice, "\n"), "mdserver config check "+p.file)
		p.write(p.file, good)
		p.gone("configuration", tt.words)
	}

	t.Log("no dnsmasq where the configuration says")
	p.addLine(p.file, "dnsmasq", "binary = /does/not/exist/dnsmasq")
	f := p.sees("dnsmasq", "there is no dnsmasq at /does/not/exist/dnsmasq")
	p.mend(f)
	p.follow(f)
	p.gone("dnsmasq", "there is no dnsmasq")
	p.write(p.file, good)

	t.Log("a network whose dnsmasq cannot start")
	if err := p.server.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	squatter, err := p.Host.Start("squatter", nil, "python3", "-c",
		"import socket,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('10.50.0.1',53)); time.sleep(600)")
	if err != nil {
		t.Fatal(err)
	}
	p.finds("dnsmasq clash", "python3")
	start(t, p.server)
	p.mend(p.sees("dnsmasq", "the server reports: ", "lan"))
	squatter.Kill()
	p.gone("dnsmasq", "the server reports: ", "lan")
}

// Real rules of nftables and iptables that drop what guests send; the rules that
// doctor names let it in.
func TestDoctorFirewall(t *testing.T) {
	t.Parallel()
	r := remedies.Covers(t)
	const (
		chain  = "nft add table inet strict && nft add chain inet strict input '{ type filter hook input priority 0; policy accept; }' && "
		policy = "nft add table inet strict && nft add chain inet strict input '{ type filter hook input priority 0; policy drop; }' && " +
			"nft add rule inet strict input ct state established,related accept && nft add rule inet strict input iifname lo accept"
	)
	for _, tt := range []struct {
		name, fault string
		words       []string // each of one finding
	}{
		{"DHCP and DNS dropped by nftables", chain + "nft add rule inet strict input iifname br-mds udp dport '{ 53, 67 }' drop", []string{"udp port 67 by IPv4", "udp port 53 by IPv4"}},
		{"a policy that drops", policy, []string{"tcp port 80 by IPv4", "udp port 67 by IPv4", "udp port 53 by IPv4", "udp port 547 by IPv6", "udp port 53 by IPv6"}},
		{"a policy behind a rule that cannot be judged", policy + " && nft add rule inet strict input meta mark 7 accept", []string{"tcp port 80 by IPv4 may be", "udp port 547 by IPv6 may be"}},
		{"HTTP rejected by iptables", "iptables -A INPUT -i br-mds -p tcp -m tcp --dport 80 -j REJECT", []string{"tcp port 80 by IPv4 are dropped by the rule"}},
		{"a policy of iptables", "iptables -P INPUT DROP", []string{"udp port 67 by IPv4", "the policy of the iptables chain INPUT"}},
		{"a policy of ip6tables", "ip6tables -P INPUT DROP", []string{"udp port 547 by IPv6", "udp port 53 by IPv6", "the policy of the ip6tables chain INPUT"}},
		{"iptables behind a rule that cannot be judged", "iptables -P INPUT DROP && iptables -A INPUT -m mark --mark 7 -j ACCEPT", []string{"udp port 67 by IPv4 may be"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			p := patientOf(t, r, l, l.Config().Set("dnsmasq", "net_address6", "fd00:122::").Set("mdserver", "listen_address6", ""))
			p.lacks("firewall", "packets from guests")
			p.do(tt.fault)
			for _, words := range tt.words {
				p.sees("firewall", words)
			}
			for range 10 { // a packet may have to pass several chains
				report, _ := diagnosis(t, p.Lab, p.file)
				all := slices.DeleteFunc(report.Findings, func(f finding.Finding) bool { return f.Check != "firewall" || !isBad(f) })
				for _, f := range all {
					p.mend(f)
				}
				if len(all) == 0 {
					break
				}
			}
			p.gone("firewall", "packets from guests")
		})
	}
}

// A network that runs full, and one that is.
func TestDoctorAddresses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := patientOf(t, remedies.Covers(t), l, l.Config().Set("dnsmasq", "net_prefix", "28")) // 13 for guests
	for i := 1; i <= 13; i++ {
		uploadXML(t, p.server, machine(fmt.Sprintf("web%d", i), i, 1))
		switch i {
		case 12:
			p.mend(p.sees("addresses", "is nearly full: 1 of 13"))
		case 13:
			p.mend(p.sees("addresses", "is full: 0 of 13"))
		}
	}
	p.do("mdserver instance rm --config " + p.file + " web1 && mdserver instance rm --config " + p.file + " web2")
	p.gone("addresses", "full")
}
