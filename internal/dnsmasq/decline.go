package dnsmasq

import (
	"context"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"sync"
	"time"
)

// declineMessage is the DHCP message of a client that finds its address in use
// by another machine. What is said of it in DHCPv4's configuration does not
// help DHCPv6; there, dnsmasq has to read its files again, which makes it
// forget what was declined.
const declineMessage = "DHCPDECLINE"

// declinedLine is what dnsmasq says of an address that it has disabled.
var declinedLine = regexp.MustCompile(`^disabling DHCP static address (\S+) for `)

// declines are the addresses that dnsmasq has disabled since the last look.
type declines struct {
	mu     sync.Mutex
	addrs  map[netip.Addr]bool
	healed time.Time     // when dnsmasq last read its files for this reason
	took   time.Duration // how long that took
}

// mostDeclined bounds what is remembered: all are healed at once.
const mostDeclined = 64

// After a reload for declined addresses, mdserver waits healThrottle times as long
// as dnsmasq took to read its files: dnsmasq answers no requests meanwhile, and a
// neighbour that forges one DHCPDECLINE can forge more.
const healThrottle = 20

// note takes a line of the DHCP server's log.
func (d *declines) note(text string) {
	m := declinedLine.FindStringSubmatch(text)
	if m == nil {
		return
	}
	addr, err := netip.ParseAddr(m[1])
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.addrs == nil {
		d.addrs = map[netip.Addr]bool{}
	}
	if len(d.addrs) < mostDeclined {
		d.addrs[addr] = true
	}
}

// take hands out the addresses, if it is time to heal them.
func (d *declines) take() []netip.Addr {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.addrs) == 0 || time.Since(d.healed) < healThrottle*d.took {
		return nil
	}
	taken := slices.SortedFunc(maps.Keys(d.addrs), netip.Addr.Compare)
	d.addrs = nil
	return taken
}

// done notes that the addresses were healed, and how long it took.
func (d *declines) done(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.healed, d.took = time.Now(), took
}

// heal has dnsmasq read its files again, and so enable the addresses.
func (s *Service) heal(ctx context.Context, addrs []netip.Addr) error {
	s.log.Warn("a DHCPDECLINE disabled addresses of guests; making dnsmasq forget it. Either another machine has such an address, "+
		"or a neighbour forged the message", "addresses", addrs)
	for e := range s.all() {
		if s.clients.OnMessage != nil && slices.Contains(addrs, e.Lease6.Addr) {
			s.clients.OnMessage(e.Lease6.MAC, declineMessage) // the log of DHCPv6 has no MAC
		}
	}
	began := time.Now()
	s.pub.stale = true
	err := s.publish(ctx, change{})
	s.declines.done(time.Since(began))
	return err
}
