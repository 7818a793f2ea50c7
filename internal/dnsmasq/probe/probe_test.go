package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/fdtest"
	"mdserver/internal/instance"
	"mdserver/internal/nameserver"
)

// server is a DNS server on the loopback interface.
type server struct {
	addr netip.AddrPort

	mu      sync.Mutex
	records map[string]string // by name and type; answered to a question
	silent  int               // how many questions are not answered
	asked   []string
}

func serve(t *testing.T, records map[string]string) *server {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	s := &server{addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), records: records}
	listener := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(s.answer)}
	done := make(chan error, 1)
	go func() { done <- listener.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return s
}

func (s *server) answer(w dns.ResponseWriter, query *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := query.Question[0]
	question := q.Name + " " + dns.TypeToString[q.Qtype]
	s.asked = append(s.asked, question)
	if s.silent > 0 {
		s.silent--
		return
	}
	reply := new(dns.Msg).SetReply(query)
	value, known := s.records[question]
	if record, err := dns.NewRR(question + " " + value); known && err == nil {
		reply.Answer = append(reply.Answer, record)
	}
	_ = w.WriteMsg(reply)
}

func (s *server) set(question, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[question] = value
}

// ignore has the server not answer the next questions.
func (s *server) ignore(questions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = questions
}

func (s *server) questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *server) dial(ctx context.Context) (*nameserver.Client, error) {
	return nameserver.Dial(ctx, s.addr)
}

