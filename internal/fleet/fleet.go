// Package fleet knows the hosts that share an inventory in etcd. Each host registers
// itself there, and shows by a lease that it takes part. No clocks are compared.
package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var (
	// ErrTwin: another server uses the ID of this host.
	ErrTwin = errors.New("another server uses the ID of this host")
	// ErrAlive: the host takes part in the inventory.
	ErrAlive = errors.New("the host is alive")
	// ErrUnknown: no host has registered with an ID, or it was forgotten.
	ErrUnknown = errors.New("no such host")
)

const (
	// leaseTime is how long a host counts as alive after its last word.
	leaseTime = 10 * time.Second
	// twinTime is how long another server with this host's ID is taken for an earlier
	// run of this one, whose lease has not ended.
	twinTime = 2*leaseTime + 2*time.Second

	tryAgain    = time.Second
	callTimeout = 5 * time.Second
)

// The keys of a host, below the prefix of the inventory.
const (
	hostsKey   = "hosts/"   // hosts/ID: its record
	aliveKey   = "alive/"   // alive/ID: the server that has the lease; gone with the lease
	drainedKey = "drained/" // drained/ID: there while the host is drained
)

// Host is one of the hosts.
type Host struct {
	ID      string    `json:"-"`
	Name    string    `json:"name"` // for people
	Version string    `json:"version"`
	Since   time.Time `json:"since"` // its server's last start
	Alive   bool      `json:"-"`
	Drained time.Time `json:"-"` // since when; zero: it is in service
	// Networks are those that the host publishes, nil for one of an earlier version.
	Networks Networks `json:"networks,omitempty"`
}

// Options are what a Fleet needs.
type Options struct {
	Client  *clientv3.Client
	Prefix  string // of all keys
	ID      string // of this host
	Name    string
	Version string
	Log     *slog.Logger
}

// Fleet is the list of hosts, and this host's place in it. Make it with New.
type Fleet struct {
	Options
	session string // of this server
	started time.Time

	changed chan struct{} // see Changed
	publish chan struct{} // this host's networks have changed

	mu       sync.Mutex
	networks Networks             // of this host
	hosts    map[string]Host      // by ID
	alive    map[string]string    // server by ID
	drained  map[string]time.Time // since when, by ID
	found    []Conflict           // see Conflicts
	known    bool                 // they were read once
	follows  bool                 // they are up to date
	refused  time.Time            // since when another server has this host's place; zero: none has
}

// New makes a fleet. Run has this host take part in it.
func New(opts Options) *Fleet {
	return &Fleet{Options: opts, session: uuid.NewString(), started: time.Now().UTC().Truncate(time.Second),
		changed: make(chan struct{}, 1), publish: make(chan struct{}, 1), hosts: map[string]Host{}, alive: map[string]string{}, drained: map[string]time.Time{}}
}

// Run has this host take part until ctx ends. Then it counts as away at once.
func (f *Fleet) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.follow(ctx)
		f.mu.Lock()
		f.follows = false
		f.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		f.Log.Debug("the hosts of the inventory cannot be followed", "error", err)
		select {
		case <-time.After(tryAgain):
		case <-ctx.Done():
		}
	}
}

