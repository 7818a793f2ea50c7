package dhcprelease

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"mdserver/internal/instance"
)

var (
	server = netip.MustParseAddr("10.122.0.1")
	guest  = netip.MustParseAddr("10.122.0.5")
	mac    = instance.MAC{0x52, 0x54, 0, 9, 0, 1}
)

// The message is laid out as RFC 951 and RFC 2131 say.
func TestMessage(t *testing.T) {
	want := strings.Join([]string{
		"01010600",     // op: request; htype: Ethernet; hlen; hops
		"00000000",     // xid
		"0000", "0000", // secs, flags
		"0a7a0005",                         // ciaddr: the guest
		"00000000", "00000000", "00000000", // yiaddr, siaddr, giaddr
		"525400090001" + strings.Repeat("00", 10),           // chaddr
		strings.Repeat("00", 64), strings.Repeat("00", 128), // sname, file
		"63825363",                                                             // cookie
		"350107", "36040a7a0001", "ff" + strings.Repeat("00", 300-236-4-3-6-1), // type: release; server; end
	}, "")
	if got := hex.EncodeToString(Message(server, mac, guest)); got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
}

// A failure says whose lease stays. DHCP servers are asked by IPv4 only.
func TestSendToNoServer(t *testing.T) {
	err := Send(t.Context(), netip.MustParseAddr("fd00::1"), mac, guest)
	if err == nil || !strings.HasPrefix(err.Error(), "releasing the lease of 10.122.0.5: ") {
		t.Errorf("%v", err)
	}
}
