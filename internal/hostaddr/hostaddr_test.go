package hostaddr_test

import (
	"net/netip"
	"testing"

	"mdserver/internal/hostaddr"
)

func TestHas(t *testing.T) {
	for text, want := range map[string]bool{"127.0.0.1": true, "192.0.2.1": false, "2001:db8::1": false} {
		if got := hostaddr.Has(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v, want %v; this host has %v", text, got, want, hostaddr.All())
		}
	}
}
