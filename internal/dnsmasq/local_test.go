package dnsmasq

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// silentUpstream listens at 127.0.0.1:5353 and never answers.
func (l *lab) silentUpstream() {
	l.t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:5353")
	must(l.t, err)
	l.t.Cleanup(func() { conn.Close() })
	l.asksUpstream()
}

// atOnce asks dnsmasq and reports the answer, or "silence" if there is none in
// time.
func (l *lab) atOnce(name string, kind uint16) string {
	l.t.Helper()
	client := &dns.Client{Timeout: time.Second}
	answer, _, err := client.ExchangeContext(l.t.Context(), new(dns.Msg).SetQuestion(dns.Fqdn(name), kind), net.JoinHostPort(l.Gateway.String(), "53"))
	if err != nil {
		return "silence"
	}
	var found []string
	for _, record := range answer.Answer {
		found = append(found, strings.TrimPrefix(record.String(), record.Header().String()))
	}
	return strings.TrimSpace(dns.RcodeToString[answer.Rcode] + " " + strings.Join(found, " "))
}

func TestSilentUpstream(t *testing.T) {
	arpa := func(addr string) string {
		name, err := dns.ReverseAddr(addr)
		must(t, err)
		return name
	}
	type question struct {
		name string
		kind uint16
		want string
	}
	const v4, v6, ptr = dns.TypeA, dns.TypeAAAA, dns.TypePTR
	always := []question{
		{"web1", v4, "NOERROR 10.122.1.1"},
		{"web1", v6, "NOERROR fd00:122::77"},
		{"web2", v4, "NOERROR 10.122.1.2"},
		{"web2", v6, "NOERROR"}, // it has none
		{"lab-web2", v6, "NOERROR"},
		{"WEB2", v6, "NOERROR"},
		{"nosuch", v4, "NXDOMAIN"},
		{"nosuch", v6, "NXDOMAIN"},
		{arpa("10.122.200.9"), ptr, "NXDOMAIN"},
		{arpa("fd00:122::99"), ptr, "NXDOMAIN"},
		{arpa("169.254.169.254"), ptr, "NXDOMAIN"},
		{arpa("fd00:ec2::254"), ptr, "NXDOMAIN"},
		{arpa("10.50.0.9"), ptr, "silence"}, // of nobody here
		{"www.example.com", v4, "silence"},
		{"com", dns.TypeDS, "silence"}, // DNSSEC
	}
	withDomain := []question{
		{"lab-web2.example.net", v4, "NOERROR 10.122.1.2"},
		{"lab-web2.example.net", v6, "NOERROR"},
		{"nosuch.example.net", v4, "NXDOMAIN"},
		{"nosuch.example.net", v6, "NXDOMAIN"},
		{"web2.example.net", dns.TypeMX, "NOERROR"},
		{arpa("10.122.1.2"), ptr, "NOERROR lab-web2.example.net."},
		{arpa("fd00:122::77"), ptr, "NOERROR lab-web1.example.net."},
	}
	without := []question{
		{arpa("10.122.1.2"), ptr, "NOERROR lab-web2."},
		{arpa("fd00:122::77"), ptr, "NOERROR lab-web1."},
	}
	for _, c := range []struct {
		domain    string
		questions []question
	}{
		{"example.net", slices.Concat(always, withDomain)},
		{"", slices.Concat(always, without)},
	} {
		t.Run("domain "+c.domain, func(t *testing.T) {
			l := newLab(t)
			l.silentUpstream()
			l.Domain = c.domain
			web1 := l.withIPv6(newGuest(1, "web1"))
			l.start(web1, newGuest(2, "web2"))
			for _, q := range c.questions {
				if got := l.atOnce(q.name, q.kind); got != q.want {
					t.Errorf("%s %s: %s, want %s", dns.TypeToString[q.kind], q.name, got, q.want)
				}
			}
		})
	}
}

// An administrator's DNS servers may know names without a dot.
func TestForwardPlain(t *testing.T) {
	l := newLab(t)
	serveUpstream(t)
	l.asksUpstream()
	l.ForwardPlain = true
	l.start(newGuest(1, "web1"))
	if got := l.atOnce("intranet", dns.TypeA); got != "NOERROR 9.9.9.10" {
		t.Errorf("got %s", got)
	}
	if got := l.atOnce("web1", dns.TypeA); got != "NOERROR 10.122.1.1" {
		t.Errorf("got %s", got)
	}
}

// The host's own names mean nothing to guests.
func TestHostsFile(t *testing.T) {
	name := hostsName(t)
	for _, serve := range []bool{false, true} {
		t.Run(fmt.Sprint(serve), func(t *testing.T) {
			l := newLab(t)
			l.silentUpstream()
			l.ServeHosts = serve
			l.start(newGuest(1, "web1"))
			if got := len(l.lookup(name)) > 0; got != serve {
				t.Errorf("%s is known: %v", name, got)
			}
		})
	}
}

// hostsName is a name without a dot in this host's /etc/hosts.
func hostsName(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/etc/hosts")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) > 1 && !strings.Contains(fields[0], ":") && !strings.Contains(fields[1], ".") {
			return fields[1]
		}
	}
	t.Fatal("/etc/hosts names nothing")
	return ""
}
