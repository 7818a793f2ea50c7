// Package bridge gives this host the addresses that guests are to reach it at,
// on the bridge of a network, and takes them away again.
package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"mdserver/internal/logging/once"
	"mdserver/internal/pace"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// period is how often a Reconciler checks the addresses: libvirt creates a bridge
// again whenever it starts its network.
const period = 2 * time.Second

// Reconciler sees to it that this host has some addresses: if no interface has one,
// it puts it on the first of the bridges that is there. Once is enough, for
// Linux answers by any interface; twice would have two DNS servers that each
// listen on all addresses of a bridge fight over it.
type Reconciler struct {
	log  *slog.Logger
	host kernel

	mu        sync.Mutex
	bridges   []string
	addrs     []netip.Addr
	put       map[netip.Addr]int // by the Reconciler, on the interface of this number
	complaint once.Complaint
}

// New makes a Reconciler that keeps nothing until Set.
func New(log *slog.Logger) *Reconciler {
	return newReconciler(log, thisHost{})
}

func newReconciler(log *slog.Logger, host kernel) *Reconciler {
	return &Reconciler{log: log, host: host, put: map[netip.Addr]int{}}
}

// Run keeps the addresses until ctx ends. They stay until Close.
func (r *Reconciler) Run(ctx context.Context) {
	pace.Every(ctx, period, r.check)
}

// Set says which addresses are kept, and on which bridges they may be put, in
// the order of preference. They are there when it returns, if a bridge is.
func (r *Reconciler) Set(bridges []string, addrs []netip.Addr) {
	r.mu.Lock()
	r.bridges, r.addrs = bridges, addrs
	r.mu.Unlock()
	r.check()
}

// check repairs what is wrong, and says once if it cannot.
func (r *Reconciler) check() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.reconcile(); r.complaint.New(err) {
		r.log.Warn("guests may be unable to reach this server", "error", err)
	}
}

func (r *Reconciler) reconcile() error {
	if len(r.addrs)+len(r.put) == 0 {
		return nil
	}
	var errs []error
	for addr := range r.put {
		if !slices.Contains(r.addrs, addr) || !r.allowed(r.put[addr]) {
			errs = append(errs, r.takeAway(addr))
		}
	}
	there, err := r.host.addrs() // without what was just taken away
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("addresses of this host: %w", err))...)
	}
	for _, addr := range r.addrs {
		errs = append(errs, r.reconcileOne(addr, holders(there, addr)))
	}
	return errors.Join(errs...)
}

// reconcileOne adds an address to a bridge if no interface has it, and removes it
// again if another interface has it, too.
func (r *Reconciler) reconcileOne(addr netip.Addr, holders []int) error {
	own, mine := r.put[addr]
	others := slices.ContainsFunc(holders, func(index int) bool { return !mine || index != own })
	switch {
	case others && mine:
		return r.takeAway(addr)
	case others, mine && slices.Contains(holders, own):
		return nil
	}
	delete(r.put, addr) // it went with its bridge
	for _, name := range r.bridges {
		link, err := r.host.linkByName(name)
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			continue // it may come up later
		}
		if err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
		return r.add(link, addr)
	}
	return nil
}

// allowed reports whether an interface is one of the bridges, or is gone.
func (r *Reconciler) allowed(index int) bool {
	link, err := r.host.linkByIndex(index)
	return err != nil || slices.Contains(r.bridges, link.Attrs().Name)
}

// holders are the numbers of the interfaces that have addr.
func holders(there []netlink.Addr, addr netip.Addr) []int {
	var list []int
	for _, a := range there {
		if own, ok := netip.AddrFromSlice(a.IP); ok && own.Unmap() == addr {
			list = append(list, a.LinkIndex)
		}
	}
	return list
}

func (r *Reconciler) add(link netlink.Link, addr netip.Addr) error {
	name := link.Attrs().Name
	if err := r.host.add(link, single(addr)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding %s to %s: %w", addr, name, err)
	}
	r.put[addr] = link.Attrs().Index
	r.log.Info("added an address to a bridge", "address", addr, "bridge", name)
	return nil
}

func (r *Reconciler) takeAway(addr netip.Addr) error {
	link, err := r.host.linkByIndex(r.put[addr])
	delete(r.put, addr)
	if err != nil {
		return nil // the bridge is gone, and its addresses with it
	}
	if err := r.host.del(link, single(addr)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("removing %s from %s: %w", addr, link.Attrs().Name, err)
	}
	r.log.Info("removed an address from a bridge", "address", addr, "bridge", link.Attrs().Name)
	return nil
}

// single is the address without a network. An IPv6 address is ready at once:
// guests find it by routing, and no other machine on the link has it.
func single(addr netip.Addr) *netlink.Addr {
	bits := addr.BitLen()
	a := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, bits)}}
	if addr.Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// Close takes away what the Reconciler put on bridges, once Run has ended. What was
// there before stays as it is.
func (r *Reconciler) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addrs = nil
	return r.reconcile()
}
