package kernel

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/roottest"
)

func TestMain(m *testing.M) { os.Exit(roottest.InNamespace(m)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// uplink gives a bridge a port, and the machine at its other end addresses.
func uplink(t *testing.T, bridge netlink.Link, port string, mac net.HardwareAddr, addrs ...netip.Addr) {
	t.Helper()
	far := roottest.NewSpace(t)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port, MasterIndex: bridge.Attrs().Index},
		PeerName: "wire", PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(far)}
	must(t, netlink.LinkAdd(veth))
	t.Cleanup(func() { must(t, netlink.LinkDel(veth)) })
	must(t, netlink.LinkSetUp(veth))
	must(t, roottest.InSpace(far, func() error {
		wire, err := netlink.LinkByName("wire")
		must(t, err)
		give(t, wire, addrs...)
		roottest.AwaitUp(t, "wire")
		return nil
	}))
}

// give gives a link addresses, and brings it up.
func give(t *testing.T, link netlink.Link, addrs ...netip.Addr) {
	t.Helper()
	for _, addr := range addrs {
		ip := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}
		must(t, netlink.AddrAdd(link, &netlink.Addr{IPNet: ip, Flags: unix.IFA_F_NODAD}))
	}
	must(t, netlink.LinkSetUp(link))
}

// Ports of the bridges that are up are uplinks, unless they are taps.
func TestUplinks(t *testing.T) {
	links := Links{ByName: map[string]Link{
		"br-mds": {Up: true}, "eth1": {Up: true, Master: "br-mds"}, "eth0": {Up: true, Master: "br-mds"}, "vnet0": {Up: true, Master: "br-mds", Tap: true},
		"down": {Master: "br-mds"}, "other": {Up: true, Master: "br-lan"}, "alone": {Up: true},
	}}
	want := []Uplink{{Name: "eth0", Bridge: "br-mds"}, {Name: "eth1", Bridge: "br-mds"}}
	if got := links.Uplinks([]string{"br-mds", "br-dmz", ""}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Machines behind an uplink that have the metadata addresses are found, although this
// host has them, too. Taps and ports that are down are no uplinks.
func TestAsk(t *testing.T) {
	roottest.Need(t, "makes bridges")
	metadata := []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fe80::a9fe:a9fe")}
	other := netip.MustParseAddr("10.9.0.1")
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-mds", HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}}
	must(t, netlink.LinkAdd(bridge))
	defer netlink.LinkDel(bridge)
	give(t, bridge, metadata...)
	all, ipv4 := net.HardwareAddr{2, 0, 0, 0, 0, 0xa}, net.HardwareAddr{2, 0, 0, 0, 0, 0xb}
	uplink(t, bridge, "eth0", all, metadata...)
	uplink(t, bridge, "eth1", ipv4, metadata[0], other)
	uplink(t, bridge, "eth2", net.HardwareAddr{2, 0, 0, 0, 0, 0xc}, other)
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "vnet0"}, Mode: netlink.TUNTAP_MODE_TAP}
	down := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "down", MasterIndex: bridge.Attrs().Index}, PeerName: "alone"}
	for _, link := range []netlink.Link{tap, down} {
		must(t, netlink.LinkAdd(link))
		defer netlink.LinkDel(link)
	}
	must(t, netlink.LinkSetMaster(tap, bridge))
	must(t, netlink.LinkSetUp(tap))
	alone, err := netlink.LinkByName("alone")
	must(t, err)
	must(t, netlink.LinkSetUp(alone))

	roottest.AwaitUp(t, "br-mds", "eth0", "eth1", "eth2")
	links := ReadLinks()
	uplinks := links.Uplinks([]string{"br-mds", "br-none"})
	links.Ask(uplinks, metadata)
	want := []Uplink{
		{Name: "eth0", Bridge: "br-mds", Answers: []Answer{{metadata[0], all.String()}, {metadata[1], all.String()}, {metadata[2], all.String()}}},
		{Name: "eth1", Bridge: "br-mds", Answers: []Answer{{metadata[0], ipv4.String()}}},
		{Name: "eth2", Bridge: "br-mds"},
	}
	if len(uplinks) != len(want) {
		t.Fatalf("uplinks %+v", uplinks)
	}
	for i, u := range uplinks {
		if u.Name != want[i].Name || u.Bridge != want[i].Bridge || u.Err != nil || !slices.Equal(u.Answers, want[i].Answers) {
			t.Errorf("%+v, want %+v", u, want[i])
		}
	}
	if none := links.Uplinks([]string{"br-none"}); len(none) > 0 {
		t.Errorf("uplinks of no bridge: %+v", none)
	}
}

