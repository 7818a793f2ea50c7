package connection

import (
	"encoding/binary"
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

// guarded is a connection whose reader gets whole packets of a possible length
// only. go-libvirt makes room for what a packet says of its length, and panics if
// that is less than its header.
type guarded struct {
	net.Conn
	head []byte // of the packet under way: what of its length is not yet read
	left uint32 // bytes of the packet that follow
}

// Read implements io.Reader. A length that cannot be ends the connection.
func (g *guarded) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(g.head) == 0 && g.left == 0 {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	if len(g.head) > 0 {
		n := copy(p, g.head)
		g.head = g.head[n:]
		return n, nil
	}
	if uint64(len(p)) > uint64(g.left) {
		p = p[:g.left]
	}
	n, err := g.Conn.Read(p)
	g.left -= uint32(n)
	return n, err
}

// next reads the length of the next packet.
func (g *guarded) next() error {
	head := make([]byte, lengthSize)
	if _, err := io.ReadFull(g.Conn, head); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(head)
	if length < lengthSize+headerSize || length > maxPacket {
		_ = g.Conn.Close()
		return fmt.Errorf("this is no libvirt: it sends a packet of %d bytes", length)
	}
	g.head, g.left = head, length-lengthSize
	return nil
}
