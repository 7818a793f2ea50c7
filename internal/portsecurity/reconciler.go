// Package portsecurity lets each guest send only as itself: from its own MAC and
// addresses, as a DHCP client and never as a server or a router. It does for
// plain bridges what port security does in OpenStack Neutron.
//
// Data flows one way. Package plan turns networks, guests and the host's interfaces
// into a plan, package table brings nftables to it, and the Reconciler here has both
// done whenever guests, networks or interfaces change.
package portsecurity

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/logging/once"
	"mdserver/internal/pace"
	"mdserver/internal/portsecurity/plan"
	"mdserver/internal/portsecurity/table"
)

const (
	// period is how often a Reconciler looks whether the table is still there.
	period = 2 * time.Second
	// longest bounds the pause between two changes when many come.
	longest = time.Second
)

// Reconciler keeps the kernel's table as guests, networks and interfaces ask for it.
type Reconciler struct {
	hostID string
	guests func() []*instance.Instance
	log    *slog.Logger
	wake   chan struct{}

	mu       sync.Mutex
	networks []instance.Network
	table    *table.Table
	off      bool   // the table was removed, or there was none
	checked  uint32 // the generation of nftables when the table was as wanted
	plan     plan.Plan
	trouble  once.Complaint
	closed   map[uint32]bool // bridges that learn nothing from control frames
}

// New makes a Reconciler that does nothing before Set. hostID is the ID of this host
// among several with one inventory, or empty. guests gives those that are known when
// it is called.
func New(hostID string, guests func() []*instance.Instance, log *slog.Logger) *Reconciler {
	return &Reconciler{hostID: hostID, guests: guests, log: log, wake: make(chan struct{}, 1), closed: map[uint32]bool{}}
}

// Run keeps the table up to date until ctx ends. The table stays, so that guests
// are not left without it while the server restarts; see table.Remove.
func (k *Reconciler) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { k.follow(ctx) })
	running.Go(func() { k.watch(ctx) })
	running.Wait()
}

// Set says on which networks port security is enforced: on those that have it. It
// is enforced when Set returns, unless Status tells why not.
func (k *Reconciler) Set(networks []instance.Network) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.networks = networks
	k.bring()
}

// Wake has the Reconciler look at the guests again, soon.
func (k *Reconciler) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// follow follows the guests, and looks after the table.
func (k *Reconciler) follow(ctx context.Context) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			k.check()
		case <-k.wake:
			began := time.Now()
			k.mu.Lock()
			k.bring()
			k.mu.Unlock()
			// Many changes at once cost a part of the time, however many guests there are.
			pace.Sleep(ctx, min(4*time.Since(began), longest))
		}
	}
}

// watch follows the host's interfaces.
func (k *Reconciler) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if err := watch(ctx, k.Wake); ctx.Err() == nil {
			k.log.Debug("port security reads all interfaces again", "reason", err)
			pace.Sleep(ctx, 100*time.Millisecond)
			k.Wake()
		}
	}
}

// check puts the table back if it was changed from outside.
func (k *Reconciler) check() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !plan.On(k.networks) || k.table == nil {
		k.bring() // what failed may do now
		return
	}
	now, err := table.Generation()
	if err == nil && now == k.checked && k.table.Known() {
		return
	}
	if k.table.Intact() {
		k.checked = now
		return
	}
	if k.table.Known() {
		k.log.Warn("the table of port security was changed by another program and is written again", "table", "bridge "+table.Name)
	}
	k.table.Forget()
	k.bring()
}

// bring makes the table what it should be, and says once if it cannot.
func (k *Reconciler) bring() {
	if err := k.try(); k.trouble.New(err) {
		k.log.Error("port security is not enforced", "error", err)
	}
}

func (k *Reconciler) try() error {
	if !plan.On(k.networks) {
		k.turnOff()
		return nil
	}
	k.off = false
	host, err := look()
	if err != nil {
		return err
	}
	host.ID = k.hostID
	if k.table == nil {
		if k.table, err = table.New(); err != nil {
			return err
		}
	}
	wanted := plan.Make(k.networks, k.guests(), host)
	if err := k.table.Apply(wanted); err != nil {
		return err
	}
	k.tell(wanted)
	k.plan = wanted
	k.closeBridges(host)
	return nil
}

