package doctor

import (
	"net/netip"
	"testing"

	"mdserver/internal/config"
)

func TestSize(t *testing.T) {
	addr := netip.MustParseAddr
	tests := []struct {
		prefix   string
		reserved []config.Range
		want     int
	}{
		{"10.122.0.0/29", nil, 5},
		{"10.122.0.0/29", []config.Range{{First: addr("10.122.0.2"), Last: addr("10.122.0.4")}}, 2},
		{"10.122.0.0/16", nil, 65533},
	}
	for _, tt := range tests {
		n := Network{IPv4: netip.MustParsePrefix(tt.prefix), Gateway: addr("10.122.0.1"), Reserved: tt.reserved}
		if got := size(n); got != tt.want {
			t.Errorf("%s without %v has %d addresses, want %d", tt.prefix, tt.reserved, got, tt.want)
		}
	}
}

func TestRoom(t *testing.T) {
	n := Network{IPv4: netip.MustParsePrefix("10.122.0.0/24"), Gateway: netip.MustParseAddr("10.122.0.1")}
	for used, want := range map[int]State{0: OK, 200: OK, 240: Warning, 253: Wrong} {
		if got := room(n, used).State; got != want {
			t.Errorf("%d addresses in use are %s, want %s", used, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{"web1": "web1", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'"} {
		if got := quote(word); got != want {
			t.Errorf("%q is written %s, want %s", word, got, want)
		}
	}
}

// A wildcard socket is in everybody's way, one on another interface in nobody's.
func TestTakes(t *testing.T) {
	port := netip.MustParseAddrPort
	gateway := port("10.122.0.1:53")
	tests := []struct {
		l    listener
		link int
		want bool
	}{
		{listener{"udp", port("0.0.0.0:53"), 0, 1}, 3, true},
		{listener{"udp", port("[::]:53"), 0, 1}, 3, true},
		{listener{"udp", port("0.0.0.0:53"), 4, 1}, 3, false},
		{listener{"udp", port("127.0.0.53:53"), 0, 1}, 3, false},
		{listener{"tcp", port("0.0.0.0:53"), 0, 1}, 3, false},
		{listener{"udp", port("10.122.0.1:53"), 0, 1}, 3, true},
		{listener{"udp", port("10.122.0.1:67"), 0, 1}, 3, false},
	}
	for _, tt := range tests {
		if got := tt.l.takes("udp", gateway, tt.link); got != tt.want {
			t.Errorf("%v on interface %d: %v, want %v", tt.l, tt.l.link, got, tt.want)
		}
	}
}
