package network

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"mdserver/internal/instance"
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
		{conn.LocalAddr(), "web1", "10.0.0.2", "does not answer 10.0.0.2 for web1"},
		{conn.LocalAddr(), "web2", "10.0.0.1", "does not answer 10.0.0.1 for web2"},
		{silent.LocalAddr(), "web1", "10.0.0.1", "does not answer"},
	} {
		got := ask(t.Context(), c.server.(*net.UDPAddr).AddrPort(), c.name, netip.MustParseAddr(c.addr))
		if !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s at %v: %q", c.name, c.server, got)
		}
	}
}

// Only guests are asked for whose names the definition had at the last look.
func TestServedNames(t *testing.T) {
	old := entry{MAC: instance.MAC{5: 1}, IP: netip.MustParseAddr("10.0.0.1"), Names: []string{"old"}}
	fresh := entry{MAC: instance.MAC{5: 2}, IP: netip.MustParseAddr("10.0.0.2"), Names: []string{"fresh"}}
	got := served(definition{Names: []dnsHost{old.dns()}}, []entry{old, fresh})
	if len(got) != 1 || !got[0].equal(old) {
		t.Errorf("served are %v", got)
	}
}

// A DNS server at an address that is not this host's is left alone.
func TestDNSElsewhere(t *testing.T) {
	s := &Service{missed: missedLooks}
	guests := []entry{{IP: netip.MustParseAddr("192.0.2.2"), Names: []string{"web1"}}}
	if got := s.names(t.Context(), definition{ServeDNS: true, Gateway: netip.MustParseAddr("192.0.2.1")}, guests); got != "" || s.missed != 0 {
		t.Errorf("%q, missed %d", got, s.missed)
	}
}