// closeBridges has the bridges learn nothing from control frames, once each.
func (k *Reconciler) closeBridges(host plan.Host) {
	for _, link := range k.toClose(host.Links) {
		k.closed[link.Index] = true
		if err := learnFromControl(link.Index, false); err != nil { // Linux before 5.0
			k.log.Warn("a guest may receive other guests' frames", "bridge", link.Name, "error", err)
		}
	}
}

// toClose lists the bridges with port security that are not closed yet.
func (k *Reconciler) toClose(links []plan.Link) (bridges []plan.Link) {
	for _, link := range links {
		secured := func(n instance.Network) bool { return n.PortSecurity && n.Bridge == link.Name }
		if !k.closed[link.Index] && slices.ContainsFunc(k.networks, secured) {
			bridges = append(bridges, link)
		}
	}
	return bridges
}

func (k *Reconciler) openBridges() {
	for index := range k.closed {
		_ = learnFromControl(index, true) // the bridge may be gone
	}
	clear(k.closed)
}

// turnOff takes the table away, which an earlier run of the server may have left.
func (k *Reconciler) turnOff() {
	if k.off {
		return
	}
	removed, err := table.Remove()
	if err != nil {
		k.log.Debug("port security is off", "error", err)
	}
	if removed {
		k.log.Info("port security is off, its table is removed", "table", "bridge "+table.Name)
	}
	k.openBridges()
	k.table, k.plan, k.off = nil, plan.Plan{}, true
}

// tell logs which guests' ports came and went.
func (k *Reconciler) tell(wanted plan.Plan) {
	before, after := guestPorts(k.plan), guestPorts(wanted)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			k.log.Info("port security enabled for a guest", "guest", after[name], "port", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] == "" {
			k.log.Info("port security enabled for an unknown port", "guest", before[name], "port", name)
		}
	}
}

func guestPorts(p plan.Plan) map[string]string {
	ports := map[string]string{}
	for _, port := range p.Ports {
		if port.Role == plan.Guest {
			ports[port.Name] = port.Guest
		}
	}
	return ports
}

// Status returns the state of port security on one network.
func (k *Reconciler) Status(network string) api.PortSecurity {
	k.mu.Lock()
	defer k.mu.Unlock()
	var s api.PortSecurity
	s.On = k.secures(network)
	if !s.On {
		return s
	}
	s.Trouble, s.Dropped = k.trouble.String(), api.Drops{}
	for _, port := range k.counted(func(p plan.Port) bool { return p.Network == network }) {
		add(&s, port)
	}
	return s
}

// Trouble returns why port security of a network is not enforced, or "". Unlike
// Status it reads no counters of the kernel's.
func (k *Reconciler) Trouble(network string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.secures(network) {
		return ""
	}
	return k.trouble.String()
}

func (k *Reconciler) secures(network string) bool {
	return slices.ContainsFunc(k.networks, func(n instance.Network) bool { return n.Name == network && n.PortSecurity })
}

// add counts one port.
func add(s *api.PortSecurity, port api.Port) {
	switch {
	case port.Role == string(plan.Guest):
		s.Guests++
	case port.Off:
		s.Off++
	case port.Role == string(plan.Stranger):
		s.Strangers++
	}
	for kind, n := range port.Dropped {
		s.Dropped[kind] += n
	}
	if len(port.Dropped) > 0 {
		s.Ports = append(s.Ports, port)
	}
}

// Of gives the ports of a guest.
func (k *Reconciler) Of(guest uuid.UUID) []api.Port {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counted(func(p plan.Port) bool { return p.UUID == guest })
}

// counted adds the kernel's counters to ports.
func (k *Reconciler) counted(which func(plan.Port) bool) []api.Port {
	var dropped map[string]api.Drops
	if k.table != nil {
		dropped, _ = k.table.Dropped() // without the table nothing is dropped
	}
	var all []api.Port
	for _, port := range k.plan.Ports {
		if which(port) {
			all = append(all, report(port, dropped[port.Name]))
		}
	}
	return all
}

// report is what others learn of a port.
func report(p plan.Port, dropped api.Drops) api.Port {
	return api.Port{
		Name: p.Name, Bridge: p.Bridge, Network: p.Network, Role: string(p.Role), Guest: p.Guest, UUID: p.UUID, Off: p.Off,
		MACs: p.MACs, Addrs: p.Addrs, Allowed: p.Allowed, Dropped: dropped,
	}
}
