package instance

import (
	"fmt"
	"net"
)

// MAC is an Ethernet hardware address. Unlike net.HardwareAddr it is
// comparable, so it can be a map's key.
type MAC [6]byte

// ParseMAC reads an Ethernet address in any notation that net.ParseMAC knows.
// It refuses group addresses and the zero address, which no guest can have.
func ParseMAC(s string) (MAC, error) {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != len(MAC{}) {
		return MAC{}, fmt.Errorf("%q is not a MAC address, accepted: six pairs of hexadecimal digits such as 52:54:00:12:34:56", s)
	}
	mac := MAC(hw)
	switch {
	case mac.IsZero():
		return MAC{}, fmt.Errorf("the MAC address %q is all zeros", s)
	case mac[0]&1 != 0:
		return MAC{}, fmt.Errorf("%q is a group (multicast) MAC address, which no interface can have", s)
	}
	return mac, nil
}

// String gives the address in lower case with colons.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// IsZero reports whether the address is unset.
func (m MAC) IsZero() bool { return m == MAC{} }

// MarshalText implements encoding.TextMarshaler; an unset address is empty.
func (m MAC) MarshalText() ([]byte, error) {
	if m.IsZero() {
		return nil, nil
	}
	return []byte(m.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *MAC) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*m = MAC{}
		return nil
	}
	mac, err := ParseMAC(string(text))
	*m = mac
	return err
}
