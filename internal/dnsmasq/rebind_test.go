package dnsmasq

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"mdserver/internal/dnsmasq/content"
)

// upstream is what a DNS server outside answers, by the name that is asked for.
var upstream = map[string][]string{
	"public.example.":             {"A 9.9.9.9", "AAAA 2620:fe::9"},
	"metadata.example.":           {"A 169.254.169.254", "AAAA fd00:ec2::254"},
	"linklocal.example.":          {"AAAA fe80::a9fe:a9fe"},
	"mapped.example.":             {"AAAA ::ffff:169.254.169.254"},
	"guest.example.":              {"A 10.122.1.1", "AAAA fd00:122::77"},
	"mappedguest.example.":        {"AAAA ::ffff:10.122.1.1"},
	"other.example.":              {"A 10.50.0.9"},
	"mixed.example.":              {"A 9.9.9.9", "A 10.122.0.1"},
	"alias.example.":              {"CNAME guest.example."},
	"intranet.corp.example.":      {"A 10.9.9.9", "AAAA fd12:3456::1"},
	"intranet.elsewhere.example.": {"A 192.168.7.7"},
	"blocklist.example.":          {"A 127.0.0.2"},
	"intranet.":                   {"A 9.9.9.10"},
}

// serveUpstream answers at 127.0.0.1:5353.
func serveUpstream(t *testing.T) {
	t.Helper()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		name := q.Question[0].Name
		for i := 0; i < 2; i++ {
			for _, record := range upstream[name] {
				rr, err := dns.NewRR(name + " 60 IN " + record)
				if err != nil {
					t.Error(err)
					return
				}
				if kind := rr.Header().Rrtype; kind == q.Question[0].Qtype || kind == dns.TypeCNAME {
					m.Answer = append(m.Answer, rr)
				}
				if alias, ok := rr.(*dns.CNAME); ok {
					name = alias.Target
				}
			}
			if name == q.Question[0].Name {
				break
			}
		}
		_ = w.WriteMsg(m)
	})
	for _, network := range []string{"udp", "tcp"} {
		ready := make(chan struct{})
		server := &dns.Server{Addr: "127.0.0.1:5353", Net: network, Handler: handler, NotifyStartedFunc: func() { close(ready) }}
		go func() { _ = server.ListenAndServe() }()
		<-ready
		t.Cleanup(func() { must(t, server.Shutdown()) })
	}
}

// asksUpstream has dnsmasq ask that server, and no other.
func (l *lab) asksUpstream() {
	l.t.Helper()
	wrapper := filepath.Join(filepath.Dir(l.BaseDir), "dnsmasq.sh")
	must(l.t, os.WriteFile(wrapper, []byte("#!/bin/sh\nexec dnsmasq --no-resolv --server=127.0.0.1#5353 \"$@\"\n"), 0o755))
	l.Binary = wrapper
}

func TestRebinding(t *testing.T) {
	all := []string{
		"public.example", "metadata.example", "linklocal.example", "mapped.example", "guest.example", "mappedguest.example", "other.example",
		"mixed.example", "alias.example", "intranet.corp.example", "intranet.elsewhere.example", "blocklist.example",
	}
	for _, c := range []struct {
		rebind content.Rebind
		passed []string
	}{
		{content.RebindNo, all},
		{content.RebindOwn, []string{"public.example", "intranet.corp.example", "intranet.elsewhere.example", "blocklist.example"}},
		{content.RebindPrivate, []string{"public.example", "intranet.corp.example", "blocklist.example"}},
	} {
		t.Run(string(c.rebind), func(t *testing.T) {
			l := newLab(t)
			serveUpstream(t)
			l.asksUpstream()
			l.Rebind, l.RebindDomains = c.rebind, []string{"corp.example"}
			l.OwnPrefixes = []netip.Prefix{l.Network, netip.MustParsePrefix("fd00:122::/64"), netip.MustParsePrefix("10.50.0.0/24")}
			guest := newGuest(1, "web1")
			l.start(guest)
			l.wantServed(guest) // with an address that no other may name
			for _, name := range all {
				for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
					if want := l.upstreamAnswer(name, kind); len(want) > 0 {
						l.wantAnswers(name, kind, want, slices.Contains(c.passed, name))
					}
				}
			}
		})
	}
}

// upstreamAnswer are the addresses that the server outside has for a name.
func (l *lab) upstreamAnswer(name string, kind uint16) []string {
	l.t.Helper()
	return l.queryAt("127.0.0.1:5353", "udp", name, kind)
}

// wantAnswers asks dnsmasq by UDP and by TCP, twice, for the second answer may
// come out of its cache.
func (l *lab) wantAnswers(name string, kind uint16, all []string, passed bool) {
	l.t.Helper()
	want := all
	if !passed {
		want = nil
	}
	for _, network := range []string{"udp", "tcp", "udp"} {
		got := l.queryAt(net.JoinHostPort(l.Gateway.String(), "53"), network, name, kind)
		if !slices.Equal(got, want) {
			l.t.Errorf("%s %s by %s is %v, want %v", dns.TypeToString[kind], name, network, got, want)
		}
	}
}
