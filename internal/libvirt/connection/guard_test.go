package connection

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func packet(length uint32, rest int) []byte {
	return append(binary.BigEndian.AppendUint32(nil, length), make([]byte, rest)...)
}

// What is no libvirt makes an error, whatever it sends.
func TestGarbageOnTheSocket(t *testing.T) {
	tests := map[string][]byte{
		"28 bytes of zero":    make([]byte, 28),
		"length 1":            packet(1, 64),
		"length of no header": packet(27, 64),
		"length 4 GiB":        packet(1<<32-1, 64),
		"length 2 GiB":        packet(1<<31, 64),
		"HTTP":                []byte("HTTP/1.1 400 Bad Request\r\n\r\n" + strings.Repeat("x", 100)),
		"a header of zeros":   packet(28, 24),
		"a packet cut off":    packet(100, 30),
		"nothing":             nil,
	}
	for name, garbage := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			conn, err := Dial(ctx, Endpoint{Socket: sends(t, garbage)}, QEMU)
			if err == nil {
				conn.Close()
				t.Error("it is taken for a libvirt")
			}
		})
	}
}

// sends is a socket that sends the same to all.
func sends(t *testing.T, data []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "libvirt-sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(data)
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return path
}

// stream is a net.Conn that is only read.
type stream struct {
	net.Conn
	io.Reader
}

func (s stream) Read(p []byte) (int, error) { return s.Reader.Read(p) }
func (s stream) Close() error               { return nil }

// The reader gets the packets as they are, up to the first that cannot be.
func FuzzGuard(f *testing.F) {
	f.Add(append(packet(28, 24), packet(30, 26)...))
	f.Add(append(packet(28, 24), packet(0, 24)...))
	f.Add(make([]byte, 28))
	f.Add(packet(1<<31, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		want, valid := wellFormed(data)
		for name, r := range map[string]io.Reader{"at once": bytes.NewReader(data), "by bytes": iotest.OneByteReader(bytes.NewReader(data))} {
			got, err := io.ReadAll(&guarded{Conn: stream{Reader: r}})
			if !bytes.Equal(got, want) {
				t.Errorf("%s: got %x of %x, want %x", name, got, data, want)
			}
			if valid && err != nil {
				t.Errorf("%s: %x: %v", name, data, err)
			}
		}
	})
}

// wellFormed is the beginning of data that is made of possible packets, the last
// of which may be cut off, and whether that is all of it.
func wellFormed(data []byte) (good []byte, all bool) {
	rest := data
	for len(rest) >= lengthSize {
		length := binary.BigEndian.Uint32(rest)
		if length < lengthSize+headerSize || length > maxPacket {
			break
		}
		rest = rest[min(uint64(length), uint64(len(rest))):]
	}
	return data[:len(data)-len(rest)], len(rest) == 0
}
