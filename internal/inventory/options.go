package inventory

import (
	"time"

	"mdserver/internal/instance"
)

// Options are the rules of the inventory. All of them can change while it
// runs, see Reconfigure.
type Options struct {
	// Network is the metadata network: its name picks a guest's interface,
	// its prefixes are the addresses to give, without the excluded ranges. A
	// family without a prefix gets no addresses.
	Network instance.Network
	// Location is written into every record, see [service] location.
	Location string
	// FallbackHostname begins the host name of a guest whose name holds no
	// letter or digit that a host name can have. Default: "vm".
	FallbackHostname string
	// Quarantine is how long a released address rests before another guest
	// may get it. Zero: not at all.
	Quarantine time.Duration
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

const defaultFallbackHostname = "vm"

// rules are Options made ready for use.
type rules struct {
	Options
	ipv4, ipv6 pool
}

func newRules(opts Options) *rules {
	if opts.FallbackHostname == "" {
		opts.FallbackHostname = defaultFallbackHostname
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &rules{
		Options: opts,
		ipv4:    newPool(opts.Network.IPv4, opts.Network.Excluded),
		ipv6:    newPool(opts.Network.IPv6, opts.Network.Excluded),
	}
}

// now is the current time as a store can keep it: in UTC, without the
// monotonic clock's reading.
func (r *rules) now() time.Time { return r.Now().Round(0).UTC() }
