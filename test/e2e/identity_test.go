//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
)

const instanceIDPath = metadataURL + "/latest/meta-data/instance-id"

// registerAt registers a guest whose tap is the lab's port of that number, which
// are given in the order in which guests are connected.
func registerAt(t *testing.T, s *lab.Server, name string, port int) shown {
	t.Helper()
	xml := domainXML(t, name)
	for _, tap := range []string{"vnet2", "vnet3"} {
		xml = strings.Replace(xml, "dev='"+tap+"'", fmt.Sprintf("dev='tap%d'", port), 1)
	}
	uploadXML(t, s, xml)
	return show(t, s, name)
}

// useMAC gives a guest's interface another MAC.
func useMAC(t *testing.T, g *lab.Guest, mac string) {
	t.Helper()
	for _, step := range [][]string{{"down"}, {"address", mac}, {"up"}} {
		if err := g.IP(suite.ctx, append([]string{"link", "set", "eth0"}, step...)...); err != nil {
			t.Fatal(err)
		}
	}
}

func hostIP(t *testing.T, l *lab.Lab, args ...string) {
	t.Helper()
	if err := l.Host.IP(suite.ctx, args...); err != nil {
		t.Fatal(err)
	}
}

func sysctl(t *testing.T, n *lab.Namespace, setting string) {
	t.Helper()
	if _, err := n.Output(suite.ctx, "sysctl", "-q", "-w", setting); err != nil {
		t.Fatal(err)
	}
}

// A guest uses a link-local address that the host has on another interface.
func TestLinkLocalAddressOfTheHostIsNotLocal(t *testing.T) {
	t.Parallel()
	for _, verify := range []string{"bridge", "no"} {
		t.Run("verify_mac "+verify, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			hostIP(t, l, "address", "add", "fe80::a9fe:a9fe/64", "dev", lab.Bridge, "nodad")
			s := startServer(t, l, l.Config().Set("mdserver", "listen_address6", "fe80::a9fe:a9fe").Set("mdserver", "verify_mac", verify))
			web1 := register(t, s, "web1")
			attacker, err := l.AddGuest(suite.ctx, "attacker", "02:de:ad:be:ef:01")
			if err != nil {
				t.Fatal(err)
			}
			hostIP(t, l, "address", "add", "fe80::77/64", "dev", "tap1", "nodad")
			for _, step := range [][]string{
				{"address", "flush", "dev", "eth0"}, {"link", "set", "eth0", "addrgenmode", "none"}, {"address", "add", "fe80::77/64", "dev", "eth0", "nodad"},
			} {
				if err := attacker.IP(suite.ctx, step...); err != nil {
					t.Fatal(err)
				}
			}
			const at = "http://[fe80::a9fe:a9fe%25eth0]"
			ask := func(args ...string) string {
				code, _ := curl(t, attacker.Namespace, append([]string{"--globoff"}, args...)...)
				return code
			}
			equal(t, "the configuration", ask(at+"/service/configuration"), "401")
			equal(t, "an upload", ask("--data-binary", "@"+domainFile("web2"), at+"/instance-upload"), "401")
			equal(t, "metadata", ask(at+"/latest/user-data"), "400")
			equal(t, "the guests", fmt.Sprint(len(list(t, s))), "1")

			useMAC(t, attacker, web1.MAC) // by the MAC alone a guest is known there
			if err := attacker.IP(suite.ctx, "address", "replace", "fe80::77/64", "dev", "eth0", "nodad"); err != nil {
				t.Fatal(err)
			}
			if _, err := l.AddGuest(suite.ctx, "web1", web1.MAC); err != nil { // it says nothing
				t.Fatal(err)
			}
			registerAt(t, s, "web1", 2)
			eventually(t, "a cloned MAC is refused", func(context.Context) error { // the bridge may send the answer to either
				if code := ask(at + "/latest/user-data"); code != "403" {
					return errors.New(code)
				}
				return nil
			})
		})
	}
}

// A guest takes another's addresses, with its own MAC.
func TestClaimedAddresses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if err := l.AddIPv6(suite.ctx); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, l, l.Config().Set("mdserver", "listen_address6", lab.MetadataAddr6).Set("dnsmasq", "net_address6", lab.Network6))
	web1, web2 := register(t, s, "web1"), register(t, s, "web2")
	thief := place(t, l, web2)
	six := func(addr netip.Addr) string {
		for _, step := range [][]string{{"address", "add", addr.String() + "/64", "dev", "eth0", "nodad"}, {"-6", "route", "replace", lab.MetadataAddr6, "dev", "eth0"}} {
			if err := thief.IP(suite.ctx, step...); err != nil {
				t.Fatal(err)
			}
		}
		code, _ := curl(t, thief.Namespace, "--globoff", "--interface", addr.String(), "http://["+lab.MetadataAddr6+"]/latest/user-data")
		return code
	}
	equal(t, "its own by IPv6", six(web2.IPv6), "200")
	equal(t, "another's by IPv6", six(web1.IPv6), "403")
	useAddress(t, thief, web1.IPv4)
	code, _ := curl(t, thief.Namespace, metadataURL+"/latest/user-data")
	equal(t, "another's by IPv4", code, "403")
	if n := status(t, s).Refused.MAC; n != 2 {
		t.Errorf("%d refusals for the MAC, want 2", n)
	}
}

