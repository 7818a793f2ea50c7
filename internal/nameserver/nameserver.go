// Package nameserver asks a DNS server for what it knows itself, to see whether
// it knows what it should.
package nameserver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	maxUDP = 4096
	// firstAnswer is how long one query waits; it doubles, because a server may
	// not answer while it reads its files.
	firstAnswer   = 250 * time.Millisecond
	longestAnswer = 2 * time.Second
)

// Answer is what a server knows of a name.
type Answer struct {
	Addrs []netip.Addr
	Texts []string
}

// Client asks one server by UDP, again and again.
type Client struct {
	conn    net.Conn
	buf     [maxUDP]byte
	timeout time.Duration
}

// Dial makes a client of the server at an address. It must be closed.
func Dial(ctx context.Context, server netip.AddrPort) (*Client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", server.String())
	if err != nil {
		return nil, fmt.Errorf("asking the DNS server: %w", err)
	}
	return &Client{conn: conn, timeout: firstAnswer}, nil
}

// Close ends the client, which may be nil.
func (c *Client) Close() {
	if c != nil {
		_ = c.conn.Close()
	}
}

// Ask sends one query that is not to be forwarded, and waits for its answer.
// A name that does not exist is an empty answer.
func (c *Client) Ask(ctx context.Context, name string, kind dnsmessage.Type) (Answer, error) {
	id := uint16(rand.Uint32())
	query, err := packQuery(id, name, kind)
	if err != nil {
		return Answer{}, err
	}
	deadline := time.Now().Add(c.timeout)
	if limit, ok := ctx.Deadline(); ok && limit.Before(deadline) {
		deadline = limit
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return Answer{}, fmt.Errorf("asking the DNS server for %s: %w", name, err)
	}
	if _, err := c.conn.Write(query); err != nil {
		return Answer{}, fmt.Errorf("asking the DNS server for %s: %w", name, err)
	}
	for {
		n, err := c.conn.Read(c.buf[:])
		if err != nil {
			c.timeout = min(2*c.timeout, longestAnswer)
			return Answer{}, fmt.Errorf("asking the DNS server at %v for %s: %w", c.conn.RemoteAddr(), name, err)
		}
		if a, ok := readAnswer(c.buf[:n], id); ok {
			c.timeout = firstAnswer
			return a, nil
		}
	}
}

func packQuery(id uint16, name string, kind dnsmessage.Type) ([]byte, error) {
	qname, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return nil, fmt.Errorf("asking the DNS server for %q: %w", name, err)
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id},
		Questions: []dnsmessage.Question{{Name: qname, Type: kind, Class: dnsmessage.ClassINET}},
	}
	query, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("asking the DNS server for %q: %w", name, err)
	}
	return query, nil
}

// readAnswer takes the records of a response to the query with that id;
// anything else, such as the late response to an earlier query, is not ok.
func readAnswer(packet []byte, id uint16) (Answer, bool) {
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil || m.ID != id || !m.Response {
		return Answer{}, false
	}
	var a Answer
	for _, record := range m.Answers {
		switch body := record.Body.(type) {
		case *dnsmessage.AResource:
			a.Addrs = append(a.Addrs, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			a.Addrs = append(a.Addrs, netip.AddrFrom16(body.AAAA))
		case *dnsmessage.TXTResource:
			a.Texts = append(a.Texts, strings.Join(body.TXT, ""))
		}
	}
	return a, true
}

// Has reports whether a name has an address.
func (c *Client) Has(ctx context.Context, name string, addr netip.Addr) (bool, error) {
	a, err := c.Ask(ctx, name, TypeOf(addr))
	return slices.Contains(a.Addrs, addr), err
}

// TypeOf is the type of the records that hold such addresses.
func TypeOf(addr netip.Addr) dnsmessage.Type {
	if addr.Is4() {
		return dnsmessage.TypeA
	}
	return dnsmessage.TypeAAAA
}
