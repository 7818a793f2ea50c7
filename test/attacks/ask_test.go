//go:build e2e

package attacks

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"mdserver/test/lab"
)

// way is an address of the server, and of a guest that asks there.
type way int

const (
	byIPv4 way = iota
	byIPv6
	byLinkLocal
)

var ways = []way{byIPv4, byIPv6, byLinkLocal}

func (w way) String() string { return [...]string{"IPv4", "IPv6", "link-local"}[w] }

func (w way) server() netip.Addr {
	return netip.MustParseAddr([...]string{lab.MetadataAddr, lab.MetadataAddr6, lab.MetadataLinkLocal}[w])
}

// host is what an honest client puts into Host.
func (w way) host() string {
	if w == byIPv4 {
		return w.server().String()
	}
	return "[" + w.server().String() + "]"
}

// secretPaths are all at which a guest finds its own secret.
var secretPaths = []string{
	"/latest/user-data", "/latest/meta-data/tags/instance/hidden",
	"/openstack/latest/user_data", "/openstack/latest/meta_data.json", "/openstack/latest/vendor_data.json",
	"/nocloud/user-data", "/nocloud/meta-data", "/nocloud/vendor-data",
}

// request is the text of a request with further header lines.
func request(w way, method, path string, headers ...string) string {
	lines := append([]string{method + " " + path + " HTTP/1.1", "Host: " + w.host()}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func get(w way, path string, headers ...string) string {
	return request(w, "GET", path, append(headers, "Connection: close")...)
}

func contentLength(body string) string { return "Content-Length: " + strconv.Itoa(len(body)) }

// everything asks for all that is secret on one connection.
func everything(w way, headers ...string) string {
	var b strings.Builder
	for _, path := range secretPaths {
		b.WriteString(request(w, "GET", path, headers...))
	}
	b.WriteString(get(w, "/latest/meta-data/local-hostname"))
	return b.String()
}

// dial connects a guest with the server from one of its addresses, or from
// whichever the kernel takes if from is the zero Addr.
func dial(g *guest, w way, from netip.Addr) (net.Conn, error) { return dialFrom(g, w, from, 0) }

// dialFrom also chooses the port; 0 is any above 1023.
func dialFrom(g *guest, w way, from netip.Addr, port uint16) (net.Conn, error) {
	zone := ""
	if w == byLinkLocal {
		zone = strconv.Itoa(g.index)
	}
	to := netip.AddrPortFrom(w.server().WithZone(zone), 80)
	d := net.Dialer{Timeout: 1500 * time.Millisecond} // what is dropped is not answered
	if from == g.addr(w) {
		d.Timeout = 5 * time.Second // an honest guest is patient
	}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from.WithZone(zone), port))
	}
	var conn net.Conn
	err := g.Do(func() (err error) {
		conn, err = d.DialContext(suite.ctx, "tcp", to.String())
		return err
	})
	return conn, err
}

// ask sends a request as it is from the guest's own address and returns all
// that came back until the connection was closed. Without port security a guest may
// believe for a while what another attacker says on the bridge: it forgets that then,
// and connects again.
func ask(g *guest, w way, text string) (string, error) {
	got, err := askFrom(g, w, g.addr(w), text)
	for try := 1; try < 4 && unconnected(err) && g.site.protection == plain; try++ {
		_ = g.IP(suite.ctx, "neighbour", "flush", "dev", "eth0")
		got, err = askFrom(g, w, g.addr(w), text)
	}
	return got, err
}

func unconnected(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
}

func askFrom(g *guest, w way, from netip.Addr, text string) (string, error) {
	conn, err := dial(g, w, from)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return exchange(conn, text)
}

// exchangeTime bounds a whole conversation.
const exchangeTime = 4 * time.Second

// exchange sends a request and reads until the other end hangs up, or says
// nothing for a while.
func exchange(conn net.Conn, text string) (string, error) {
	if err := conn.SetDeadline(time.Now().Add(exchangeTime)); err != nil {
		return "", err
	}
	_, writeErr := io.WriteString(conn, text) // the server may hang up half way
	answer, err := io.ReadAll(conn)
	if len(answer) > 0 {
		err, writeErr = nil, nil
	}
	return string(answer), errors.Join(writeErr, err)
}

// status is the status of the first answer, 0 if there is none.
func status(answer string) int {
	var code int
	_, _ = fmt.Sscanf(answer, "HTTP/1.1 %d", &code)
	return code
}

// refused reports whether an answer gives nothing: it is an error, or there is
// none.
func refused(answer string) bool {
	code := status(answer)
	return code == 0 || code >= 400
}

// fromHost sends a request from the host itself, as root.
func (s *site) fromHost(text string) (string, error) {
	var conn net.Conn
	err := s.Host.Do(func() (err error) {
		conn, err = net.DialTimeout("tcp", lab.MetadataAddr+":80", 5*time.Second)
		return err
	})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return exchange(conn, text)
}

func parse(addr string) netip.Addr { return netip.MustParseAddr(addr) }