// A guest takes another's address and MAC while that one is off; libvirt has told
// the tap of one of them, or of both.
func TestClonedMAC(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	web1, web2 := registerAt(t, s, "web1", 1), registerAt(t, s, "web2", 2)
	victim, thief := place(t, l, web1), place(t, l, web2)
	for _, g := range []*lab.Guest{victim, thief} {
		code, _ := curl(t, g.Namespace, instanceIDPath)
		equal(t, "a guest at its own tap", code, "200")
	}
	if err := victim.IP(suite.ctx, "link", "set", "eth0", "down"); err != nil {
		t.Fatal(err)
	}
	useMAC(t, thief, web1.MAC)
	useAddress(t, thief, web1.IPv4)
	code, _ := curl(t, thief.Namespace, instanceIDPath)
	equal(t, "a cloned MAC at another's tap", code, "403")

	register(t, s, "web1") // its tap is not known; that of the thief is
	code, _ = curl(t, thief.Namespace, instanceIDPath)
	equal(t, "a cloned MAC at a tap that is known as another's", code, "403")
	if n := status(t, s).Refused.Port; n != 2 {
		t.Errorf("%d refusals for the port, want 2", n)
	}
}

// A guest opens a connection with another's MAC, has that one send something, so
// that the bridge finds the MAC where it belongs again, and goes on with its own.
func TestClonedMACForTheSYNAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	web1, web2 := registerAt(t, s, "web1", 1), registerAt(t, s, "web2", 2)
	victim, thief := place(t, l, web1), place(t, l, web2)
	code, _ := curl(t, victim.Namespace, instanceIDPath)
	equal(t, "the victim's own request", code, "200")

	link, err := l.Host.Output(suite.ctx, "cat", "/sys/class/net/"+lab.Bridge+"/address")
	if err != nil {
		t.Fatal(err)
	}
	bridge := parseMAC(t, strings.TrimSpace(link))
	cloned, own := parseMAC(t, web1.MAC), parseMAC(t, web2.MAC)
	w := newWire(t, thief)
	syn := segment{from: netip.AddrPortFrom(web1.IPv4, 4711), to: netip.MustParseAddrPort(metadataHostPort), seq: 1000, flags: flagSYN}
	w.send(t, syn.frame(cloned, bridge))
	number := w.synACK(t, syn.from)
	code, _ = curl(t, victim.Namespace, metadataURL+"/service/name") // the MAC is back
	equal(t, "the victim meanwhile", code, "000")                    // no answer for a few seconds, since either may have sent it
	refusals := status(t, s).Refused.Port
	ack := segment{from: syn.from, to: syn.to, seq: 1001, ack: number + 1, flags: flagACK}
	w.send(t, ack.frame(own, bridge))
	ack.flags, ack.data = flagACK|flagPSH, "GET /latest/user-data HTTP/1.1\r\nHost: "+lab.MetadataAddr+"\r\n\r\n"
	w.send(t, ack.frame(own, bridge))
	eventually(t, "the refusal", func(context.Context) error {
		if n := status(t, s).Refused.Port; n < refusals+1 {
			return errors.New("no refusal for the port yet")
		}
		return nil
	})
	if strings.Contains(l.Logs(), "path=/latest/user-data status=200") {
		t.Error("the thief has the victim's user-data")
	}
	eventually(t, "the victim is served again", func(context.Context) error {
		if code, _ := curl(t, victim.Namespace, instanceIDPath); code != "200" {
			return errors.New(code)
		}
		return nil
	})
}

// A guest makes the host's neighbour table say that another's MAC has the address
// it uses, between the connection and the request.
func TestForgedNeighbourAfterTheHandshake(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "verify_mac", "yes"))
	web1, web2 := register(t, s, "web1"), register(t, s, "web2")
	thief := place(t, l, web2)
	useAddress(t, thief, web1.IPv4)
	conn := dial(t, thief, netip.Addr{})
	hostIP(t, l, "neigh", "replace", web1.IPv4.String(), "lladdr", web1.MAC, "dev", lab.Bridge)
	if _, err := io.WriteString(conn, getRequest("/latest/user-data")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // for the server to look
	hostIP(t, l, "neigh", "replace", web1.IPv4.String(), "lladdr", web2.MAC, "dev", lab.Bridge)
	code, _ := answer(t, bufio.NewReader(conn))
	equal(t, "the request with a forged neighbour", code, "403")
}

