package inventory

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/hosting"
	"mdserver/internal/inventory/pool"
	"mdserver/internal/inventory/storage"
)

// Options are the rules of the inventory. All of them can change while it
// runs, see Reconfigure.
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
	// away. Reconfigure does not change it.
	Log *slog.Logger
	// Now is the clock. By default it is that of Open's options, and there one
	// that steps of the wall clock do not change.
	Now func() time.Time
}

const defaultFallbackHostname = "vm"

// rules are Options made ready for use.
type rules struct {
	Options
	pools    []pools // of Networks, in their order
	withheld withheld
	host     hosting.Host
	id       string // of the shared store on this host; the owner of its spare addresses
	// mostWakes is how many addresses end their quarantine in one change. Zero: all.
	mostWakes int
}

// pools are the addresses of one network.
type pools struct {
	instance.Network
	ipv4, ipv6 pool.Pool
}

// network finds the pools of a network by its name.
func (r *rules) network(name string) (pools, bool) {
	i := slices.IndexFunc(r.pools, func(p pools) bool { return p.Name == name })
	if i < 0 {
		return pools{}, false
	}
	return r.pools[i], true
}

// primary is the name of the first network.
func (r *rules) primary() string {
	if len(r.Networks) == 0 {
		return ""
	}
	return r.Networks[0].Name
}

func newRules(opts Options) *rules {
	if opts.FallbackHostname == "" {
		opts.FallbackHostname = defaultFallbackHostname
	}
	r := &rules{Options: opts, withheld: newWithheld(opts.Withheld), host: hosting.Host{ID: opts.HostID, Name: opts.HostName, Alive: opts.Alive}}
	for _, n := range opts.Networks {
		n.PerHost = n.PerHost && opts.HostID != ""
		r.pools = append(r.pools, pools{Network: n, ipv4: pool.New(n.IPv4, n), ipv6: pool.New(n.IPv6, n)})
	}
	return r
}

// now is the current time as a store can keep it: in UTC, without the
// monotonic clock's reading.
func (r *rules) now() time.Time { return r.Now().Round(0).UTC() }
