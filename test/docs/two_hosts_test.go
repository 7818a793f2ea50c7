package docs

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/networks"
)

// The two hosts of the guide give all addresses of the network to guests, and none of
// them both.
func TestTwoHostsWithoutEtcd(t *testing.T) {
	blocks := slices.DeleteFunc(pages(t)["docs/howto/fleet.md"].Blocks("ini"), func(b Block) bool { return b.Section != "Two hosts without etcd" })
	if len(blocks) != 2 {
		t.Fatalf("%d configurations, want two", len(blocks))
	}
	given := map[netip.Addr]int{}
	var hosts []*inventory.Inventory
	for i, block := range blocks {
		inv := serve(t, block.Text)
		hosts = append(hosts, inv)
		for n := 0; ; n++ {
			reg, err := inv.Register(t.Context(), guestOf(n))
			if err != nil {
				t.Fatal(err)
			}
			if reg.AddressProblem != nil {
				break
			}
			if other, taken := given[reg.Instance.IPv4]; taken {
				t.Errorf("%v is given by the hosts %d and %d", reg.Instance.IPv4, other, i)
			}
			given[reg.Instance.IPv4] = i
		}
	}
	if len(given) != 253 { // all but those of the network, the gateway and broadcasts
		t.Errorf("%d addresses are given, want 253", len(given))
	}
	first, second := hosts[0].Snapshot(), hosts[1].Snapshot()
	one, _ := first.ByName("guest0")
	two, _ := second.ByName("guest0")
	if one.ID != two.ID || one.IPv4 == two.IPv4 {
		t.Errorf("a guest that moves has %s, %v and then %s, %v", one.ID, one.IPv4, two.ID, two.IPv4)
	}
	fixed := guestOf(1000)
	fixed.Metadata.Values = map[string]string{"ipv4": one.IPv4.String()}
	if _, err := hosts[1].Register(t.Context(), fixed); !errors.Is(err, denied.ErrAddressOutside) {
		t.Errorf("an address of the other half: %v", err)
	}
}

// serve opens an inventory with the networks of a configuration.
func serve(t *testing.T, text string) *inventory.Inventory {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Open(t.Context(), storetest.NewMemory(), inventory.Options{Networks: networks.Configured(cfg)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inv.Close() })
	return inv
}

func guestOf(n int) instance.Domain {
	return instance.Domain{Name: fmt.Sprint("guest", n), UUID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)),
		Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, 0, byte(n >> 8), byte(n)}, Network: "lan"}}}
}
