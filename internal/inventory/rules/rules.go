// Package rules is what the configuration says of guests, made ready for use.
package rules

import (
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/hosting"
	"mdserver/internal/inventory/pool"
	"mdserver/internal/inventory/storage"
)

// Options are the rules of an inventory, as its owner gives them. All of them but Log
// can change while it runs.
type Options struct {
	// Networks are those that are served, in the order of precedence: the
	// first that a guest is on is its primary one. No two of them overlap. A
	// family without a prefix gets no addresses.
	Networks []instance.Network
	// Location is written into every record, see [service] location.
	Location string
	// HostID identifies this host among those that share the inventory. It is empty if
	// there are no others: then all guests are this host's. See package hosting.
	HostID string
	// HostName is this host's name for people.
	HostName string
	// Alive, if it is set, reports whether another host takes part in the inventory
	// now, or may do so.
	Alive func(hostID string) bool
	// Drained, if it is set, reports whether this host is out of service: then it has no
	// spare addresses.
	Drained func() bool
	// FallbackHostname begins the host name of a guest whose name holds no
	// letter or digit that a host name can have. Default: "vm".
	FallbackHostname string
	// Quarantine is how long a released address is in quarantine before another
	// guest may get it. Zero: not at all.
	Quarantine time.Duration
	// MaxGuests is how many guests there may be in all. Zero: any number.
	MaxGuests int
	// OwnNames are names of this host, in lower case. No guest has one.
	OwnNames []string
	// Hosts, if it is set, gives the addresses of a name, in lower case, that
	// this host's hosts file has. A guest gets such a name only with one of
	// these addresses.
	Hosts func(name string) []netip.Addr
	// Withheld are guests whose records were set aside.
	Withheld []storage.Withheld
	// Log gets what becomes of guests that were registered while a shared store was
	// away.
	Log *slog.Logger
	// Now is the clock. By default it is that of the options that opened the inventory,
	// and there one that steps of the wall clock do not change.
	Now func() time.Time
}

const defaultFallbackHostname = "vm"

// Rules are Options made ready for use.
type Rules struct {
	Options
	Pools []Pools // of Networks, in their order
	Host  hosting.Host
	ID    string // of the shared store on this host; the owner of its spare addresses
	// MostWakes is how many addresses end their quarantine in one change. Zero: all.
	MostWakes int
	withheld  withheld
}

// Pools are the addresses of one network.
type Pools struct {
	instance.Network
	Pool4, Pool6 pool.Pool
}

// Network finds the pools of a network by its name.
func (r *Rules) Network(name string) (Pools, bool) {
	i := slices.IndexFunc(r.Pools, func(p Pools) bool { return p.Name == name })
	if i < 0 {
		return Pools{}, false
	}
	return r.Pools[i], true
}

// Of gives the pool of the family that an address belongs to.
func (p Pools) Of(addr netip.Addr) pool.Pool {
	if addr.Is4() {
		return p.Pool4
	}
	return p.Pool6
}

// Primary is the name of the first network.
func (r *Rules) Primary() string {
	if len(r.Networks) == 0 {
		return ""
	}
	return r.Networks[0].Name
}

// New makes the rules of options.
func New(opts Options) *Rules {
	if opts.FallbackHostname == "" {
		opts.FallbackHostname = defaultFallbackHostname
	}
	r := &Rules{Options: opts, withheld: newWithheld(opts.Withheld), Host: hosting.Host{ID: opts.HostID, Name: opts.HostName, Alive: opts.Alive}}
	for _, n := range opts.Networks {
		n.PerHost = n.PerHost && opts.HostID != ""
		r.Pools = append(r.Pools, Pools{Network: n, Pool4: pool.New(n.IPv4, n), Pool6: pool.New(n.IPv6, n)})
	}
	return r
}

// Time is the current time as a store can keep it: in UTC, without the
// monotonic clock's reading.
func (r *Rules) Time() time.Time { return r.Now().Round(0).UTC() }

// Names are the networks, as a refusal lists them.
func (r *Rules) Names() string {
	names := make([]string, 0, len(r.Networks))
	for _, n := range r.Networks {
		names = append(names, strconv.Quote(n.Name))
	}
	return strings.Join(names, " or ")
}

// WithinRange are places without the addresses that are not in the range of this host.
func (r *Rules) WithinRange(places []instance.Attachment) []instance.Attachment {
	for i := range places {
		network, _ := r.Network(places[i].Network)
		if network.Pool4.LeavesOut(places[i].IPv4, places[i].MAC) {
			places[i].IPv4 = netip.Addr{}
		}
		if network.Pool6.LeavesOut(places[i].IPv6, places[i].MAC) {
			places[i].IPv6 = netip.Addr{}
		}
	}
	return places
}
