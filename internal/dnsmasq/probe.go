package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	dnsPort      = 53
	maxUDP       = 4096
	firstPause   = 200 * time.Microsecond
	longestPause = 20 * time.Millisecond
	// firstAnswer is how long one query waits; it doubles, as dnsmasq answers
	// nobody while it reads its files.
	firstAnswer   = 250 * time.Millisecond
	longestAnswer = 2 * time.Second
)

// errNoAddress is the state before libvirt has brought the network up.
var errNoAddress = errors.New("the interface has no address yet")

// probeAddress is where our dnsmasq answers DNS: an address of its interface,
// or a loopback or listen address.
func (s Settings) probeAddress() (netip.AddrPort, error) {
	local := interfaceAddrs(s.Interface)
	for _, addr := range []netip.Addr{s.Gateway, s.ListenAddress} {
		if addr.IsValid() && (addr.IsLoopback() || slices.Contains(local, addr)) {
			return netip.AddrPortFrom(addr, dnsPort), nil
		}
	}
	for _, addr := range local {
		if addr.Is4() {
			return netip.AddrPortFrom(addr, dnsPort), nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("asking dnsmasq on %s: %w", s.Interface, errNoAddress)
}

func interfaceAddrs(name string) []netip.Addr {
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return nil
	}
	nets, err := nic.Addrs()
	if err != nil {
		return nil
	}
	var addrs []netip.Addr
	for _, n := range nets {
		if prefix, err := netip.ParsePrefix(n.String()); err == nil {
			addrs = append(addrs, prefix.Addr())
		}
	}
	return addrs
}

// answer is what dnsmasq knows of a name.
type answer struct {
	addrs []netip.Addr
	texts []string
}

// prober asks one dnsmasq, again and again.
type prober struct {
	conn    net.Conn
	buf     [maxUDP]byte
	timeout time.Duration
}

func (s Settings) newProber(ctx context.Context) (*prober, error) {
	addr, err := s.probeAddress()
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("asking dnsmasq: %w", err)
	}
	return &prober{conn: conn, timeout: firstAnswer}, nil
}

func (p *prober) close() {
	if p != nil {
		_ = p.conn.Close()
	}
}

// ask sends one query that is not to be forwarded, and waits for its answer.
// A name that does not exist is an empty answer.
func (p *prober) ask(ctx context.Context, name string, kind dnsmessage.Type) (answer, error) {
	id := uint16(rand.Uint32())
	query, err := packQuery(id, name, kind)
	if err != nil {
		return answer{}, err
	}
	deadline := time.Now().Add(p.timeout)
	if limit, ok := ctx.Deadline(); ok && limit.Before(deadline) {
		deadline = limit
	}
	if err := p.conn.SetDeadline(deadline); err != nil {
		return answer{}, fmt.Errorf("asking dnsmasq for %s: %w", name, err)
	}
	if _, err := p.conn.Write(query); err != nil {
		return answer{}, fmt.Errorf("asking dnsmasq for %s: %w", name, err)
	}
	for {
		n, err := p.conn.Read(p.buf[:])
		if err != nil {
			p.timeout = min(2*p.timeout, longestAnswer)
			return answer{}, fmt.Errorf("asking dnsmasq at %v for %s: %w", p.conn.RemoteAddr(), name, err)
		}
		if a, ok := readAnswer(p.buf[:n], id); ok {
			p.timeout = firstAnswer
			return a, nil
		}
	}
}

func packQuery(id uint16, name string, kind dnsmessage.Type) ([]byte, error) {
	qname, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return nil, fmt.Errorf("asking dnsmasq for %q: %w", name, err)
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id},
		Questions: []dnsmessage.Question{{Name: qname, Type: kind, Class: dnsmessage.ClassINET}},
	}
	query, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("asking dnsmasq for %q: %w", name, err)
	}
	return query, nil
}

// readAnswer takes the records of a response to the query with that id;
// anything else, such as the late response to an earlier query, is not ok.
func readAnswer(packet []byte, id uint16) (answer, bool) {
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil || m.ID != id || !m.Response {
		return answer{}, false
	}
	var a answer
	for _, record := range m.Answers {
		switch body := record.Body.(type) {
		case *dnsmessage.AResource:
			a.addrs = append(a.addrs, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			a.addrs = append(a.addrs, netip.AddrFrom16(body.AAAA))
		case *dnsmessage.TXTResource:
			a.texts = append(a.texts, strings.Join(body.TXT, ""))
		}
	}
	return a, true
}

// await asks until the name has the address, or the context ends.
func (s Settings) await(ctx context.Context, name string, addr netip.Addr) error {
	_, err := s.askUntil(ctx, name, queryType(addr), func(a answer) error {
		if slices.Contains(a.addrs, addr) {
			return nil
		}
		return fmt.Errorf("dnsmasq answers, but has not read its files: %s is not %v", name, addr)
	})
	return err
}

// firstAnswer waits for any answer, and returns what dnsmasq tells of its
// configuration.
func (s Settings) firstAnswer(ctx context.Context) ([]string, error) {
	a, err := s.askUntil(ctx, configName, dnsmessage.TypeTXT, func(answer) error { return nil })
	return a.texts, err
}

// askUntil asks until an answer is as wanted, or the context ends.
func (s Settings) askUntil(ctx context.Context, name string, kind dnsmessage.Type, want func(answer) error) (answer, error) {
	var p *prober
	defer func() { p.close() }()
	var last error
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		var a answer
		var err error
		if p == nil {
			p, err = s.newProber(ctx)
		}
		if err == nil {
			if a, err = p.ask(ctx, name, kind); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				p.close() // the address may be gone
				p = nil
			}
		}
		if err == nil {
			err = want(a)
		}
		if err == nil {
			return a, nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		sleep(ctx, pause)
		if ctx.Err() != nil {
			return answer{}, fmt.Errorf("%w: %w", context.Cause(ctx), last)
		}
	}
}

func queryType(addr netip.Addr) dnsmessage.Type {
	if addr.Is4() {
		return dnsmessage.TypeA
	}
	return dnsmessage.TypeAAAA
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
