package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/nameserver"
)

const (
	dnsPort      = 53
	firstPause   = 200 * time.Microsecond
	longestPause = 20 * time.Millisecond
)

// errNoAddress is the state before libvirt has brought the network up.
var errNoAddress = errors.New("the interface has no address yet")

// probeAddress is where our dnsmasq answers DNS: an address of its interface,
// or a loopback or listen address.
func (s host) probeAddress() (netip.AddrPort, error) {
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

func (s host) newProber(ctx context.Context) (*nameserver.Client, error) {
	addr, err := s.probeAddress()
	if err != nil {
		return nil, err
	}
	return nameserver.Dial(ctx, addr)
}

// await asks until the name has the address, or the context ends.
func (s host) await(ctx context.Context, name string, addr netip.Addr) error {
	_, err := s.askUntil(ctx, name, nameserver.TypeOf(addr), func(a nameserver.Answer) error {
		if slices.Contains(a.Addrs, addr) {
			return nil
		}
		return fmt.Errorf("dnsmasq answers, but has not read its files: %s is not %v", name, addr)
	})
	return err
}

// firstAnswer waits for any answer, and returns what dnsmasq reports about its
// configuration.
func (s host) firstAnswer(ctx context.Context) ([]string, error) {
	a, err := s.askUntil(ctx, content.ConfigName, dnsmessage.TypeTXT, func(nameserver.Answer) error { return nil })
	return a.Texts, err
}

// askUntil asks until an answer is as wanted, or the context ends.
func (s host) askUntil(ctx context.Context, name string, kind dnsmessage.Type, want func(nameserver.Answer) error) (nameserver.Answer, error) {
	var p *nameserver.Client
	defer func() { p.Close() }()
	var last error
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		var a nameserver.Answer
		var err error
		if p == nil {
			p, err = s.newProber(ctx)
		}
		if err == nil {
			if a, err = p.Ask(ctx, name, kind); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				p.Close() // the address may be gone
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
			return nameserver.Answer{}, fmt.Errorf("%w: %w", context.Cause(ctx), last)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
