package inventory_test

import (
	"context"
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

const day = 24 * time.Hour

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// lab is an inventory on a /28 with a clock of its own.
type lab struct {
	*inventory.Inventory
	t     *testing.T
	clock *clock
	opts  inventory.Options
}

func newLab(t *testing.T, change ...func(*inventory.Options)) *lab {
	t.Helper()
	return labOn(t, storetest.NewMemory(), change...)
}

func labOn(t *testing.T, store storage.Store, change ...func(*inventory.Options)) *lab {
	t.Helper()
	c := &clock{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	opts := inventory.Options{
		Networks: []instance.Network{{
			Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/28"),
			Excluded: []instance.AddrRange{addrs("10.0.0.1", "10.0.0.1"), addrs("10.0.0.5", "10.0.0.7")},
		}},
		Location: "here", Quarantine: day, Now: c.now,
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
	return &lab{inv, t, c, opts}
}

func addrs(first, last string) instance.AddrRange {
	return instance.AddrRange{First: netip.MustParseAddr(first), Last: netip.MustParseAddr(last)}
}

func withIPv6(o *inventory.Options) { o.Networks[0].IPv6 = netip.MustParsePrefix("fd00::/64") }

func uid(n int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)) }

func mac(n int) instance.MAC {
	return instance.MAC{0x52, 0x54, 0, byte(n >> 16), byte(n >> 8), byte(n)}
}

// dom is a domain whose UUID and MAC address follow from n; meta is pairs of
// metadata keys and values.
func dom(n int, name string, meta ...string) instance.Domain {
	d := instance.Domain{Name: name, UUID: uid(n), Hardware: instance.Hardware{VCPUs: 1, Memory: 1 << 30},
		Interfaces: []instance.Interface{{MAC: mac(1<<20 + n)}, {MAC: mac(n), Network: "mds"}}}
	for i := 0; i < len(meta); i += 2 {
		if d.Metadata.Values == nil {
			d.Metadata.Values = map[string]string{}
		}
		d.Metadata.Values[meta[i]] = meta[i+1]
	}
	return d
}

func (l *lab) register(d instance.Domain) inventory.Registration {
	l.t.Helper()
	r, err := l.Register(l.t.Context(), d)
	if err != nil {
		l.t.Fatalf("register %q: %v", d.Name, err)
	}
	return r
}

func (l *lab) release(ref string) instance.Instance {
	l.t.Helper()
	guest, err := l.Release(l.t.Context(), ref)
	if err != nil {
		l.t.Fatalf("release %q: %v", ref, err)
	}
	return guest
}

// refused registers d, and expects an error of this kind with these texts, and
// that nothing changes.
func (l *lab) refused(d instance.Domain, kind error, texts ...string) {
	l.t.Helper()
	before := l.Snapshot()
	_, err := l.Register(l.t.Context(), d)
	if !errors.Is(err, kind) {
		l.t.Fatalf("register %q: %v, want %v", d.Name, err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			l.t.Errorf("error %q lacks %q", err, text)
		}
	}
	if l.Snapshot() != before {
		l.t.Error("a refused request changed the inventory")
	}
}

func (l *lab) resting() map[string]string {
	resting := map[string]string{}
	for _, r := range l.Snapshot().Resting() {
		resting[r.Addr.String()] = r.InstanceID
	}
	return resting
}

func background() context.Context { return context.Background() }
