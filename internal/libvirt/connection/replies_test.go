package connection

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	libvirt "github.com/digitalocean/go-libvirt"
)

// answers is a libvirt that answers each call with the same status and payload.
func answers(t *testing.T, status uint32, payload []byte) (path string) {
	t.Helper()
	return listens(t, func(conn net.Conn) { go answerAll(conn, status, payload) })
}

// answerAll answers the calls of one connection. The header of an answer is that of
// its call, but for type and status: virnetprotocol.x.
func answerAll(conn net.Conn, status uint32, payload []byte) {
	defer conn.Close()
	for {
		head := make([]byte, lengthSize+headerSize)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head))-int64(len(head))); err != nil {
			return
		}
		const typeReply = 1
		binary.BigEndian.PutUint32(head, uint32(len(head)+len(payload)))
		binary.BigEndian.PutUint32(head[16:], typeReply)
		binary.BigEndian.PutUint32(head[24:], status)
		if _, err := conn.Write(append(head, payload...)); err != nil {
			return
		}
	}
}

// FuzzReplies has a libvirt answer calls with any payload, which may be an error
// and never a panic.
func FuzzReplies(f *testing.F) {
	f.Add(uint32(0), []byte{})
	f.Add(uint32(0), []byte{0, 0, 0, 1, 0, 0, 0, 0})
	f.Add(uint32(1), []byte{0, 0, 0, 1})
	f.Add(uint32(0), []byte{0, 0, 0, 200, 1, 2, 3, 4})
	f.Add(uint32(2), make([]byte, 16))
	f.Add(uint32(0), []byte("7\x00\x00\x01")) // more domains than memory
	f.Fuzz(func(t *testing.T, status uint32, payload []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		conn, err := Dial(ctx, Endpoint{Socket: answers(t, status, payload)}, QEMU)
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.Do(ctx, func(l *libvirt.Libvirt) error {
			_, _, _ = l.ConnectListAllDomains(1, 0)
			_, _, _ = l.ConnectListAllNetworks(1, 0)
			_, err := l.DomainGetXMLDesc(libvirt.Domain{}, 0)
			return err
		})
	})
}
