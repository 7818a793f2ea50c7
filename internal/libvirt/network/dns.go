package network

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"mdserver/internal/libvirt/network/entries"
	"mdserver/internal/nameserver"
)

const (
	// answerTime bounds the wait for libvirt's DNS server at one look.
	answerTime = 500 * time.Millisecond
	// missedLooks is the number of failed looks in a row before they are reported.
	missedLooks = 2
)

// nameCheck asks the DNS server of a network for guests' names. libvirt does not
// replace a dnsmasq that has ended or hangs, and mdserver may not signal it.
type nameCheck struct {
	local  func(netip.Addr) bool // whether this host has an address
	ask    func(ctx context.Context, server netip.AddrPort, name string, want netip.Addr) (problem string)
	missed int // checks that failed in a row
}

// problem asks for one of the guests where guests ask, and returns what is wrong
// if that has failed several times.
func (c *nameCheck) problem(ctx context.Context, d entries.Definition, guests []entries.Entry) string {
	guests = slices.DeleteFunc(slices.Clone(guests), func(e entries.Entry) bool { return len(e.Names) == 0 })
	problem := ""
	// The question would go elsewhere if this host did not have the address.
	if d.ServeDNS && len(guests) > 0 && c.local(d.Gateway) {
		guest := guests[rand.IntN(len(guests))]
		problem = c.ask(ctx, netip.AddrPortFrom(d.Gateway, 53), guest.Names[0], guest.IP)
	}
	if problem == "" {
		c.missed = 0
		return ""
	}
	if c.missed++; c.missed < missedLooks {
		return ""
	}
	return problem
}

// ask returns what is wrong with a server's answer for a name.
func ask(ctx context.Context, server netip.AddrPort, name string, want netip.Addr) string {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	client, err := nameserver.Dial(ctx, server)
	if err == nil {
		defer client.Close()
		var has bool
		has, err = client.Has(ctx, name, want)
		if has {
			return ""
		}
	}
	if err != nil {
		return fmt.Sprintf("libvirt's DNS server at %v does not answer; %s", server.Addr(), revive)
	}
	return fmt.Sprintf("libvirt's DNS server at %v does not answer %v for %s, as in the network's definition; %s", server.Addr(), want, name, revive)
}

// revive has libvirt start a dnsmasq that has ended. Its guests run on, and stay
// connected to the network.
const revive = "if this lasts, end the network's dnsmasq with `kill -9` and restart libvirtd or virtnetworkd, to start another one"
