package dnsmasq

import "testing"

func TestCapabilities(t *testing.T) {
	status := []byte("Name:\tmdserver\nCapInh:\t0000000000000001\nCapPrm:\t0000000000003400\nCapEff:\tno number\nCapAmb:\t00000000000000ff\n")
	for set, want := range map[string]uint64{"CapPrm:": 0x3400, "CapAmb:": 0xff, "CapInh:": 1, "CapEff:": 0, "CapBnd:": 0} {
		if got := capabilities(status, set); got != want {
			t.Errorf("%s %x, want %x", set, got, want)
		}
	}
}
