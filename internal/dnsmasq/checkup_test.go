package dnsmasq

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/miekg/dns"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/instance"
	"mdserver/internal/nameserver"
)

// A guest that is found wrong is in each sample until it is right or gone.
func TestSuspects(t *testing.T) {
	var right atomic.Bool
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := new(dns.Msg).SetReply(query)
		if record, err := dns.NewRR(query.Question[0].Name + " A 10.122.0.7"); err == nil && right.Load() {
			reply.Answer = append(reply.Answer, record)
		}
		_ = w.WriteMsg(reply)
	})}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	defer func() {
		_ = conn.Close()
		<-done
	}()
	client, err := nameserver.Dial(t.Context(), conn.LocalAddr().(*net.UDPAddr).AddrPort())
	must(t, err)
	defer client.Close()

	s := New(content.Settings{}, slog.New(slog.DiscardHandler))
	id := uuid.UUID{1}
	s.guests[id] = []content.Entry{{Names: []string{"web1"}, Lease: content.Binding{MAC: instance.MAC{2, 1}, Addr: netip.MustParseAddr("10.122.0.7")}}}
	for n := range sampleSize + 1 { // more than a sample, so that the suspect is in none by chance
		s.guests[uuid.UUID{2, byte(n)}] = nil
	}
	for _, step := range []struct {
		right   bool
		wrong   []string
		suspect bool
	}{{false, []string{"web1"}, true}, {false, []string{"web1"}, true}, {true, nil, false}, {false, []string{"web1"}, true}} {
		right.Store(step.right)
		wrong, err := s.wrongGuests(t.Context(), client, []uuid.UUID{id})
		if err != nil || !slices.Equal(wrong, step.wrong) || s.suspects[id] != step.suspect {
			t.Errorf("%+v: %q, %v, suspects are %v", step, wrong, err, s.suspects)
		}
		if step.suspect && !slices.Contains(s.sample(), id) {
			t.Errorf("%+v: the sample lacks the suspect", step)
		}
	}
	delete(s.guests, id)
	if slices.Contains(s.sample(), id) || s.suspects[id] {
		t.Error("a guest that is gone is still a suspect")
	}
}
