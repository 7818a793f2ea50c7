// Package bridges finds the bridges behind libvirt's networks. The definition of
// a domain names the network of an interface, and the bridge only while the
// domain runs: not when libvirt's hook is called, nor when the domain is off.
package bridges

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"mdserver/internal/instance"
	"mdserver/internal/libvirt/connection"
)

const (
	// askTime bounds what libvirt is asked for one domain: the start of a guest
	// waits for it.
	askTime = 500 * time.Millisecond
	// fresh is how long an answer is believed without asking again.
	fresh = 5 * time.Second
	// pause is how long libvirt is not asked after it did not answer.
	pause = 10 * time.Second
	// most bounds what is remembered.
	most = 1024
)

// Resolver finds the bridges of networks, and remembers them for when libvirt
// does not answer. Make one with New. All methods may be called from any
// goroutine.
type Resolver struct {
	lookup func(context.Context, string) (string, error)
	served func(network string) bool
	log    *slog.Logger

	mu     sync.Mutex // held while libvirt is asked
	known  map[string]answer
	paused time.Time // when libvirt failed to answer

	conn *connection.Conn
}

// answer is what libvirt said of a network; the bridge is empty if it has none.
type answer struct {
	bridge string
	at     time.Time
}

// New makes a Resolver that asks the libvirt behind an endpoint. Networks that
// are served by their own name need no bridge and are not asked for.
func New(e connection.Endpoint, served func(network string) bool, log *slog.Logger) *Resolver {
	r := &Resolver{served: served, log: log, known: map[string]answer{}}
	r.lookup = func(ctx context.Context, name string) (string, error) { return r.ask(ctx, e, name) }
	return r
}

// Complete fills in the bridges that a domain's definition does not name. If
// libvirt does not answer and the bridge is not known from before, the domain is
// marked Incomplete. It takes half a second at most.
func (r *Resolver) Complete(ctx context.Context, dom instance.Domain) instance.Domain {
	if r == nil {
		return dom
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	nics := make([]instance.Interface, len(dom.Interfaces))
	for i, nic := range dom.Interfaces {
		if nic.Network != "" && nic.Bridge == "" && !r.served(nic.Network) {
			bridge, known := r.bridge(ctx, nic.Network)
			nic.Bridge = bridge
			dom.Incomplete = dom.Incomplete || !known
		}
		nics[i] = nic
	}
	dom.Interfaces = nics
	return dom
}

// Close ends the connection to libvirt.
func (r *Resolver) Close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.disconnect()
}

// bridge finds the bridge of a network, and tells whether the answer is known.
func (r *Resolver) bridge(ctx context.Context, network string) (bridge string, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known := r.known[network]
	if known && time.Since(before.at) < fresh || time.Since(r.paused) < pause {
		return before.bridge, known
	}
	bridge, err := r.lookup(ctx, network)
	if err != nil {
		r.paused = time.Now()
		r.log.Warn("the bridge of a libvirt network is not known", "network", network, "error", err)
		return before.bridge, known
	}
	if len(r.known) >= most {
		clear(r.known)
	}
	r.known[network] = answer{bridge, time.Now()}
	return bridge, true
}

// ask asks libvirt. A network that it does not have, or that leads to something
// else than a bridge, has none.
func (r *Resolver) ask(ctx context.Context, e connection.Endpoint, name string) (bridge string, err error) {
	if err := r.connect(ctx, e); err != nil {
		return "", err
	}
	err = r.conn.Do(ctx, func(l *golibvirt.Libvirt) error {
		network, err := l.NetworkLookupByName(name)
		if err == nil {
			bridge, err = l.NetworkGetBridgeName(network)
		}
		return err
	})
	switch {
	case err == nil:
		return bridge, nil
	case isNone(err):
		return "", nil
	}
	r.disconnect()
	return "", err
}

// connect dials, unless the connection of before still stands.
func (r *Resolver) connect(ctx context.Context, e connection.Endpoint) error {
	if r.conn != nil {
		select {
		case <-r.conn.Done():
			r.disconnect()
		default:
			return nil
		}
	}
	conn, err := connection.DialReader(ctx, e, connection.Network)
	r.conn = conn
	return err
}

func (r *Resolver) disconnect() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

// isNone reports whether libvirt says that there is no such network, or that it
// leads to no bridge.
func isNone(err error) bool {
	refusal, answered := errors.AsType[golibvirt.Error](err)
	return answered && (refusal.Code == uint32(golibvirt.ErrNoNetwork) || refusal.Code == uint32(golibvirt.ErrInternalError))
}
