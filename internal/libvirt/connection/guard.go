package connection

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// Sizes of libvirt's packets, in bytes. Source: VIR_NET_MESSAGE_LEN_MAX and
// VIR_NET_MESSAGE_MAX of libvirt's src/rpc/virnetprotocol.x.
const (
	lengthSize = 4
	headerSize = 24
	maxPacket  = 32<<20 + lengthSize
)

// guarded is a connection whose reader gets whole packets only, of a possible
// length and with a payload that fits. go-libvirt makes room for what a packet
// says of its length, and panics if that is less than its header.
type guarded struct {
	net.Conn
	packet []byte // what is left to read of the packet under way
}

// Read implements io.Reader. A packet that cannot be ends the connection.
func (g *guarded) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(g.packet) == 0 {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.packet)
	g.packet = g.packet[n:]
	return n, nil
}

// next reads a packet. It takes memory as bytes arrive, not as the length says.
func (g *guarded) next() error {
	var packet bytes.Buffer
	if _, err := io.CopyN(&packet, g.Conn, lengthSize); err != nil {
		return cutOff(err, packet.Len())
	}
	length := binary.BigEndian.Uint32(packet.Bytes())
	if length < lengthSize+headerSize || length > maxPacket {
		_ = g.Conn.Close()
		return fmt.Errorf("not a libvirt socket: it sends a packet of %d bytes", length)
	}
	if _, err := io.CopyN(&packet, g.Conn, int64(length)-lengthSize); err != nil {
		return cutOff(err, packet.Len())
	}
	header, payload := packet.Bytes()[lengthSize:lengthSize+headerSize], packet.Bytes()[lengthSize+headerSize:]
	if !fits(header, payload) {
		_ = g.Conn.Close()
		return fmt.Errorf("not a libvirt socket: the packet of procedure %d is shorter than announced", binary.BigEndian.Uint32(header[8:]))
	}
	g.packet = packet.Bytes()
	return nil
}

// cutOff makes the end of the stream an error if it is inside of a packet.
func cutOff(err error, read int) error {
	if read > 0 && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