// follow reads the list of hosts, takes this host's place, and follows both until
// something fails.
func (f *Fleet) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	revision, err := f.list(ctx)
	if err != nil {
		return err
	}
	watch := func(kind string) clientv3.WatchChan {
		return f.Client.Watch(ctx, f.Prefix+kind, clientv3.WithPrefix(), clientv3.WithRev(revision+1))
	}
	hosts, alive, drained := watch(hostsKey), watch(aliveKey), watch(drainedKey)
	var lease *lease
	defer func() { lease.end(ctx, f) }()
	again := time.NewTicker(tryAgain)
	defer again.Stop()
	for {
		if lease == nil {
			if lease, err = f.claim(ctx); err != nil {
				return err
			}
		}
		select {
		case resp, ok := <-hosts:
			err = f.receive(resp, ok)
		case resp, ok := <-alive:
			err = f.receive(resp, ok)
		case resp, ok := <-drained:
			err = f.receive(resp, ok)
		case _, ok := <-lease.kept():
			if !ok {
				err = errors.New("the lease has ended")
			}
		case <-f.publish:
			err = f.publishRecord(ctx, lease)
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// list reads all hosts.
func (f *Fleet) list(ctx context.Context) (revision int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := f.Client.Txn(ctx).Then(
		clientv3.OpGet(f.Prefix+hostsKey, clientv3.WithPrefix()),
		clientv3.OpGet(f.Prefix+aliveKey, clientv3.WithPrefix()),
		clientv3.OpGet(f.Prefix+drainedKey, clientv3.WithPrefix()),
	).Commit()
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.hosts)
	clear(f.alive)
	clear(f.drained)
	for _, part := range resp.Responses {
		for _, kv := range part.GetResponseRange().Kvs {
			f.set(string(kv.Key), kv.Value)
		}
	}
	f.known, f.follows = true, true
	f.hostsChanged()
	return resp.Header.Revision, nil
}

func (f *Fleet) receive(resp clientv3.WatchResponse, ok bool) error {
	if !ok {
		return errors.New("the watch has ended")
	}
	if err := resp.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, event := range resp.Events {
		value := event.Kv.Value
		if event.Type == clientv3.EventTypeDelete {
			value = nil
		}
		f.set(string(event.Kv.Key), value)
	}
	f.hostsChanged()
	if held := f.alive[f.ID]; held != "" && held != f.session && f.refused.IsZero() {
		return fmt.Errorf("%w: %s", ErrTwin, held)
	}
	return nil
}

// setHost notes the record of a host; nil: it was removed.
func (f *Fleet) setHost(id string, value []byte) {
	if value == nil {
		delete(f.hosts, id)
		return
	}
	host := Host{ID: id}
	if err := json.Unmarshal(value, &host); err != nil {
		f.Log.Error("the record of a host in etcd cannot be read", "key", f.Prefix+hostsKey+id, "error", err)
		return
	}
	f.hosts[id] = host
}

// set notes the value of a key; nil: it was removed. It needs the lock.
func (f *Fleet) set(key string, value []byte) {
	kind, id, _ := strings.Cut(strings.TrimPrefix(key, f.Prefix), "/")
	switch kind + "/" {
	case hostsKey:
		f.setHost(id, value)
	case aliveKey:
		f.setAlive(id, value)
	case drainedKey:
		f.setDrained(id, value)
	}
}

// Changed receives a value when the hosts may have changed.
func (f *Fleet) Changed() <-chan struct{} { return f.changed }

// hostsChanged compares this host's networks with those of the hosts, and signals Changed.
// f.mu is held.
func (f *Fleet) hostsChanged() {
	f.found = ConflictsOf(Host{ID: f.ID, Name: f.Name, Networks: f.networks}, f.sorted())
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Hosts returns all hosts that have registered and were not forgotten, by name.
func (f *Fleet) Hosts() []Host {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sorted()
}

// sorted is Hosts while f.mu is held.
func (f *Fleet) sorted() []Host {
	list := make([]Host, 0, len(f.hosts))
	for id, host := range f.hosts {
		host.Alive, host.Drained = f.alive[id] != "", f.drained[id]
		list = append(list, host)
	}
	slices.SortFunc(list, func(a, b Host) int { return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID) })
	return list
}

// Alive reports whether a host takes part, or may do so: while etcd does not answer,
// all hosts count as alive.
func (f *Fleet) Alive(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.follows || f.alive[id] != ""
}

// Trouble returns what is wrong with the identities of hosts, or nil.
func (f *Fleet) Trouble() error {
	f.mu.Lock()
	refused := f.refused
	f.mu.Unlock()
	if !refused.IsZero() && time.Since(refused) > twinTime {
		return fmt.Errorf("%w, %s; if this host is a copy of another one, stop mdserver and move mdserver.database away", ErrTwin, f.ID)
	}
	for _, host := range f.Hosts() {
		if host.Name == f.Name && host.ID != f.ID && host.Alive {
			return fmt.Errorf("another host, with the ID %s, has the name %q, too; give one of them another one by store.host", host.ID, host.Name)
		}
	}
	return nil
}
