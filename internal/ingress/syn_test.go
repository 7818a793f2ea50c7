package ingress

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"mdserver/internal/instance"
)

var (
	hostMAC  = instance.MAC{0x52, 0x54, 0, 0, 0, 0xfe}
	guestMAC = instance.MAC{0x52, 0x54, 0, 0, 0, 1}
	remote4  = netip.MustParseAddrPort("10.122.0.5:4711")
	local4   = netip.MustParseAddrPort("169.254.169.254:80")
	remote6  = netip.MustParseAddrPort("[fe80::5%3]:4711")
	local6   = netip.MustParseAddrPort("[fe80::a9fe:a9fe%3]:80")
)

func ethernet(kind uint16) []byte {
	return binary.BigEndian.AppendUint16(slices.Concat(hostMAC[:], guestMAC[:]), kind)
}

func ipv4(from, to netip.AddrPort, options int) []byte {
	b := make([]byte, 20+options)
	b[0], b[9] = byte(0x40|len(b)/4), protocolTCP
	copy(b[12:], from.Addr().AsSlice())
	copy(b[16:], to.Addr().AsSlice())
	return b
}

func ipv6(from, to netip.AddrPort, next byte, extension ...byte) []byte {
	b := make([]byte, 40)
	b[0], b[6] = 0x60, next
	copy(b[8:], from.Addr().AsSlice())
	copy(b[24:], to.Addr().AsSlice())
	return append(b, extension...)
}

func tcp(from, to netip.AddrPort, flags byte, options int) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from.Port()), to.Port())
	b = append(b, make([]byte, 16+options)...)
	b[12], b[13] = byte(len(b)/4)<<4, flags
	return b
}

func TestParseSYN(t *testing.T) {
	const syn = 0x02
	tests := []struct {
		name          string
		packet        []byte
		remote, local netip.AddrPort
		mac           instance.MAC
		ethernet, ok  bool
	}{
		{"IPv4", slices.Concat(ethernet(0x800), ipv4(remote4, local4, 0), tcp(remote4, local4, syn, 20)), remote4, local4, guestMAC, true, true},
		{"IPv4 with options", slices.Concat(ethernet(0x800), ipv4(remote4, local4, 8), tcp(remote4, local4, syn, 0)), remote4, local4, guestMAC, true, true},
		{"with explicit congestion notification", slices.Concat(ethernet(0x800), ipv4(remote4, local4, 0), tcp(remote4, local4, syn|0xc0, 0)), remote4, local4, guestMAC, true, true},
		{"IPv6", slices.Concat(ethernet(0x86dd), ipv6(remote6, local6, protocolTCP), tcp(remote6, local6, syn, 20)), remote6, local6, guestMAC, true, true},
		{"IPv6 with an extension header", slices.Concat(ethernet(0x86dd), ipv6(remote6, local6, 60, protocolTCP, 0, 1, 4, 0, 0, 0, 0), tcp(remote6, local6, syn, 0)), remote6, local6, guestMAC, true, true},
		{"IPv6 with a fragment header", slices.Concat(ethernet(0x86dd), ipv6(remote6, local6, 44, protocolTCP, 9, 0, 0, 0, 0, 0, 1), tcp(remote6, local6, syn, 0)), remote6, local6, guestMAC, true, true},
		{"a tunnel", slices.Concat(ipv4(remote4, local4, 0), tcp(remote4, local4, syn, 0)), remote4, local4, instance.MAC{}, false, true},
		{"a tunnel by IPv6", slices.Concat(ipv6(remote6, local6, protocolTCP), tcp(remote6, local6, syn, 0)), remote6, local6, instance.MAC{}, false, true},

		{"nothing", nil, remote4, local4, instance.MAC{}, false, false},
		{"an Ethernet header alone", ethernet(0x800), remote4, local4, instance.MAC{}, false, false},
		{"another type of Ethernet", slices.Concat(ethernet(0x86dd), ipv4(remote4, local4, 0), tcp(remote4, local4, syn, 0)), remote4, local4, instance.MAC{}, false, false},
		{"another sender's", slices.Concat(ethernet(0x800), ipv4(local4, local4, 0), tcp(remote4, local4, syn, 0)), remote4, local4, instance.MAC{}, false, false},
		{"for another receiver", slices.Concat(ethernet(0x800), ipv4(remote4, remote4, 0), tcp(remote4, local4, syn, 0)), remote4, local4, instance.MAC{}, false, false},
		{"from another port", slices.Concat(ethernet(0x800), ipv4(remote4, local4, 0), tcp(local4, local4, syn, 0)), remote4, local4, instance.MAC{}, false, false},
		{"no SYN", slices.Concat(ethernet(0x800), ipv4(remote4, local4, 0), tcp(remote4, local4, 0x10, 0)), remote4, local4, instance.MAC{}, false, false},
		{"the answer to a SYN", slices.Concat(ethernet(0x800), ipv4(remote4, local4, 0), tcp(remote4, local4, syn|0x10, 0)), remote4, local4, instance.MAC{}, false, false},
		{"something behind it", slices.Concat(ethernet(0x800), ipv4(remote4, local4, 0), tcp(remote4, local4, syn, 0), []byte{0}), remote4, local4, instance.MAC{}, false, false},
		{"a tag of a VLAN", slices.Concat(ethernet(0x8100), []byte{0, 1, 8, 0}, ipv4(remote4, local4, 0), tcp(remote4, local4, syn, 0)), remote4, local4, instance.MAC{}, false, false},
		{"an extension header without end", slices.Concat(ethernet(0x86dd), ipv6(remote6, local6, 60, protocolTCP, 255, 1, 4, 0, 0, 0, 0)), remote6, local6, instance.MAC{}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header, err := parseSYN(tt.packet, tt.remote, tt.local)
			if (err == nil) != tt.ok || header.source != tt.mac || header.ethernet != tt.ethernet {
				t.Errorf("%+v, %v", header, err)
			}
		})
	}
}

// Whatever the packet, only one that is the connection's from its first byte to
// its last has a MAC, and that is its own.
func FuzzParseSYN(f *testing.F) {
	f.Add(slices.Concat(ethernet(0x800), ipv4(remote4, local4, 4), tcp(remote4, local4, 2, 20)), false)
	f.Add(slices.Concat(ethernet(0x86dd), ipv6(remote6, local6, 0, protocolTCP, 0, 1, 4, 0, 0, 0, 0), tcp(remote6, local6, 2, 20)), true)
	f.Add(slices.Concat(ipv4(remote4, local4, 0), tcp(remote4, local4, 2, 0)), false)
	f.Fuzz(func(t *testing.T, packet []byte, six bool) {
		remote, local := remote4, local4
		if six {
			remote, local = remote6, local6
		}
		header, err := parseSYN(packet, remote, local)
		if err != nil && header != (linkHeader{}) {
			t.Errorf("%+v with %v", header, err)
		}
		if header.ethernet && header.source != instance.MAC(packet[6:12]) {
			t.Errorf("source %s of %x", header.source, packet)
		}
		if _, longer := parseSYN(append(packet, 0), remote, local); err == nil && longer == nil {
			t.Errorf("%x with a byte behind it is taken, too", packet)
		}
	})
}

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte{7, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 10, 0, 2, 0, 0x52, 0x54, 0, 0, 0, 1, 0, 0, 8, 0, 9, 0, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if at, _, ok := parseEntry(data); ok && (at.mac.IsZero() || at.bridge == 0) {
			t.Errorf("%+v of %x", at, data)
		}
	})
}
