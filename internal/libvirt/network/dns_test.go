package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/network/entries"
)

func TestAnswersOfLibvirtsDNS(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := new(dns.Msg).SetReply(query)
		if query.Question[0].Name == "web1." {
			reply.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "web1.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(10, 0, 0, 1)}}
		}
		_ = w.WriteMsg(reply)
	})}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, c := range []struct {
		server     net.Addr
		name, addr string
		want       string // in what is told; "" for nothing
	}{
		{conn.LocalAddr(), "web1", "10.0.0.1", ""},
		{conn.LocalAddr(), "web1", "10.0.0.2", "libvirt's DNS server at 127.0.0.1 does not answer 10.0.0.2 for web1, as in the network's definition; " + revive},
		{conn.LocalAddr(), "web2", "10.0.0.1", "does not answer 10.0.0.1 for web2, as"},
		{silent.LocalAddr(), "web1", "10.0.0.1", "libvirt's DNS server at 127.0.0.1 does not answer; " + revive},
	} {
		got := ask(t.Context(), c.server.(*net.UDPAddr).AddrPort(), c.name, netip.MustParseAddr(c.addr))
		if !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s at %v: %q", c.name, c.server, got)
		}
	}
}

// Only guests are asked for whose names the definition had at the last look.
func TestServedNames(t *testing.T) {
	old := entries.Entry{MAC: instance.MAC{5: 1}, IP: netip.MustParseAddr("10.0.0.1"), Names: []string{"old"}}
	fresh := entries.Entry{MAC: instance.MAC{5: 2}, IP: netip.MustParseAddr("10.0.0.2"), Names: []string{"fresh"}}
	got := served(entries.Definition{Names: []entries.DNSHost{old.DNS()}}, []entries.Entry{old, fresh})
	if len(got) != 1 || !got[0].Equal(old) {
		t.Errorf("served are %v", got)
	}
}

// A problem is reported when the second check in a row has failed. Nothing is asked
// that the server cannot know, or that would go to another host.
func TestNameCheck(t *testing.T) {
	gateway := netip.MustParseAddr("192.0.2.1")
	served := entries.Definition{ServeDNS: true, Gateway: gateway}
	nameless := entries.Entry{IP: netip.MustParseAddr("192.0.2.3")}
	web := entries.Entry{IP: netip.MustParseAddr("192.0.2.2"), Names: []string{"web1", "www"}}
	var asked []string
	answer := ""
	c := nameCheck{
		local: func(addr netip.Addr) bool { return addr == gateway },
		ask: func(_ context.Context, server netip.AddrPort, name string, want netip.Addr) string {
			asked = append(asked, fmt.Sprint(name, " ", want, " of ", server))
			return answer
		},
	}
	for _, step := range []struct {
		name       string
		definition entries.Definition
		guests     []entries.Entry
		answer     string
		asks       bool
		want       string
	}{
		{"right", served, []entries.Entry{nameless, web}, "", true, ""},
		{"wrong once", served, []entries.Entry{web, nameless}, "it hangs", true, ""},
		{"wrong twice", served, []entries.Entry{nameless, web}, "it hangs", true, "it hangs"},
		{"wrong again", served, []entries.Entry{web}, "it is wrong", true, "it is wrong"},
		{"right again", served, []entries.Entry{web}, "", true, ""},
		{"wrong once more", served, []entries.Entry{web}, "it hangs", true, ""},
		{"no DNS", entries.Definition{Gateway: gateway}, []entries.Entry{web}, "it hangs", false, ""},
		{"wrong after that", served, []entries.Entry{web}, "it hangs", true, ""},
		{"another host's address", entries.Definition{ServeDNS: true, Gateway: netip.MustParseAddr("192.0.2.9")}, []entries.Entry{web}, "it hangs", false, ""},
		{"wrong after that, too", served, []entries.Entry{web}, "it hangs", true, ""},
		{"no guests with names", served, []entries.Entry{nameless}, "it hangs", false, ""},
		{"no guests", served, nil, "it hangs", false, ""},
	} {
		asked, answer = nil, step.answer
		got := c.problem(t.Context(), step.definition, step.guests)
		var want []string
		if step.asks {
			want = []string{"web1 192.0.2.2 of 192.0.2.1:53"}
		}
		if got != step.want || !slices.Equal(asked, want) {
			t.Errorf("%s: %q, want %q; asked for %q, want %q", step.name, got, step.want, asked, want)
		}
	}
}

// A DNS server that does not answer is a problem of the network.
func TestDNSOfService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := prepare(t, newServer(t), notes{})
		s.dns.local = func(addr netip.Addr) bool { return addr == lanIP(1) }
		s.dns.ask = func(context.Context, netip.AddrPort, string, netip.Addr) string { return "it hangs" }
		s.must(t, s.Start(t.Context(), []instance.Instance{machine(2, "web")})) // its name is new
		for want := range strings.SplitSeq(",,it hangs", ",") {
			if got := s.Status().LastError; got != want {
				t.Errorf("%q, want %q", got, want)
			}
			time.Sleep(period)
			synctest.Wait()
		}
		n := s.server.Network("lan")
		n.Active = false
		s.server.SetNetwork(n)
		time.Sleep(period)
		synctest.Wait()
		if got := s.Status().LastError; !strings.HasPrefix(got, "libvirt does not run the network") {
			t.Errorf("%q of a network that is off", got)
		}
	})
}

// The real functions are in place.
func TestEffects(t *testing.T) {
	s := New(Settings{}, notes{}, nil, nil)
	if !s.dns.local(netip.MustParseAddr("127.0.0.1")) || s.dns.local(netip.MustParseAddr("192.0.2.1")) {
		t.Error("this host's addresses are not known")
	}
	if s.dns.ask == nil || s.release == nil {
		t.Errorf("%+v", s)
	}
}
