package inventory_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storetest"
)

// TestAnyNetwork registers, loses and releases guests in random order on a network that is
// too small and changes. No address is ever of two guests, or in quarantine and a guest's.
// A failure repeats under the seed that the subtest is called by.
func TestAnyNetwork(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, seed))
			memory := storetest.NewMemory()
			l := labOn(t, memory)
			for range 150 {
				if err := anyRequest(l, random); errors.Is(err, inventory.ErrStore) {
					t.Fatal(err)
				}
				checkAddresses(t, l, memory)
			}
		})
	}
}

// anyRequest makes a request, which may be refused.
func anyRequest(l *lab, random *rand.Rand) (err error) {
	n := random.IntN(8)
	switch random.IntN(16) {
	case 10:
		return l.Stopped(background(), uid(n), []string{"shutdown", "migrated", "-", "saved"}[random.IntN(4)])
	case 11:
		_, err = l.ForgetHost(background(), []string{"b", "c"}[random.IntN(2)])
	case 12:
		_, err = l.RenameReserved(background())
	case 13:
		_, err = l.Unplug(background(), uid(n))
	case 14:
		_, err = l.Reprovision(background(), uid(n).String())
	case 15: // an export is imported again
		table := l.Snapshot().Table()
		_, _ = l.Release(background(), uid(n).String())
		_, err = l.Adopt(background(), table, random.IntN(2) == 0)
	case 0, 1, 2, 3:
		_, err = l.Register(background(), anyDomain(n, random))
	case 4, 5:
		_, err = l.Observe(background(), anyDomain(n, random), random.IntN(2) == 0)
	case 6:
		_, err = l.Miss(background(), uid(n), random.IntN(3) == 0)
	case 7:
		_, err = l.Release(background(), uid(n).String())
	case 8:
		l.Clock.Advance(time.Duration(random.IntN(40)) * time.Minute)
		_, err = l.ReleaseGone(background(), uid(n), l.Now().Add(-time.Hour))
	default:
		l.Reconfigure(anyOptions(l.Opts, random))
		_, err = l.Reattach(background())
	}
	return err
}

func anyDomain(n int, random *rand.Rand) instance.Domain {
	d := dom(n, fmt.Sprint("web", random.IntN(6)))
	if random.IntN(3) == 0 {
		d.Interfaces[1].MAC = mac(random.IntN(8))
	}
	if random.IntN(4) == 0 {
		d.Received = true
	}
	d.Source = []string{instance.ByLocal, instance.ByHook, instance.ByLibvirt}[random.IntN(3)]
	if random.IntN(4) == 0 {
		d.Metadata.Values = map[string]string{"ipv4": fmt.Sprint("10.0.0.", 2+random.IntN(5))}
	}
	if random.IntN(3) == 0 {
		d.Interfaces = append(d.Interfaces, instance.Interface{MAC: mac(100 + n), Network: "mds"})
	}
	return d
}

// anyOptions are those of a network with four addresses, on one of several hosts or on the
// only one.
func anyOptions(o inventory.Options, random *rand.Rand) inventory.Options {
	free := 2 + random.IntN(3)
	o.Networks = []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/29"),
		Excluded: []instance.AddrRange{addrs("10.0.0.1", "10.0.0.1"), {First: addr4(free), Last: addr4(free)}}}}
	if random.IntN(2) == 0 {
		o.Networks[0].IPv6 = netip.MustParsePrefix("fd00::/125")
	}
	o.Quarantine = time.Duration(random.IntN(2)) * time.Hour
	o.MaxGuests = 7 * random.IntN(2)
	if host := random.IntN(3); host > 0 { // the same inventory, as another host sees it
		o.HostID = string(rune('a' + host))
		o.HostName, o.Networks[0].PerHost = o.HostID, random.IntN(2) == 0
	}
	return o
}

func addr4(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }

// checkAddresses checks that each address has one owner, and that the store has what is
// served.
func checkAddresses(t *testing.T, l *lab, memory *storetest.Memory) {
	t.Helper()
	owners := map[netip.Addr]string{}
	own := func(addr netip.Addr, owner string) {
		if other, ok := owners[addr]; ok {
			t.Fatalf("%s is %s and %s", addr, other, owner)
		}
		owners[addr] = owner
	}
	table := l.Snapshot().Table()
	for _, guest := range table.Instances {
		for _, addr := range guest.Addrs() {
			own(addr, "of guest "+guest.Name)
		}
	}
	for _, r := range table.Resting {
		own(r.Addr, "in quarantine")
	}
	durable, err := memory.Load(background())
	if diff := storetest.Diff(table, durable); err != nil || diff != "" {
		t.Fatalf("%v (-snapshot +store):\n%s", err, diff)
	}
}
