package addressing

import (
	"net/netip"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/rules"
	"mdserver/internal/inventory/storage"
)

func TestMayHave(t *testing.T) {
	addr := netip.MustParseAddr
	r := rules.New(rules.Options{
		Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/28"),
			Excluded: []instance.AddrRange{{First: addr("10.0.0.1"), Last: addr("10.0.0.1")}}}},
		Withheld: []storage.Withheld{
			{UUID: uuid.NewSHA1(uuid.Nil, []byte("lost")), Addrs: []netip.Addr{addr("10.0.0.4"), addr("10.0.0.5")}},
			{Addrs: []netip.Addr{addr("10.0.0.6")}}, // for the guest itself
		},
	})
	network, _ := r.Network("mds")
	claim := Claim{Guest: &instance.Instance{}, Current: addr("10.0.0.5"), Given: []netip.Addr{addr("10.0.0.3")}}
	for a, want := range map[string]bool{
		"10.0.0.2": true,
		"10.0.0.1": false, // reserved
		"10.0.1.2": false, // of another network
		"10.0.0.3": false, // of another interface of the guest
		"10.0.0.4": false, // withheld for another guest
		"10.0.0.5": true,  // so, but the guest has it
		"10.0.0.6": true,
	} {
		if got := (Chooser{Rules: r}).mayHave(network.Pool4, claim, addr(a)); got != want {
			t.Errorf("%s: %v, want %v", a, got, want)
		}
	}
}
