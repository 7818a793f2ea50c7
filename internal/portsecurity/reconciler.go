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
	"errors"
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
	kernel kernel
	log    *slog.Logger
	wake   chan struct{}

	mu       sync.Mutex
	networks []instance.Network
	table    rules
	off      bool   // the table was removed, or there was none
	checked  uint32 // the generation of nftables when the table was as wanted
	plan     plan.Plan
	trouble  once.Complaint
	closed   map[uint32]bool // bridges that learn nothing from control frames
	control  once.Complaint  // of masks for control frames
}

// New makes a Reconciler that does nothing before Set. hostID is the ID of this host
// among several with one inventory, or empty. guests gives those that are known when
// it is called.
func New(hostID string, guests func() []*instance.Instance, log *slog.Logger) *Reconciler {
	return &Reconciler{hostID: hostID, guests: guests, kernel: thisHost(), log: log, wake: make(chan struct{}, 1), closed: map[uint32]bool{}}
}

// Run keeps the table up to date until ctx ends. The table stays, so that guests
// are not left without it while the server restarts; see table.Remove.
func (r *Reconciler) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { r.follow(ctx) })
	running.Go(func() { r.watch(ctx) })
	running.Wait()
}

// Set says on which networks port security is enforced: on those that have it. It
// is enforced when Set returns, unless Status tells why not.
func (r *Reconciler) Set(networks []instance.Network) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.networks = networks
	r.bring()
}

// Wake has the Reconciler look at the guests again, soon.
func (r *Reconciler) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// follow follows the guests, and looks after the table.
func (r *Reconciler) follow(ctx context.Context) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.check()
		case <-r.wake:
			began := time.Now()
			r.mu.Lock()
			r.bring()
			r.mu.Unlock()
			// Many changes at once cost a part of the time, however many guests there are.
			pace.Sleep(ctx, min(4*time.Since(began), longest))
		}
	}
}

// watch follows the host's interfaces.
func (r *Reconciler) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.kernel.watch(ctx, r.Wake); ctx.Err() == nil {
			r.log.Debug("port security reads all interfaces again", "reason", err)
			pace.Sleep(ctx, 100*time.Millisecond)
			r.Wake()
		}
	}
}

// check puts the table back if it was changed from outside.
func (r *Reconciler) check() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !plan.On(r.networks) || r.table == nil {
		r.bring() // what failed may do now
		return
	}
	now, err := r.kernel.generation()
	if err == nil && now == r.checked && r.table.Known() {
		return
	}
	if r.table.Intact() {
		r.checked = now
		return
	}
	if r.table.Known() {
		r.log.Warn("the table of port security was changed by another program and is written again", "table", "bridge "+table.Name)
	}
	r.table.Forget()
	r.bring()
}

// bring makes the table what it should be, and says once if it cannot.
func (r *Reconciler) bring() {
	failure := "port security is not enforced"
	if !plan.On(r.networks) {
		failure = "port security cannot be turned off"
	}
	if err := r.try(); r.trouble.New(err) {
		r.log.Error(failure, "error", err)
	}
}

func (r *Reconciler) try() error {
	if !plan.On(r.networks) {
		return r.turnOff()
	}
	r.off = false
	host, err := r.kernel.look()
	if err != nil {
		return err
	}
	host.ID = r.hostID
	if r.table == nil {
		if r.table, err = r.kernel.newTable(); err != nil {
			return err
		}
	}
	wanted := plan.Make(r.networks, r.guests(), host)
	if err := r.table.Apply(wanted); err != nil {
		return err
	}
	r.tell(wanted)
	r.plan = wanted
	r.closeBridges(host)
	if err := r.maskPorts(wanted); r.control.New(err) {
		r.log.Warn("control frames of guests bypass port security", "error", err)
	}
	return nil
}

