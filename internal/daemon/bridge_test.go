package daemon

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/client"
	"mdserver/internal/daemon/httpserver"
	"mdserver/internal/daemon/router"
	"mdserver/internal/instance"
	"mdserver/internal/roottest"
)

// onBridge is a server of a network on a bridge, with one guest there.
type onBridge struct {
	*runningServer
	bridge *netlink.Bridge
	guest  *instance.Instance
	conn   net.Conn // from the guest to the server
	reader *bufio.Reader
}

// newOnBridge runs the server, and connects the guest to it.
func newOnBridge(t *testing.T) *onBridge {
	t.Helper()
	roottest.Need(t, "makes bridges and network namespaces")
	s := &onBridge{bridge: &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-lan"}}}
	s.must(t, netlink.LinkAdd(s.bridge))
	t.Cleanup(func() { _ = netlink.LinkDel(s.bridge) })
	s.must(t, netlink.LinkSetUp(s.bridge))
	gateway, err := netlink.ParseAddr("10.50.0.1/24")
	s.must(t, err)
	s.must(t, netlink.AddrAdd(s.bridge, gateway))
	s.runningServer = newServerAt(t, netip.AddrPortFrom(instance.Metadata4, loopbackPort(t).Port()), "[network lan]\ninterface = br-lan\nnet_address = 10.50.0.0\nnet_prefix = 24\ngateway = 10.50.0.1\nrun = off\nport_security = yes\n")
	s.begin()
	id := uuid.UUID{15: 7}
	s.must(t, client.New(s.socket).Upload(t.Context(), []byte(strings.Replace(domainXML(id, "web"), "br-mds", "br-lan", 1)), "start"))
	guest, ok := s.inventory.Snapshot().ByUUID(id)
	if !ok {
		t.Fatal("the guest is not there")
	}
	s.guest = guest
	return s
}

func (s *onBridge) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// plug connects the guest to the bridge, and the guest to the server.
func (s *onBridge) plug() {
	s.t.Helper()
	space := roottest.NewSpace(s.t)
	tap := net.HardwareAddr(slices.Concat([]byte{0xfe}, s.guest.MAC[1:])) // as libvirt makes it
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "vnet7", MasterIndex: s.bridge.Index, HardwareAddr: tap}, PeerName: "eth0", PeerNamespace: netlink.NsFd(space),
		PeerHardwareAddr: net.HardwareAddr(s.guest.MAC[:])}
	s.must(s.t, netlink.LinkAdd(veth))
	s.must(s.t, netlink.LinkSetUp(veth))
	inside, err := netlink.NewHandleAt(space)
	s.must(s.t, err)
	defer inside.Close()
	eth0, err := inside.LinkByName("eth0")
	s.must(s.t, err)
	own, err := netlink.ParseAddr(s.guest.IPv4.String() + "/24")
	s.must(s.t, err)
	s.must(s.t, inside.LinkSetUp(eth0))
	s.must(s.t, inside.AddrAdd(eth0, own))
	s.must(s.t, inside.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: net.IPv4(10, 50, 0, 1)}))
	s.must(s.t, roottest.InSpace(space, func() error {
		s.conn, err = net.DialTimeout("tcp", s.at, 20*time.Second)
		return err
	}))
	s.t.Cleanup(func() { _ = s.conn.Close() })
	s.reader = bufio.NewReader(s.conn)
}

// ask sends a request on the guest's connection.
func (s *onBridge) ask(method, path string, headers ...string) *http.Response {
	s.t.Helper()
	fmt.Fprintf(s.conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n%s\r\n", method, path, instance.Metadata4, strings.Join(headers, "\r\n"))
	resp, err := http.ReadResponse(s.reader, nil)
	s.must(s.t, err)
	return resp
}

// hasAddress reports whether the bridge has the metadata address.
func (s *onBridge) hasAddress() bool {
	s.t.Helper()
	all, err := netlink.AddrList(s.bridge, netlink.FAMILY_V4)
	s.must(s.t, err)
	for _, addr := range all {
		if addr.IP.String() == instance.Metadata4.String() {
			return true
		}
	}
	return false
}

// TestOnBridge checks that a server serves a guest at an address of its own on the guest's
// bridge, which it takes away at its end, and only as long as it is a guest.
func TestOnBridge(t *testing.T) {
	s := newOnBridge(t)
	s.await("the address on the bridge", s.hasAddress)
	s.plug()
	resp := s.ask("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n")
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a token is answered with %d; the log: %s", resp.StatusCode, s.log)
	}
	hops := make(chan int, 1)
	s.router.Store(&router.Router{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hops <- hopLimit(r)
	})})
	_ = s.ask("GET", "/").Body.Close()
	if got, want := <-hops, s.config.Load().Server.IMDSHopLimit; got != want {
		t.Errorf("after a token, the connection has a hop limit of %d, want %d", got, want)
	}
	s.await("port security at the guest's port", func() bool { return s.status().Networks[0].PortSecurity.Guests == 1 })
	checkRate(s)
	if _, err := s.inventory.Release(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := s.reader.ReadByte(); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection of a guest that is released has %d, %v", n, err)
	}
	if n := s.status().Refused.Closed; n != 1 {
		t.Errorf("the status counts %d closed connections", n)
	}
	s.end()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	if s.hasAddress() {
		t.Error("the address stays on the bridge")
	}
}

// checkRate checks that a guest that asks too fast is refused.
func checkRate(s *onBridge) {
	s.t.Helper()
	s.write(strings.Replace(s.text, "request_rate = 0", "request_rate = 1", 1))
	if _, err := client.New(s.socket).Reload(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	for range 1000 {
		resp := s.ask("GET", "/nowhere")
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode == http.StatusServiceUnavailable {
			return
		}
	}
	s.t.Error("a guest may ask as fast as it likes")
}

// hopLimit returns that of a request's connection.
func hopLimit(r *http.Request) (hops int) {
	conn, ok := httpserver.ConnOf(r)
	if !ok {
		return -1
	}
	inner, ok := conn.(syscall.Conn)
	if !ok {
		return -2
	}
	raw, err := inner.SyscallConn()
	if err != nil {
		return -3
	}
	_ = raw.Control(func(fd uintptr) { hops, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL) })
	return hops
}
