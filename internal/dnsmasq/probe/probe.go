// Package probe asks the dnsmasq of a network what is live, at the addresses where
// guests ask it.
package probe

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

// ErrNoAddress is the state before libvirt has brought the network up.
var ErrNoAddress = errors.New("the interface has no address yet")

// Server is the dnsmasq of a network with these settings.
type Server struct{ content.Settings }

// Address returns where the server answers DNS: at an address of its interface, or at a
// loopback or listen address. The error is ErrNoAddress if there is none.
func (s Server) Address() (netip.AddrPort, error) {
	return address(s.Settings, interfaceAddrs(s.Interface))
}

// address does the work of Server.Address, given the addresses of the interface.
func address(s content.Settings, local []netip.Addr) (netip.AddrPort, error) {
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
	return netip.AddrPort{}, fmt.Errorf("asking dnsmasq on %s: %w", s.Interface, ErrNoAddress)
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

// Dial connects to the server. The caller closes the client.
func (s Server) Dial(ctx context.Context) (*nameserver.Client, error) {
	addr, err := s.Address()
	if err != nil {
		return nil, err
	}
	return nameserver.Dial(ctx, addr)
}

// dialer connects to a dnsmasq. The caller closes the client.
type dialer func(context.Context) (*nameserver.Client, error)

// Await asks until the name has the address, or the context ends.
func (s Server) Await(ctx context.Context, name string, addr netip.Addr) error {
	return await(ctx, s.Dial, name, addr)
}

func await(ctx context.Context, dial dialer, name string, addr netip.Addr) error {
	_, err := askUntil(ctx, dial, name, nameserver.TypeOf(addr), func(a nameserver.Answer) error {
		if slices.Contains(a.Addrs, addr) {
			return nil
		}
		return fmt.Errorf("dnsmasq answers, but has not read its files: %s is not %v", name, addr)
	})
	return err
}

// FirstAnswer waits for any answer, and returns what dnsmasq reports about its
// configuration.
func (s Server) FirstAnswer(ctx context.Context) ([]string, error) {
	return firstAnswer(ctx, s.Dial)
}

func firstAnswer(ctx context.Context, dial dialer) ([]string, error) {
	a, err := askUntil(ctx, dial, content.ConfigName, dnsmessage.TypeTXT, func(nameserver.Answer) error { return nil })
	return a.Texts, err
}

// askUntil asks until an answer is as wanted, or the context ends.
func askUntil(ctx context.Context, dial dialer, name string, kind dnsmessage.Type, want func(nameserver.Answer) error) (nameserver.Answer, error) {
	var p *nameserver.Client
	defer func() { p.Close() }()
	var last error
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		var a nameserver.Answer
		var err error
		if p == nil {
			p, err = dial(ctx)
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
		if last == nil || !over(ctx) {
			last = err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nameserver.Answer{}, fmt.Errorf("%w: %w", context.Cause(ctx), last)
		}
	}
}

// over reports whether ctx has ended, or is about to: a connection notices its
// deadline a moment earlier.
func over(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && !time.Now().Before(deadline)
}