// Only answers to what was asked count, and those of a VLAN are from another network.
func TestAnswersOfOthers(t *testing.T) {
	roottest.Need(t, "makes interfaces")
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "wire"}
	must(t, netlink.LinkAdd(veth))
	defer netlink.LinkDel(veth)
	far, err := netlink.LinkByName("wire")
	must(t, err)
	must(t, netlink.LinkSetUp(veth))
	must(t, netlink.LinkSetUp(far))
	roottest.AwaitUp(t, "eth0", "wire")

	asked, other := netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("169.254.169.253")
	reply := func(mac byte, addr netip.Addr) []byte {
		frame := question([6]byte{2, 5: mac}, addr)
		frame[21] = arpReply
		copy(frame[28:], addr.AsSlice())
		return frame
	}
	tagged := slices.Insert(reply(1, asked), 12, 0x81, 0, 0, 5)
	fd, err := openPort(far.Attrs().Index)
	must(t, err)
	defer unix.Close(fd)
	var sending sync.WaitGroup
	defer sending.Wait()
	stop := make(chan struct{})
	defer close(stop)
	sending.Go(func() {
		for {
			for _, frame := range [][]byte{tagged, reply(2, other), reply(3, asked)} {
				_, _ = unix.Write(fd, frame)
			}
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	found, err := whoHas("eth0", []netip.Addr{asked})
	if want := []Answer{{asked, "02:00:00:00:00:03"}}; err != nil || !slices.Equal(found, want) {
		t.Errorf("%v, %v, want %v", found, err, want)
	}
}

// The routes by an interface are its own, even if another one has a better route.
func TestRoutesBy(t *testing.T) {
	roottest.Need(t, "makes bridges")
	for name, addr := range map[string]string{"br0": "10.50.0.1/16", "br1": "10.50.1.1/24"} {
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}
		must(t, netlink.LinkAdd(bridge))
		defer netlink.LinkDel(bridge)
		at, err := netlink.ParseAddr(addr)
		must(t, err)
		must(t, netlink.AddrAdd(bridge, at))
		must(t, netlink.LinkSetUp(bridge))
	}
	for name, want := range map[string]string{"br0": "[10.50.0.0/16]", "br1": "[10.50.1.0/24]"} {
		if got, err := RoutesBy(name, netip.MustParseAddr("10.50.1.9")); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", name, got, err, want)
		}
	}
}

func TestAskNowhere(t *testing.T) {
	roottest.Need(t, "opens a socket for frames")
	for port, want := range map[string]string{"none": "no such network interface", "lo": "lo has no Ethernet address"} {
		uplinks := []Uplink{{Name: port}}
		if (Links{}).Ask(uplinks, nil); uplinks[0].Err == nil || !strings.Contains(uplinks[0].Err.Error(), want) {
			t.Errorf("%s: %v, want %q", port, uplinks[0].Err, want)
		}
	}
}

// An own answer is no other machine's: two bridges of this host may meet.
func TestOwnMAC(t *testing.T) {
	links := Links{ByName: map[string]Link{"br0": {MAC: "02:00:00:00:00:01"}, "lo": {}}}
	own, other := Answer{netip.MustParseAddr("169.254.169.254"), "02:00:00:00:00:01"}, Answer{netip.MustParseAddr("169.254.169.254"), "02:00:00:00:00:02"}
	if got := links.ofOthers([]Answer{own, other, own}); !slices.Equal(got, []Answer{other}) {
		t.Errorf("%v, want %v alone", got, other)
	}
}

// Only what says that a machine has an address is an answer.
func TestAnswerIn(t *testing.T) {
	arp := question([6]byte{2, 5: 7}, netip.MustParseAddr("169.254.169.254"))
	reply := slices.Clone(arp)
	reply[21] = arpReply
	copy(reply[28:], []byte{169, 254, 169, 254})
	nd := question([6]byte{2, 5: 7}, netip.MustParseAddr("fe80::a9fe:a9fe"))
	advertisement := slices.Clone(nd)
	advertisement[etherHeader+ip6Header] = 136
	routed := slices.Clone(advertisement)
	routed[etherHeader+7] = 254
	udp := slices.Clone(advertisement)
	udp[etherHeader+6] = unix.IPPROTO_UDP
	token := slices.Clone(reply)
	token[15] = 6
	for name, tt := range map[string]struct {
		frame []byte
		want  Answer
	}{
		"a question by ARP":           {arp, Answer{}},
		"an answer by ARP":            {reply, Answer{netip.MustParseAddr("169.254.169.254"), "02:00:00:00:00:07"}},
		"ARP of another network":      {token, Answer{}},
		"a solicitation":              {nd, Answer{}},
		"an advertisement":            {advertisement, Answer{netip.MustParseAddr("fe80::a9fe:a9fe"), "02:00:00:00:00:07"}},
		"an advertisement by routers": {routed, Answer{}},
		"another protocol":            {udp, Answer{}},
		"nothing":                     {nil, Answer{}},
	} {
		got, ok := answerIn(tt.frame)
		if ok != (tt.want != Answer{}) || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
		for n := range tt.frame { // a part of it is no answer, and does no harm
			if _, ok := answerIn(tt.frame[:n]); ok && n < etherHeader+arpLength {
				t.Errorf("%s: %d bytes are an answer", name, n)
			}
		}
	}
}

func TestTagged(t *testing.T) {
	control := func(kind int32, status uint32) []byte {
		text := make([]byte, unix.CmsgSpace(20))
		binary.NativeEndian.PutUint64(text, uint64(unix.CmsgLen(20)))
		binary.NativeEndian.PutUint32(text[8:], unix.SOL_PACKET)
		binary.NativeEndian.PutUint32(text[12:], uint32(kind))
		binary.NativeEndian.PutUint32(text[16:], status)
		return text
	}
	for name, tt := range map[string]struct {
		control []byte
		want    bool
	}{
		"of a VLAN":    {control(unix.PACKET_AUXDATA, unix.TP_STATUS_VLAN_VALID|1), true},
		"of none":      {control(unix.PACKET_AUXDATA, 1), false},
		"another kind": {control(unix.PACKET_AUXDATA+1, unix.TP_STATUS_VLAN_VALID), false},
		"nothing":      {nil, false},
	} {
		if got := tagged(tt.control); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
