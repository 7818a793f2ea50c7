package process

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCapabilities(t *testing.T) {
	status := []byte("Name:\tmdserver\nCapInh:\t0000000000000001\nCapPrm:\t0000000000003400\nCapEff:\tno number\nCapAmb:\t00000000000000ff\n")
	for set, want := range map[string]uint64{"CapPrm:": 0x3400, "CapAmb:": 0xff, "CapInh:": 1, "CapEff:": 0, "CapBnd:": 0} {
		if got := capabilities(status, set); got != want {
			t.Errorf("%s %x, want %x", set, got, want)
		}
	}
}

func TestNeededCapabilities(t *testing.T) {
	for held, want := range map[uint64][]uintptr{
		0: nil, ^uint64(0): {unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE},
		0x3400: {unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE}, 0x1000: {unix.CAP_NET_ADMIN}, 0x03ff: nil,
	} {
		if got := needed(held); !slices.Equal(got, want) {
			t.Errorf("%x: %v, want %v", held, got, want)
		}
	}
}
