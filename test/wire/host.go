package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// How a conversation by TCP ended without an answer.
var (
	ErrNoHandshake = errors.New("the SYN was not answered")
	ErrReset       = errors.New("the connection was reset")
)

// How long a host waits for the answer to a SYN, and for each segment of the
// answer to its request.
const (
	handshakeTime = 250 * time.Millisecond
	answerTime    = 700 * time.Millisecond
)

// Host is a host that frames make up on a link: it answers for its address and
// asks by TCP.
type Host struct {
	Link *Link
	Addr netip.Addr
	// MAC is the Ethernet source of what the host sends.
	MAC net.HardwareAddr
	// SYN is the Ethernet source of the SYN alone; nil for MAC.
	SYN net.HardwareAddr
	// Said is the MAC that ARP and neighbour discovery are told; nil for MAC.
	Said net.HardwareAddr
	Tags []Tag
	// Port is where the host asks from; 0 for one that any program may use.
	Port uint16
	// Before is called before each frame that the host sends, if it is set.
	Before func()
}

// Server is whom a host asks.
type Server struct {
	MAC  net.HardwareAddr
	Addr netip.Addr
	Port uint16
}

// Ask opens a connection, sends a request and returns all that comes back until
// the other end closes, or for a while says nothing.
func (h *Host) Ask(s Server, request string) (string, error) {
	c := &conversation{Host: h, server: s, port: h.Port, seq: rand.Uint32()}
	if c.port == 0 {
		c.port = uint16(20000 + rand.IntN(40000))
	}
	if err := c.open(); err != nil {
		return "", err
	}
	c.send(layers.TCP{ACK: true}, nil)
	c.send(layers.TCP{ACK: true, PSH: true}, []byte(request))
	c.seq += uint32(len(request))
	return c.read()
}

// Announce tells the server where the host is, as if it had just come up.
func (h *Host) Announce(s Server) {
	if h.Addr.Is4() {
		for _, reply := range []bool{false, true} {
			h.put(ARP{SrcMAC: h.MAC, DstMAC: Broadcast, Reply: reply, Sender: h.Addr, Target: h.Addr, SenderMAC: h.said(), Tags: h.Tags}.Frame())
		}
		return
	}
	p := h.packet(s.MAC, s.Addr)
	h.put(p.Advertise(h.Addr, h.said(), Override))
	h.put(p.Solicit(s.Addr, h.said()))
}

func (h *Host) said() net.HardwareAddr {
	if h.Said != nil {
		return h.Said
	}
	return h.MAC
}

func (h *Host) put(frame []byte) {
	if h.Before != nil {
		h.Before()
	}
	_ = h.Link.Send(frame) // what is lost is no matter: it may be refused as well
}

func (h *Host) packet(mac net.HardwareAddr, to netip.Addr) Packet {
	return Packet{SrcMAC: h.MAC, DstMAC: mac, Src: h.Addr, Dst: to, Tags: h.Tags}
}

// answer answers who asks where the host is.
func (h *Host) answer(p gopacket.Packet) {
	ether, ok := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	if !ok {
		return
	}
	if arp, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok && arp.Operation == layers.ARPRequest && h.isMe(arp.DstProtAddress) {
		asker, _ := netip.AddrFromSlice(arp.SourceProtAddress)
		h.put(ARP{SrcMAC: h.MAC, DstMAC: ether.SrcMAC, Reply: true, Sender: h.Addr, Target: asker, SenderMAC: h.said(), Tags: h.Tags}.Frame())
	}
	ns, ok := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation)
	ip, _ := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	if ok && ip != nil && h.isMe(ns.TargetAddress) {
		asker, _ := netip.AddrFromSlice(ip.SrcIP)
		h.put(h.packet(ether.SrcMAC, asker).Advertise(h.Addr, h.said(), Solicited|Override))
	}
}

func (h *Host) isMe(addr []byte) bool { return bytes.Equal(addr, h.Addr.AsSlice()) }

// conversation is one connection.
type conversation struct {
	*Host
	server Server
	port   uint16
	seq    uint32
	ack    uint32
}

func (c *conversation) send(segment layers.TCP, payload []byte) {
	segment.SrcPort, segment.DstPort = layers.TCPPort(c.port), layers.TCPPort(c.server.Port)
	segment.Seq, segment.Ack, segment.Window = c.seq, c.ack, 65535
	p := c.packet(c.server.MAC, c.server.Addr)
	if segment.SYN && c.SYN != nil {
		p.SrcMAC = c.SYN
	}
	c.put(p.TCP(segment, payload))
}

func (c *conversation) open() error {
	for range 2 {
		c.send(layers.TCP{SYN: true}, nil)
		answer, err := c.next(handshakeTime)
		switch {
		case errors.Is(err, ErrReset):
			return err
		case err == nil && answer.SYN && answer.ACK:
			c.seq++
			c.ack = answer.Seq + 1
			return nil
		}
	}
	return ErrNoHandshake
}

func (c *conversation) read() (string, error) {
	var got []byte
	for {
		segment, err := c.next(answerTime)
		if err != nil {
			if errors.Is(err, ErrReset) && len(got) == 0 {
				return "", err
			}
			return string(got), nil
		}
		if segment.Seq == c.ack { // else it is one sent again
			got = append(got, segment.Payload...)
			c.ack += uint32(len(segment.Payload))
			if segment.FIN {
				c.ack++
			}
		}
		if len(segment.Payload) > 0 || segment.FIN {
			c.send(layers.TCP{ACK: true, FIN: segment.FIN}, nil)
		}
		if segment.FIN {
			return string(got), nil
		}
	}
}

// next returns the next segment of the connection and answers for the host's
// address meanwhile.
func (c *conversation) next(wait time.Duration) (*layers.TCP, error) {
	deadline := time.Now().Add(wait)
	for {
		frame, err := c.Link.Receive(deadline)
		if err != nil {
			return nil, err
		}
		p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
		segment, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok {
			c.answer(p)
			continue
		}
		if uint16(segment.DstPort) != c.port || uint16(segment.SrcPort) != c.server.Port {
			continue
		}
		if segment.RST {
			return nil, ErrReset
		}
		return segment, nil
	}
}