// maskPorts has the control frames of guests and of unknown machines pass the
// rules, and only theirs.
func (r *Reconciler) maskPorts(p plan.Plan) error {
	ruled := map[uint32]bool{}
	for _, port := range p.Ports {
		ruled[port.Index] = port.Role == plan.Guest || port.Role == plan.Stranger
	}
	masks, err := r.kernel.masks()
	for _, port := range slices.Sorted(maps.Keys(masks)) {
		switch mask := masks[port]; {
		case ruled[port] && mask != likeOthers:
			err = errors.Join(err, r.kernel.setMask(port, likeOthers))
		case !ruled[port] && mask == likeOthers:
			err = errors.Join(err, r.kernel.setMask(port, 0))
		}
	}
	return err
}

// closeBridges has the bridges learn nothing from control frames, once each.
func (r *Reconciler) closeBridges(host plan.Host) {
	for _, link := range r.toClose(host.Links) {
		r.closed[link.Index] = true
		if err := r.kernel.learn(link.Index, false); err != nil { // Linux before 5.0
			r.log.Warn("a guest may receive other guests' frames", "bridge", link.Name, "error", err)
		}
	}
}

// toClose lists the bridges with port security that are not closed yet.
func (r *Reconciler) toClose(links []plan.Link) (bridges []plan.Link) {
	for _, link := range links {
		secured := func(n instance.Network) bool { return n.PortSecurity && n.Bridge == link.Name }
		if !r.closed[link.Index] && slices.ContainsFunc(r.networks, secured) {
			bridges = append(bridges, link)
		}
	}
	return bridges
}

func (r *Reconciler) openBridges() {
	for index := range r.closed {
		_ = r.kernel.learn(index, true) // the bridge may be gone
	}
	clear(r.closed)
}

// turnOff takes the table away, which an earlier run of the server may have left. A
// server that has made no table may lack the rights to look for one.
func (r *Reconciler) turnOff() error {
	if r.off {
		return nil
	}
	removed, err := r.kernel.remove()
	switch {
	case err != nil && r.table != nil: // guests are held to it
		return err
	case err != nil:
		r.log.Debug("port security is off", "error", err)
	}
	if removed {
		r.log.Info("port security is off, its table is removed", "table", "bridge "+table.Name)
	}
	r.openBridges()
	if err := r.maskPorts(plan.Plan{}); err != nil {
		r.log.Debug("port security is off", "error", err)
	}
	r.table, r.plan, r.off = nil, plan.Plan{}, true
	return nil
}

// tell logs which guests' ports came and went.
func (r *Reconciler) tell(wanted plan.Plan) {
	before, after := guestPorts(r.plan), guestPorts(wanted)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			r.log.Info("port security enabled for a guest", "guest", after[name], "port", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] == "" {
			r.log.Info("port security enabled for an unknown port", "guest", before[name], "port", name)
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
func (r *Reconciler) Status(network string) api.PortSecurity {
	r.mu.Lock()
	defer r.mu.Unlock()
	var s api.PortSecurity
	s.On = r.secures(network)
	if !s.On {
		return s
	}
	s.Trouble, s.Dropped = r.trouble.String(), api.Drops{}
	for _, port := range r.counted(func(p plan.Port) bool { return p.Network == network }) {
		add(&s, port)
	}
	return s
}

// Trouble returns why port security of a network is not enforced, or "". Unlike
// Status it reads no counters of the kernel's.
func (r *Reconciler) Trouble(network string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.secures(network) {
		return ""
	}
	return r.trouble.String()
}

func (r *Reconciler) secures(network string) bool {
	return slices.ContainsFunc(r.networks, func(n instance.Network) bool { return n.Name == network && n.PortSecurity })
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
func (r *Reconciler) Of(guest uuid.UUID) []api.Port {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counted(func(p plan.Port) bool { return p.UUID == guest })
}

// counted adds the kernel's counters to ports.
func (r *Reconciler) counted(which func(plan.Port) bool) []api.Port {
	var dropped map[string]api.Drops
	if r.table != nil {
		dropped, _ = r.table.Dropped() // without the table nothing is dropped
	}
	var all []api.Port
	for _, port := range r.plan.Ports {
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
