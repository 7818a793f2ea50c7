package portsecurity

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/porttest"
	"mdserver/internal/roottest"
)

// A machine behind an uplink finds the metadata address of a host that is alone, and
// not that of one among several: there, each host answers its own guests. Other
// addresses of the host are found in both cases.
func TestUplink(t *testing.T) {
	roottest.Need(t, "makes nftables tables")
	metadata, gateway := netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("10.122.0.1")
	metadata6, gateway6 := netip.MustParseAddr("fe80::a9fe:a9fe"), netip.MustParseAddr("fd00:122::1")
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-mds", HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "wire"}
	must(t, netlink.LinkAdd(bridge))
	defer netlink.LinkDel(bridge)
	must(t, netlink.LinkAdd(veth))
	defer netlink.LinkDel(veth)
	must(t, netlink.LinkSetMaster(veth, bridge))
	for _, addr := range []netip.Addr{metadata, gateway, metadata6, gateway6} {
		ip := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}
		must(t, netlink.AddrAdd(bridge, &netlink.Addr{IPNet: ip, Flags: unix.IFA_F_NODAD}))
	}
	far, err := netlink.LinkByName("wire")
	must(t, err)
	for _, link := range []netlink.Link{bridge, veth, far} {
		must(t, netlink.LinkSetUp(link))
	}
	for hostID, reached := range map[string]bool{"": true, "this host": false} {
		k := New(hostID, func() []*instance.Instance { return nil }, slog.New(slog.NewTextHandler(io.Discard, nil)))
		k.Set([]instance.Network{porttest.Network})
		if s := k.Status("mds"); !s.On {
			t.Fatalf("port security is off: %+v", s)
		}
		for addr, want := range map[netip.Addr]bool{metadata: reached, metadata6: reached, gateway: true, gateway6: true} {
			if got := answers(t, far, addr); got != want {
				t.Errorf("host %q: %s is found: %v, want %v", hostID, addr, got, want)
			}
		}
		k.Set(nil)
	}
}

// answers reports whether somebody behind a link has an address, by ARP or by
// neighbour discovery.
func answers(t *testing.T, link netlink.Link, addr netip.Addr) bool {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL)))
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: link.Attrs().Index}))
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}))
	question, wanted := whoHas(t, addr)
	buffer := make([]byte, 2048)
	for begin := time.Now(); time.Since(begin) < time.Second; {
		_, err := unix.Write(fd, question)
		must(t, err)
		for {
			n, err := unix.Read(fd, buffer)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			if errors.Is(err, unix.EINTR) {
				continue
			}
			must(t, err)
			if bytes.Contains(buffer[:n], wanted) {
				return true
			}
		}
	}
	return false
}

// whoHas is a frame that asks for an address, and what an answer has in it.
func whoHas(t *testing.T, addr netip.Addr) (frame, answer []byte) {
	t.Helper()
	own := net.HardwareAddr{2, 0, 0, 0, 0, 2}
	var all []gopacket.SerializableLayer
	if addr.Is4() {
		all = []gopacket.SerializableLayer{
			&layers.Ethernet{SrcMAC: own, DstMAC: layers.EthernetBroadcast, EthernetType: layers.EthernetTypeARP},
			&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPRequest,
				SourceHwAddress: own, SourceProtAddress: []byte{10, 122, 9, 9}, DstHwAddress: make([]byte, 6), DstProtAddress: addr.AsSlice()},
		}
		answer = append([]byte{0, layers.ARPReply}, append([]byte{2, 0, 0, 0, 0, 1}, addr.AsSlice()...)...)
	} else {
		target := addr.As16()
		ip := &layers.IPv6{Version: 6, NextHeader: layers.IPProtocolICMPv6, HopLimit: 255,
			SrcIP: net.ParseIP("fe80::2"), DstIP: net.IP{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: target[13], 14: target[14], 15: target[15]}}
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborSolicitation, 0)}
		must(t, icmp.SetNetworkLayerForChecksum(ip))
		all = []gopacket.SerializableLayer{
			&layers.Ethernet{SrcMAC: own, DstMAC: net.HardwareAddr{0x33, 0x33, 0xff, target[13], target[14], target[15]}, EthernetType: layers.EthernetTypeIPv6},
			ip, icmp,
			&layers.ICMPv6NeighborSolicitation{TargetAddress: addr.AsSlice(),
				Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: own}}},
		}
		answer = append(addr.AsSlice(), byte(layers.ICMPv6OptTargetAddress), 1, 2, 0, 0, 0, 0, 1)
	}
	buffer := gopacket.NewSerializeBuffer()
	must(t, gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...))
	return buffer.Bytes(), answer
}

func htons(n uint16) uint16 { return n<<8 | n>>8 }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
