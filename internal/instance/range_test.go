package instance

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestGuestRanges(t *testing.T) {
	for _, tt := range []struct{ prefix, excluded, want string }{
		{"10.0.0.0/29", "", "[10.0.0.1-10.0.0.6]"},
		{"10.0.0.5/29", "10.0.0.1-10.0.0.1", "[10.0.0.2-10.0.0.6]"},
		{"10.0.0.0/29", "10.0.0.5-10.0.0.5 10.0.0.2-10.0.0.3", "[10.0.0.1 10.0.0.4 10.0.0.6]"},
		{"10.0.0.0/29", "10.0.0.4-10.0.0.9 10.0.0.1-10.0.0.4", "[]"},
		{"10.0.0.0/29", "9.0.0.0-9.255.255.255 10.0.1.0-10.0.1.1 fd00::1-fd00::2", "[10.0.0.1-10.0.0.6]"},
		{"10.0.0.0/31", "", "[10.0.0.0-10.0.0.1]"},
		{"10.0.0.7/32", "", "[10.0.0.7]"},
		{"255.255.255.252/30", "255.255.255.254-255.255.255.255", "[255.255.255.253]"},
		{"fd00::/126", "", "[fd00::1-fd00::3]"},
		{"fd00::/126", "fd00::-fd00::3", "[]"},
		{"fd00::/127", "fd00::-fd00::", "[fd00::1]"},
		{"fd00::/64", "", "[fd00::1-fd00::ffff:ffff:ffff:ffff]"},
		{"fd00:0:0:5::/48", "", "[fd00::1-fd00::ffff:ffff:ffff:ffff]"},
		{"fd00::/63", "fd00::2-fd00:0:0:1::", "[fd00::1]"},
		{"fd00::/63", "fd00:0:0:1::-fd00:0:0:1::9", "[fd00::1-fd00::ffff:ffff:ffff:ffff]"},
	} {
		var excluded []AddrRange
		for word := range strings.FieldsSeq(tt.excluded) {
			first, last, _ := strings.Cut(word, "-")
			excluded = append(excluded, AddrRange{netip.MustParseAddr(first), netip.MustParseAddr(last)})
		}
		if got := fmt.Sprint(GuestRanges(netip.MustParsePrefix(tt.prefix), excluded)); got != tt.want {
			t.Errorf("%s without %s: %s, want %s", tt.prefix, tt.excluded, got, tt.want)
		}
	}
}
