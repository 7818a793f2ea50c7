//go:build e2e

package attacks

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"mdserver/test/lab"
	"mdserver/test/wire"
)

// asksAsHost asks what only the host itself may, from the attacker's own MAC and
// from one that no guest has.
func (a *arena) asksAsHost(t *testing.T, h *wire.Host, w way) {
	t.Helper()
	for _, mac := range []net.HardwareAddr{h.MAC, {0x02, 0xde, 0xad, 0xbe, 0xef, 1}} {
		as := *h
		as.MAC = mac
		a.asksLocally(t, &as, w)
	}
}

func (a *arena) asksLocally(t *testing.T, h *wire.Host, w way) {
	t.Helper()
	upload := domain{name: "stolen", mac: a.attacker.MAC, port: a.attacker.Port()}.XML()
	h.Announce(a.target(w))
	got, _ := h.Ask(a.target(w), request(w, "GET", "/service/configuration")+
		request(w, "POST", "/instance-upload", contentLength(upload))+upload+everything(w))
	a.safe(t, "from "+h.Addr.String(), got)
	if strings.Contains(got, "HTTP/1.1 200") && strings.Contains(got, "userdata_dir") {
		t.Errorf("from %s: the attacker reads the configuration:\n%.120q", h.Addr, got)
	}
	if guest, err := a.admin.Instance(suite.ctx, "stolen"); err == nil {
		t.Errorf("from %s: the attacker registers a guest: %+v", h.Addr, guest)
		_, _ = a.admin.Release(suite.ctx, "stolen")
	}
}

// Every tap has a link-local address of the host's, which follows from the
// guest's own MAC.
func TestClaimLinkLocalAddressOfTap(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		tap := hostLinkLocal(t, a.site, a.attacker.Port())
		h := a.attacker.host(t, byLinkLocal)
		h.Addr = tap
		a.asksAsHost(t, h, byLinkLocal)
		take(t, a.attacker, tap)
		got, _ := askFrom(a.attacker, byLinkLocal, tap, get(byLinkLocal, "/service/configuration"))
		if status(got) == 200 {
			t.Errorf("the attacker reads the configuration:\n%.600s", got)
		}
		a.served(t)
	})
}

func TestClaimLinkLocalAddressOfOtherInterface(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		h := a.attacker.host(t, byLinkLocal)
		h.Addr = hostLinkLocal(t, a.site, a.uplink(t))
		a.asksAsHost(t, h, byLinkLocal)
	})
}

func TestClaimGlobalAddressOfOtherInterface(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		a.uplink(t)
		for addr, w := range map[string]way{"198.51.100.1": byIPv4, "2001:db8::1": byIPv6} {
			h := a.attacker.host(t, w)
			h.Addr = netip.MustParseAddr(addr)
			a.asksAsHost(t, h, w)
		}
	})
}

// uplink gives the host an interface beside the bridge, for all tests on it.
func (a *arena) uplink(t *testing.T) string {
	t.Helper()
	const name = "uplink"
	a.uplinkOnce.Do(func() {
		if err := a.AddBridge(suite.ctx, name, "198.51.100.1/24", "2001:db8::1/64"); err != nil {
			t.Error(err)
		}
	})
	return name
}

func hostLinkLocal(t *testing.T, s *site, dev string) netip.Addr {
	t.Helper()
	var addr netip.Addr
	eventually(t, "the link-local address of "+dev, func() error {
		out, err := s.Host.Output(suite.ctx, "ip", "-6", "-brief", "address", "show", "dev", dev, "scope", "link")
		if err != nil {
			return err
		}
		fields := strings.Fields(out)
		prefix, err := netip.ParsePrefix(fields[len(fields)-1])
		addr = prefix.Addr()
		return err
	})
	return addr
}

func TestClaimAddressOfServer(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for addr, w := range map[string]way{
			lab.MetadataAddr: byIPv4, lab.Gateway: byIPv4,
			lab.MetadataAddr6: byIPv6, lab.Gateway6: byIPv6, lab.MetadataLinkLocal: byLinkLocal,
		} {
			h := a.attacker.host(t, w)
			h.Addr = netip.MustParseAddr(addr)
			a.asksAsHost(t, h, w)
		}
		a.served(t)
	})
}

func TestClaimLoopbackAddress(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for addr, w := range map[string]way{"127.0.0.1": byIPv4, "127.1.2.3": byIPv4, "::1": byIPv6} {
			h := a.attacker.host(t, w)
			h.Addr = netip.MustParseAddr(addr)
			a.asksAsHost(t, h, w)
		}
	})
}

// The victim's IPv4 address, written as an IPv6 one.
func TestClaimIPv4MappedAddressOfVictim(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, addr := range []netip.Addr{a.victim.inst.IPv4, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr(lab.Gateway)} {
			for _, prefix := range []string{"::ffff:", "::", "64:ff9b::"} {
				h := a.attacker.host(t, byIPv6)
				h.Addr = netip.MustParseAddr(prefix + addr.String())
				a.asksAsHost(t, h, byIPv6)
			}
		}
		a.served(t)
	})
}

// What a guest sends from the address that the kernel could take for the
// victim's by a broadcast or an unspecified one.
func TestClaimAddressThatIsNone(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for addr, w := range map[string]way{"0.0.0.0": byIPv4, "255.255.255.255": byIPv4, "10.122.255.255": byIPv4, "224.0.0.1": byIPv4, "::": byIPv6, "ff02::1": byIPv6} {
			h := a.attacker.host(t, w)
			h.Addr = netip.MustParseAddr(addr)
			a.asksAsHost(t, h, w)
		}
	})
}