func getRequest(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: " + lab.MetadataAddr + "\r\n\r\n"
}

func dial(t *testing.T, g *lab.Guest, from netip.Addr) net.Conn {
	t.Helper()
	conn, err := tryDial(g, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func tryDial(g *lab.Guest, from netip.Addr) (conn net.Conn, err error) {
	dialer := net.Dialer{Timeout: 3 * time.Second}
	if from.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	doErr := g.Do(func() error {
		conn, err = dialer.DialContext(suite.ctx, "tcp", metadataHostPort)
		return err
	})
	if doErr != nil {
		return nil, doErr
	}
	return conn, conn.SetDeadline(time.Now().Add(15 * time.Second))
}

// answer reads an answer; the status is 000 if the connection was closed.
func answer(t *testing.T, r *bufio.Reader) (code, body string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		t.Fatal("neither an answer nor an end")
	case err != nil:
		return "000", ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode), string(text)
}

// A connection that a guest keeps open ends when the guest is released, or its
// address goes to another.
func TestKeptConnectionOverAChangeOfOwner(t *testing.T) {
	t.Parallel()
	for _, verify := range []string{"bridge", "no"} {
		t.Run("verify_mac "+verify, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			s := startServer(t, l, l.Config().Set("mdserver", "verify_mac", verify).Set("dnsmasq", "quarantine", "0"))
			web1 := register(t, s, "web1")
			guest := place(t, l, web1)
			conn := dial(t, guest, netip.Addr{})
			r := bufio.NewReader(conn)
			ask := func() string {
				_, _ = io.WriteString(conn, getRequest("/latest/meta-data/instance-id")) // the connection may be gone
				code, body := answer(t, r)
				return code + " " + body
			}
			equal(t, "before", ask(), "200 "+web1.InstanceID)
			command(t, s, "instance", "rm", "web1")
			if _, err := r.Peek(1); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection of a released guest is open: %v", err)
			}
			uploadXML(t, s, withMetadata(domainXML(t, "web2"), "ipv4", web1.IPv4.String()))
			equal(t, "after the address went to another", ask(), "000 ")
			if n := status(t, s).Refused.Closed; n == 0 {
				t.Error("no connection is counted as closed")
			}
		})
	}
}

// A guest holds connections from addresses of others; others are served.
func TestConnectionsFromManyAddresses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "max_connections", "200"))
	web1, web2 := register(t, s, "web1"), register(t, s, "web2")
	victim, attacker := place(t, l, web1), place(t, l, web2)
	if err := victim.IP(suite.ctx, "link", "set", "eth0", "down"); err != nil {
		t.Fatal(err)
	}
	addrs := []netip.Addr{web1.IPv4}
	for i := range 30 {
		addrs = append(addrs, netip.AddrFrom4([4]byte{10, 122, 1, byte(i + 1)}))
	}
	held := 0
	for _, addr := range addrs {
		if err := attacker.IP(suite.ctx, "address", "add", addr.String()+"/16", "dev", "eth0"); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			conn, err := tryDial(attacker, addr)
			if err != nil {
				continue
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "GET /latest/ HTTP/1.1\r\n") // it may be cut off already
			held++
		}
	}
	if n := status(t, s).Refused.Connections; n < uint64(len(addrs)*10-20) {
		t.Errorf("%d of %d connections were refused", n, held)
	}
	if err := attacker.IP(suite.ctx, "address", "del", web1.IPv4.String()+"/16", "dev", "eth0"); err != nil {
		t.Fatal(err)
	}
	if err := victim.IP(suite.ctx, "link", "set", "eth0", "up"); err != nil {
		t.Fatal(err)
	}
	useAddress(t, victim, web1.IPv4)
	hostIP(t, l, "neigh", "flush", "dev", lab.Bridge)
	for range 40 {
		conn := dial(t, victim, netip.Addr{})
		if _, err := io.WriteString(conn, getRequest("/latest/meta-data/instance-id")); err != nil {
			t.Fatal(err)
		}
		code, _ := answer(t, bufio.NewReader(conn))
		equal(t, "the victim meanwhile", code, "200")
	}
	if n := strings.Count(l.Logs(), "connections refused: too many connections"); n > 4 {
		t.Errorf("%d warnings in the log", n)
	}
}

