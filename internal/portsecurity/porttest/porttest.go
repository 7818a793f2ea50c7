// Package porttest has guests for tests of port security, and runs such tests in a
// network namespace of their own.
package porttest

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// NFT runs Debian's nft.
func NFT(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("nft", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("nft %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Network has port security.
var Network = instance.Network{
	Name: "mds", Bridge: "br-mds", PortSecurity: true,
	IPv4: netip.MustParsePrefix("10.122.0.0/16"), Gateway4: netip.MustParseAddr("10.122.0.1"),
	IPv6: netip.MustParsePrefix("fd00:122::/64"), Gateway6: netip.MustParseAddr("fd00:122::1"),
}

// MAC is that of the guest with this number.
func MAC(n int) instance.MAC { return instance.MAC{0x52, 0x54, 0, 0, byte(n >> 8), byte(n)} }

// Guest is one of many at a port, with metadata in pairs: web1 has 10.122.1.1 and
// fd00:122::1:1.
func Guest(n int, target string, metadata ...string) *instance.Instance {
	values := map[string]string{}
	for i := 0; i < len(metadata); i += 2 {
		values[metadata[i]] = metadata[i+1]
	}
	high, low := byte(1+n>>8), byte(n)
	return &instance.Instance{
		Name: fmt.Sprintf("web%d", n), UUID: uuid.UUID{14: high, 15: low}, Network: "mds", MAC: MAC(n),
		IPv4:       netip.AddrFrom4([4]byte{10, 122, high, low}),
		IPv6:       netip.AddrFrom16([16]byte{0: 0xfd, 2: 1, 3: 0x22, 13: high, 15: low}),
		Interfaces: []instance.Interface{{MAC: MAC(n), Network: "mds", Target: target}},
		Metadata:   instance.Metadata{Values: values},
		LastUpdate: time.Unix(int64(n), 0),
	}
}

// Guests are as many at ports vnet0 and so on.
func Guests(n int) []*instance.Instance {
	var all []*instance.Instance
	for i := range n {
		all = append(all, Guest(i, fmt.Sprint("vnet", i)))
	}
	return all
}
