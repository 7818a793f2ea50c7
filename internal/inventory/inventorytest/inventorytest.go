// Package inventorytest is an inventory in memory for tests, with a clock that they set.
package inventorytest

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
)

// Day is how long addresses rest in a Lab.
const Day = 24 * time.Hour

// Clock is a time that tests set.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock makes a clock that stands at a time.
func NewClock(at time.Time) *Clock { return &Clock{at: at} }

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance lets time pass.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// Lab is an inventory on a /28 with a clock of its own.
type Lab struct {
	*inventory.Inventory
	T     *testing.T
	Clock *Clock
	Opts  inventory.Options // those it was opened with
}

// New opens an inventory whose options are changed by each of the functions. It is closed
// at the end of the test.
func New(t *testing.T, change ...func(*inventory.Options)) *Lab {
	t.Helper()
	return On(t, storetest.NewMemory(), change...)
}

// On is New with a store.
func On(t *testing.T, store storage.Store, change ...func(*inventory.Options)) *Lab {
	t.Helper()
	c := NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	opts := inventory.Options{
		Networks: []instance.Network{{
			Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/28"),
			Excluded: []instance.AddrRange{Addrs("10.0.0.1", "10.0.0.1"), Addrs("10.0.0.5", "10.0.0.7")},
		}},
		Location: "here", Quarantine: Day, Now: c.Now,
	}
	for _, f := range change {
		f(&opts)
	}
	inv, err := inventory.Open(t.Context(), store, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inv.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Lab{inv, t, c, opts}
}

// Addrs is a range of addresses.
func Addrs(first, last string) instance.AddrRange {
	return instance.AddrRange{First: netip.MustParseAddr(first), Last: netip.MustParseAddr(last)}
}

// WithIPv6 gives the network addresses of IPv6 as well.
func WithIPv6(o *inventory.Options) { o.Networks[0].IPv6 = netip.MustParsePrefix("fd00::/64") }

// UID is the UUID of domain n.
func UID(n int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)) }

// MAC is the MAC address of domain n.
func MAC(n int) instance.MAC {
	return instance.MAC{0x52, 0x54, 0, byte(n >> 16), byte(n >> 8), byte(n)}
}

// Domain is a domain whose UUID and MAC address follow from n; meta is pairs of
// metadata keys and values.
func Domain(n int, name string, meta ...string) instance.Domain {
	d := instance.Domain{Name: name, UUID: UID(n), Hardware: instance.Hardware{VCPUs: 1, Memory: 1 << 30},
		Interfaces: []instance.Interface{{MAC: MAC(1<<20 + n)}, {MAC: MAC(n), Network: "mds"}}}
	for i := 0; i < len(meta); i += 2 {
		if d.Metadata.Values == nil {
			d.Metadata.Values = map[string]string{}
		}
		d.Metadata.Values[meta[i]] = meta[i+1]
	}
	return d
}

// MustRegister registers a domain.
func (l *Lab) MustRegister(d instance.Domain) inventory.Registration {
	l.T.Helper()
	r, err := l.Register(l.T.Context(), d)
	if err != nil {
		l.T.Fatalf("register %q: %v", d.Name, err)
	}
	return r
}

// MustRelease releases a guest.
func (l *Lab) MustRelease(ref string) instance.Instance {
	l.T.Helper()
	guest, err := l.Release(l.T.Context(), ref)
	if err != nil {
		l.T.Fatalf("release %q: %v", ref, err)
	}
	return guest
}

// Refused registers d, and expects an error of this kind with these texts, and
// that nothing changes.
func (l *Lab) Refused(d instance.Domain, kind error, texts ...string) {
	l.T.Helper()
	before := l.Snapshot()
	_, err := l.Register(l.T.Context(), d)
	if !errors.Is(err, kind) {
		l.T.Fatalf("register %q: %v, want %v", d.Name, err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			l.T.Errorf("error %q lacks %q", err, text)
		}
	}
	if l.Snapshot() != before {
		l.T.Error("a refused request changed the inventory")
	}
}

// RestingIDs are the addresses in quarantine, with the instance-ids of their guests.
func (l *Lab) RestingIDs() map[string]string {
	resting := map[string]string{}
	for _, r := range l.Snapshot().Resting() {
		resting[r.Addr.String()] = r.InstanceID
	}
	return resting
}

// Present gives the state of guest n, "" if it is not known, "unseen" if
// libvirt never had it.
func (l *Lab) Present(n int) instance.PresenceState {
	guest, ok := l.Snapshot().ByUUID(UID(n))
	switch {
	case !ok:
		return ""
	case guest.Presence.State == "":
		return "unseen"
	}
	return guest.Presence.State
}

// MustObserve registers a domain that libvirt has.
func (l *Lab) MustObserve(d instance.Domain, running bool) {
	l.T.Helper()
	if _, err := l.Observe(l.T.Context(), d, running); err != nil {
		l.T.Fatal(err)
	}
}

// MustMiss notes that libvirt no longer has guest n.
func (l *Lab) MustMiss(n int, away bool) {
	l.T.Helper()
	if _, err := l.Miss(l.T.Context(), UID(n), away); err != nil {
		l.T.Fatal(err)
	}
}
