package caller

import (
	"net/netip"
	"testing"

	"mdserver/internal/instance"
)

// Rights are those of this host itself: not of a guest, whatever address it has, and not of
// whoever has an address of this host.
func TestIsLocal(t *testing.T) {
	guest, loopback := &instance.Instance{Name: "web1"}, netip.MustParseAddr("127.0.0.1")
	for name, tt := range map[string]struct {
		caller Caller
		want   bool
	}{
		"this host":                 {Caller{Addr: loopback, Local: true}, true},
		"nobody":                    {Caller{}, false},
		"a loopback address":        {Caller{Addr: loopback}, false},
		"a guest":                   {Caller{Guest: guest}, false},
		"this host for a guest":     {Caller{Guest: guest, Local: true}, false},
		"this host, by its address": {Caller{Addr: netip.MustParseAddr("10.122.0.1"), Local: true}, true},
	} {
		if got := tt.caller.IsLocal(); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
