package nameserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/dns/dnsmessage"

	"mdserver/internal/fdtest"
)

// serve runs a DNS server on the loopback interface that gives those answers. It
// refuses to ask other servers. Before each answer it sends one to another question,
// the question itself, and junk.
func serve(t *testing.T, answers map[string]string) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		stray := new(dns.Msg).SetReply(query)
		stray.Id++
		_ = w.WriteMsg(stray)
		_ = w.WriteMsg(query)
		_, _ = w.Write([]byte("junk"))
		reply := new(dns.Msg).SetReply(query)
		text, known := answers[query.Question[0].Name+" "+dns.TypeToString[query.Question[0].Qtype]]
		if query.RecursionDesired {
			reply.Rcode = dns.RcodeRefused
		} else if record, err := dns.NewRR(text); known && err == nil {
			reply.Answer = append(reply.Answer, record)
		}
		_ = w.WriteMsg(reply)
	})}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestAnswers(t *testing.T) {
	client, err := Dial(t.Context(), serve(t, map[string]string{
		"web1.example.net. A":    "web1.example.net. A 10.0.0.1",
		"web1.example.net. AAAA": "web1.example.net. AAAA fd00::1",
		"config. TXT":            `config. TXT "one" "two"`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, c := range []struct {
		name, addr string
		want       bool
	}{
		{"web1.example.net", "10.0.0.1", true}, {"web1.example.net", "10.0.0.2", false}, {"web1.example.net", "fd00::1", true},
		{"web2.example.net", "10.0.0.1", false},
	} {
		if has, err := client.Has(t.Context(), c.name, netip.MustParseAddr(c.addr)); err != nil || has != c.want {
			t.Errorf("%s has %s: %v, %v", c.name, c.addr, has, err)
		}
	}
	if a, err := client.Ask(t.Context(), "web1.example.net", dnsmessage.TypeAAAA); err != nil || !slices.Equal(a.Addrs, []netip.Addr{netip.MustParseAddr("fd00::1")}) {
		t.Errorf("addresses %v, %v", a.Addrs, err)
	}
	if a, err := client.Ask(t.Context(), "config", dnsmessage.TypeTXT); err != nil || !slices.Equal(a.Texts, []string{"onetwo"}) {
		t.Errorf("texts %q, %v", a.Texts, err)
	}
	if _, err := client.Ask(t.Context(), "two..dots", dnsmessage.TypeA); err == nil {
		t.Error("a name that is none is no error")
	}
}

// A server that says nothing is waited for as long as the context allows.
func TestNoAnswer(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	client, err := Dial(t.Context(), silent.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.timeout = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.Ask(ctx, "web1", dnsmessage.TypeA); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if has, err := client.Has(ctx, "web1", netip.MustParseAddr("10.0.0.1")); has || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the end of the context: %v, %v", has, err)
	}
}

// After each query without an answer the next one waits twice as long, up to a bound.
// An answer ends that.
func TestPatience(t *testing.T) {
	server := serve(t, nil)
	client, err := Dial(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	failing, err := Dial(t.Context(), gone.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	defer failing.Close()
	gone.Close() // the host's kernel refuses queries from now on
	for i, want := range []time.Duration{2 * firstAnswer, 4 * firstAnswer, 8 * firstAnswer, longestAnswer, longestAnswer} {
		if _, err := failing.Ask(t.Context(), "web1", dnsmessage.TypeA); err == nil || failing.timeout != want {
			t.Errorf("after %d queries the next one waits %v, want %v: %v", i+1, failing.timeout, want, err)
		}
	}
	client.timeout = failing.timeout
	if _, err := client.Ask(t.Context(), "web1", dnsmessage.TypeA); err != nil || client.timeout != firstAnswer {
		t.Errorf("after an answer the next one waits %v: %v", client.timeout, err)
	}
}

func TestNoServer(t *testing.T) {
	if client, err := Dial(t.Context(), netip.AddrPort{}); err == nil {
		client.Close()
		t.Error("a server without an address")
	}
	var none *Client
	none.Close()
}

// TestManyTexts checks that an answer may be larger than DNS by UDP once allowed, and
// that Close leaves no connection open.
func TestManyTexts(t *testing.T) {
	long := strings.Repeat("x", 250)
	server := serve(t, map[string]string{"config. TXT": `config. TXT "` + strings.Join([]string{long, long, long}, `" "`) + `"`})
	fdtest.NoneLeft(t, func() {
		client, err := Dial(t.Context(), server)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if a, err := client.Ask(t.Context(), "config", dnsmessage.TypeTXT); err != nil || len(a.Texts) != 1 || len(a.Texts[0]) != 3*len(long) {
			t.Errorf("texts %q, %v", a.Texts, err)
		}
	})
}
