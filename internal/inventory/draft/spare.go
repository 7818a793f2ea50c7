package draft

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/pool"
)

// How many spare addresses a host has of a network and a family. It follows the
// number of guests that were new on the host within spareTime.
const (
	leastSpares = 4
	mostSpares  = 64
	spareTime   = 24 * time.Hour
	// spareShare: a host has at most one in so many of the addresses that are free.
	spareShare = 8
)

// spend ends that an address is spare, if it is.
func (d *Draft) spend(addr netip.Addr) {
	if d.RemoveSpare(addr) {
		d.Change.Drop = append(d.Change.Drop, addr)
	}
}

// Replenish brings the spare addresses of this host to the number that it needs. It
// does nothing while the shared store is away.
func (d *Draft) Replenish() {
	if d.cutOff {
		return
	}
	var all []pool.Pool
	for _, network := range d.rules.Pools {
		all = append(all, network.Pool4, network.Pool6)
	}
	all = slices.DeleteFunc(all, func(p pool.Pool) bool { return !p.Configured() })
	d.dropSpares(func(spare *instance.Spare) bool {
		return d.addresses().Owns(spare) && !slices.ContainsFunc(all, func(p pool.Pool) bool {
			return p.Network == spare.Network && p.Refusal(spare.Addr, instance.MAC{}) == "" && d.rules.WithheldAddr(spare.Addr, uuid.Nil) == nil
		})
	})
	for _, p := range all {
		d.replenishPool(p)
	}
}

func (d *Draft) replenishPool(p pool.Pool) {
	own, want := d.addresses().Spares(p), d.wantedSpares(p)
	if have := len(own); have > want+want/4 { // not at each change
		d.dropSpares(func(spare *instance.Spare) bool { return slices.Contains(own[want:], spare.Addr) })
	}
	for n := len(own); n < want; n++ {
		seed := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s %d", d.rules.ID, n))
		addr, ok := d.addresses().Free(p, seed, uuid.Nil, nil)
		if !ok {
			return
		}
		spare := instance.Spare{Addr: addr, Network: p.Network, Host: d.rules.HostName, Owner: d.rules.ID}
		d.AddSpare(spare)
		d.Change.Hold = append(d.Change.Hold, spare)
	}
}

func (d *Draft) dropSpares(unwanted func(*instance.Spare) bool) {
	var list []netip.Addr
	for spare := range d.Spares() {
		if unwanted(spare) {
			list = append(list, spare.Addr)
		}
	}
	for _, addr := range list {
		d.spend(addr)
	}
}

// wantedSpares is how many spare addresses this host should have of a pool.
func (d *Draft) wantedSpares(p pool.Pool) int {
	if d.rules.Drained != nil && d.rules.Drained() {
		return 0
	}
	recent, held := 0, 0
	for guest := range d.Guests() {
		for _, addr := range guest.Addrs() {
			if !p.Gives(addr) {
				continue
			}
			held++
			if d.rules.Host.Has(guest) && d.now.Sub(guest.FirstSeen) < spareTime {
				recent++
			}
		}
	}
	for r := range d.Resting() {
		if p.Gives(r.Addr) {
			held++
		}
	}
	for spare := range d.Spares() {
		if p.Gives(spare.Addr) && !d.addresses().Owns(spare) {
			held++
		}
	}
	free := max(0, p.SizeUpTo(math.MaxInt32)-held)
	return min(max(recent, leastSpares), mostSpares, free/spareShare)
}