func (s *server) client(t *testing.T) *nameserver.Client {
	t.Helper()
	client, err := s.dial(t.Context())
	must(t, err)
	t.Cleanup(client.Close)
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func addrs(list string) []netip.Addr {
	var all []netip.Addr
	for _, text := range strings.Fields(list) {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func TestAddress(t *testing.T) {
	for name, tt := range map[string]struct {
		gateway, listen, local string
		want                   string // "" for none
	}{
		"gateway":                             {"10.1.0.1", "", "10.1.0.1", "10.1.0.1"},
		"gateway among others":                {"10.1.0.1", "", "fe80::1 10.9.0.1 10.1.0.1", "10.1.0.1"},
		"gateway is another machine":          {"10.1.0.1", "", "fe80::1 10.1.0.2 10.1.0.3", "10.1.0.2"},
		"listen address":                      {"10.1.0.1", "10.1.0.2", "10.1.0.3 10.1.0.2", "10.1.0.2"},
		"listen address of another interface": {"10.1.0.1", "10.5.0.2", "10.1.0.3", "10.1.0.3"},
		"loopback":                            {"10.1.0.1", "127.0.0.2", "", "127.0.0.2"},
		"gateway before loopback":             {"10.1.0.1", "127.0.0.2", "10.1.0.1", "10.1.0.1"},
		"network is down":                     {"10.1.0.1", "", "", ""},
		"IPv6 only":                           {"10.1.0.1", "", "fe80::1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := content.Settings{Interface: "br0", Gateway: netip.MustParseAddr(tt.gateway)}
			if tt.listen != "" {
				s.ListenAddress = netip.MustParseAddr(tt.listen)
			}
			got, err := address(s, addrs(tt.local))
			if tt.want == "" {
				if !errors.Is(err, ErrNoAddress) || !strings.Contains(err.Error(), "br0") {
					t.Errorf("address %v, error %v", got, err)
				}
				return
			}
			if want := netip.AddrPortFrom(netip.MustParseAddr(tt.want), 53); err != nil || got != want {
				t.Errorf("address %v, want %v; %v", got, want, err)
			}
		})
	}
}

func TestServerID(t *testing.T) {
	s := content.Settings{Network: netip.MustParsePrefix("10.1.0.0/16"), Gateway: netip.MustParseAddr("10.1.0.1")}
	for local, want := range map[string]string{
		"10.1.0.1":                   "10.1.0.1",
		"10.1.0.2 10.1.0.1":          "10.1.0.1",
		"169.254.169.254 10.1.0.2":   "10.1.0.2",
		"10.9.0.1 fe80::1":           "10.1.0.1", // no address within the network
		"":                           "10.1.0.1",
		"fe80::1 10.1.0.3 10.1.0.2 ": "10.1.0.3",
	} {
		if got := serverID(s, addrs(local)); got != netip.MustParseAddr(want) {
			t.Errorf("with %q it is %v, want %s", local, got, want)
		}
	}
}

func TestInterfaceAddrs(t *testing.T) {
	if got := interfaceAddrs("lo"); !slices.Contains(got, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("lo has %v", got)
	}
	if got := interfaceAddrs("no-such-device"); got != nil {
		t.Errorf("an interface that does not exist has %v", got)
	}
}

// Without an interface there is no server to ask, and the wait ends with its context.
func TestNoInterface(t *testing.T) {
	s := Server{content.Settings{Interface: "no-such-device", Gateway: netip.MustParseAddr("10.1.0.1")}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, errDial := s.Dial(ctx)
	_, errFirst := s.FirstAnswer(ctx)
	for what, err := range map[string]error{
		"dial":         errDial,
		"first answer": errFirst,
		"await":        s.Await(ctx, "web1", s.Gateway),
		"release":      s.Release(ctx, []content.Binding{{MAC: instance.MAC{2}, Addr: s.Gateway}}),
	} {
		if !errors.Is(err, ErrNoAddress) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	must(t, s.Release(ctx, nil))
}

func TestAwait(t *testing.T) {
	s := serve(t, map[string]string{"marker. AAAA": "100::1"})
	must(t, await(t.Context(), s.dial, "marker", netip.MustParseAddr("100::1")))
	if n := len(s.questions()); n != 1 {
		t.Errorf("%d questions for what is there", n)
	}
	var reading sync.WaitGroup
	reading.Go(func() { // dnsmasq reads its files
		for len(s.questions()) < 3 {
			time.Sleep(time.Millisecond)
		}
		s.set("marker. AAAA", "100::2")
	})
	must(t, await(t.Context(), s.dial, "marker", netip.MustParseAddr("100::2")))
	reading.Wait()
	if n := len(s.questions()); n < 4 {
		t.Errorf("%d questions", n)
	}
	must(t, await(t.Context(), serve(t, map[string]string{"web1. A": "10.1.0.9"}).dial, "web1", netip.MustParseAddr("10.1.0.9")))
}

// The error has the reason of the end and the last answer.
func TestAwaitInVain(t *testing.T) {
	s := serve(t, map[string]string{"marker. AAAA": "100::1"})
	why := errors.New("gave up after a while")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, why)
	defer cancel()
	err := await(ctx, s.dial, "marker", netip.MustParseAddr("100::2"))
	if !errors.Is(err, why) || !strings.Contains(err.Error(), "has not read its files: marker is not 100::2") {
		t.Errorf("error %v", err)
	}
	if n := len(s.questions()); n < 5 || n > 100 {
		t.Errorf("%d questions in 100 ms", n)
	}
}

// A server that does not answer one question is asked again on the same connection,
// because an answer may be on its way.
func TestAnswerThatIsLate(t *testing.T) {
	s := serve(t, map[string]string{"marker. AAAA": "100::1"})
	s.ignore(1)
	dialed := 0
	dial := func(ctx context.Context) (*nameserver.Client, error) {
		dialed++
		return s.dial(ctx)
	}
	must(t, await(t.Context(), dial, "marker", netip.MustParseAddr("100::1")))
	if n := len(s.questions()); n != 2 || dialed != 1 {
		t.Errorf("%d questions on %d connections", n, dialed)
	}
}

// A server that is not there yet is connected to again, until it is.
func TestServerThatComesLate(t *testing.T) {
	s := serve(t, map[string]string{"marker. AAAA": "100::1"})
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	nobody := closed.LocalAddr().(*net.UDPAddr).AddrPort()
	must(t, closed.Close())
	dialed := 0
	dial := func(ctx context.Context) (*nameserver.Client, error) {
		switch dialed++; dialed {
		case 1:
			return nil, ErrNoAddress
		case 2:
			return nameserver.Dial(ctx, nobody)
		}
		return s.dial(ctx)
	}
	must(t, await(t.Context(), dial, "marker", netip.MustParseAddr("100::1")))
	if dialed != 3 {
		t.Errorf("%d connections", dialed)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = firstAnswer(ctx, func(ctx context.Context) (*nameserver.Client, error) { return nameserver.Dial(ctx, nobody) })
	if !errors.Is(err, syscall.ECONNREFUSED) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestFirstAnswer(t *testing.T) {
	s := serve(t, map[string]string{content.ConfigName + ". TXT": "abc"})
	if texts, err := firstAnswer(t.Context(), s.dial); err != nil || !slices.Equal(texts, []string{"abc"}) {
		t.Errorf("texts %q, %v", texts, err)
	}
	// Any answer counts.
	if texts, err := firstAnswer(t.Context(), serve(t, nil).dial); err != nil || texts != nil {
		t.Errorf("texts %q, %v", texts, err)
	}
}

func entry(v4, v6 string, names ...string) content.Entry {
	e := content.Entry{Names: names}
	if v4 != "" {
		e.Lease.Addr = netip.MustParseAddr(v4)
	}
	if v6 != "" {
		e.Lease6.Addr = netip.MustParseAddr(v6)
	}
	return e
}

func TestKnown(t *testing.T) {
	s := serve(t, map[string]string{"web1. A": "10.1.0.9", "web1. AAAA": "fd00::9", "web2. A": "10.1.0.8"})
	client := s.client(t)
	for _, tt := range []struct {
		entry content.Entry
		want  bool
	}{
		{entry("10.1.0.9", "", "web1"), true},
		{entry("10.1.0.9", "fd00::9", "web1"), true},
		{entry("", "fd00::9", "web1"), true},
		{entry("10.1.0.7", "fd00::9", "web1"), false},
		{entry("10.1.0.9", "fd00::7", "web1"), false},
		{entry("10.1.0.8", "fd00::8", "web2"), false},
		{entry("10.1.0.8", "", "web2", "unknown"), true}, // the first name counts
		{entry("10.1.0.8", "", "unknown", "web2"), false},
		{entry("10.1.0.7", ""), true}, // nothing to ask for
	} {
		if got, err := Known(t.Context(), client, tt.entry); err != nil || got != tt.want {
			t.Errorf("%+v: %v, %v", tt.entry, got, err)
		}
	}
}

func TestUnknownName(t *testing.T) {
	s := serve(t, map[string]string{"web1. A": "10.1.0.9", "web2. A": "10.1.0.8"})
	client := s.client(t)
	good, also, bad, worse := entry("10.1.0.9", "", "web1"), entry("10.1.0.8", "", "web2"), entry("10.1.0.7", "", "bad"), entry("10.1.0.6", "", "worse")
	for want, entries := range map[string][]content.Entry{
		"":      {good, also},
		"bad":   {good, bad, worse},
		"worse": {worse, good},
	} {
		if got, err := UnknownName(t.Context(), client, entries); err != nil || got != want {
			t.Errorf("%q, want %q; %v", got, want, err)
		}
	}
	if got, err := UnknownName(t.Context(), client, nil); err != nil || got != "" {
		t.Errorf("%q, %v for no entry", got, err)
	}
}

// A server that does not answer is an error, and not a name that it does not know.
func TestNoAnswer(t *testing.T) {
	s := serve(t, nil)
	s.ignore(100)
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	e := entry("10.1.0.9", "", "web1")
	if ok, err := Known(soon(), s.client(t), e); ok || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("known %v, %v", ok, err)
	}
	if name, err := UnknownName(soon(), s.client(t), []content.Entry{e}); name != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("unknown %q, %v", name, err)
	}
	leases := []content.Binding{{MAC: instance.MAC{2}, Addr: netip.MustParseAddr("10.1.0.9")}}
	if err := release(soon(), s.dial, netip.MustParseAddr("127.0.0.1"), leases); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("release: %v", err)
	}
}

// dnsmasq has taken each release before the next one is sent, and the last one before
// the end: it takes one DHCP message and then answers DNS.
func TestRelease(t *testing.T) {
	s := serve(t, map[string]string{})
	loopback := netip.MustParseAddr("127.0.0.1")
	var leases []content.Binding
	for n := range byte(3) {
		leases = append(leases, content.Binding{MAC: instance.MAC{2, n}, Addr: netip.AddrFrom4([4]byte{10, 1, 0, n})})
	}
	must(t, release(t.Context(), s.dial, loopback, leases))
	if got, want := s.questions(), slices.Repeat([]string{content.LiveName + ". AAAA"}, 4); !slices.Equal(got, want) {
		t.Errorf("questions %q, want %q", got, want)
	}
	must(t, release(t.Context(), s.dial, loopback, nil))
	if n := len(s.questions()); n != 4 {
		t.Errorf("%d questions after no release", n)
	}
	if err := release(t.Context(), s.dial, netip.Addr{}, leases); err == nil || !strings.Contains(err.Error(), fmt.Sprint(leases[0].Addr)) {
		t.Errorf("a release to no server: %v", err)
	}
}

// TestConnectionsAreClosed checks that no question leaves a connection open, however it
// ends.
func TestConnectionsAreClosed(t *testing.T) {
	s := serve(t, map[string]string{"marker. AAAA": "100::1"})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	leases := []content.Binding{{MAC: instance.MAC{2}, Addr: netip.MustParseAddr("10.1.0.9")}}
	for name, ask := range map[string]func() error{
		"answered": func() error { return await(t.Context(), s.dial, "marker", netip.MustParseAddr("100::1")) },
		"without an answer": func() error {
			if err := await(ended, s.dial, "marker", netip.MustParseAddr("100::2")); err == nil {
				return errors.New("the address is found")
			}
			return nil
		},
		"released": func() error { return release(t.Context(), s.dial, netip.MustParseAddr("127.0.0.1"), leases) },
	} {
		t.Run(name, func(t *testing.T) {
			fdtest.NoneLeft(t, func() { must(t, ask()) })
		})
	}
}