// This host may ask from whichever of its addresses, a container on its bridge
// may not.
func TestWhoIsLocal(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	startServer(t, l, l.Config())
	const path = metadataURL + "/service/configuration"
	for _, from := range []string{"127.0.0.1", lab.Gateway, lab.MetadataAddr} {
		code, _ := curl(t, l.Host, "--interface", from, path)
		equal(t, "the host from "+from, code, "200")
	}
	container, err := l.AddGuest(suite.ctx, "container", "02:00:00:00:00:07")
	if err != nil {
		t.Fatal(err)
	}
	useAddress(t, container, netip.MustParseAddr("10.122.200.7"))
	code, _ := curl(t, container.Namespace, path)
	equal(t, "a container", code, "401")
	code, _ = curl(t, container.Namespace, "--header", "X-Forwarded-For: 127.0.0.1", path)
	equal(t, "a container with a proxy's header", code, "401")
}

// Requests for another host, and those of a browser or a proxy on this host.
func TestHostAndOrigin(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "accept_hosts", "md.example.net"))
	guest := place(t, l, register(t, s, "web1"))
	for _, path := range []string{"/latest/user-data", "/openstack/latest/user_data", "/nocloud/user-data", "/service/name", "/"} {
		code, _ := curl(t, guest.Namespace, "--header", "Host: evil.example", metadataURL+path)
		equal(t, path+" for another host", code, "421")
		code, _ = curl(t, guest.Namespace, "--header", "Host: md.example.net:80", metadataURL+path)
		equal(t, path+" for an accepted one", code, "200")
		for request, want := range map[string]string{
			"GET " + path + " HTTP/1.0\r\n\r\n": "HTTP/1.0 200",
			"GET http://" + lab.MetadataAddr + path + " HTTP/1.1\r\nHost: " + lab.MetadataAddr + "\r\nConnection: close\r\n\r\n": "HTTP/1.1 200",
			"GET http://evil.example" + path + " HTTP/1.1\r\nHost: " + lab.MetadataAddr + "\r\nConnection: close\r\n\r\n":        "HTTP/1.1 421",
		} {
			if text := raw(t, guest, request); !strings.HasPrefix(text, want) {
				t.Errorf("%.80q: %.60q, want %s", request, text, want)
			}
		}
	}
	upload := metadataURL + "/instance-upload"
	for _, header := range []string{"Host: evil.example", "Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "X-Forwarded-For: 127.0.0.1", "Via: 1.1 proxy"} {
		code, _ := curl(t, l.Host, "--header", header, "--data-binary", "@"+domainFile("web2"), upload)
		if code != "403" && code != "421" {
			t.Errorf("an upload with %q: %s", header, code)
		}
	}
	equal(t, "the guests", fmt.Sprint(len(list(t, s))), "1")
	code, _ := curl(t, l.Host, "--data-binary", "@"+domainFile("web2"), upload)
	equal(t, "an upload by the original's hook", code, "200")
}

// Where tokens are required, no frontend gives anything without one unless it is
// exempt.
func TestRequiredTokensOnEachFace(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "imds", "required").Set("mdserver", "imds_exempt", "openstack"))
	uploadXML(t, s, domainXML(t, "web1"))
	uploadXML(t, s, withMetadata(domainXML(t, "web2"), "imds_exempt", "nocloud"))
	web1, web2 := place(t, l, show(t, s, "web1")), place(t, l, show(t, s, "web2"))
	for path, want := range map[string][2]string{
		"/latest/user-data": {"401", "401"}, "/latest/dynamic/instance-identity/document": {"401", "401"},
		"/openstack/latest/user_data": {"200", "401"}, "/openstack/latest/password": {"200", "401"},
		"/nocloud/user-data": {"401", "200"}, "/nocloud/vendor-data": {"401", "200"},
	} {
		for i, guest := range []*lab.Guest{web1, web2} {
			code, _ := curl(t, guest.Namespace, metadataURL+path)
			equal(t, fmt.Sprintf("web%d's %s without a token", i+1, path), code, want[i])
			_, token := putToken(t, guest.Namespace)
			code, _ = curl(t, guest.Namespace, "--header", "X-aws-ec2-metadata-token: "+token, metadataURL+path)
			equal(t, fmt.Sprintf("web%d's %s with a token", i+1, path), code, "200")
		}
	}
}

// A connection that was made by a SYN cookie has no known sender.
func TestSYNCookies(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	guest := place(t, l, register(t, s, "web1"))
	sysctl(t, l.Host, "net.ipv4.tcp_syncookies=2") // always
	code, _ := curl(t, guest.Namespace, instanceIDPath)
	equal(t, "by a cookie", code, "000")
	code, _ = curl(t, l.Host, metadataURL+"/service/configuration")
	equal(t, "from the host by a cookie", code, "000")
	if n := status(t, s).Refused.Unknown; n == 0 {
		t.Error("no connection is counted as unknown")
	}
	sysctl(t, l.Host, "net.ipv4.tcp_syncookies=1")
	code, _ = curl(t, guest.Namespace, instanceIDPath)
	equal(t, "without one", code, "200")
}
