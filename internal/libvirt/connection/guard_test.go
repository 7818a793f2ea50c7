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
	return listens(t, func(conn net.Conn) {
		_, _ = conn.Write(data)
		t.Cleanup(func() { _ = conn.Close() })
	})
}

// listens is a socket that hands each of its connections to a function.
func listens(t *testing.T, accept func(net.Conn)) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s") // a socket's path is short
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
			accept(conn)
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
	f.Add(append(packet(28, 24), packet(32, 28)...))
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
			if valid != (err == nil) {
				t.Errorf("%s: %x: valid %v, %v", name, data, valid, err)
			}
		}
	})
}

// wellFormed is the beginning of data that is made of possible packets, and whether
// that is all of it.
func wellFormed(data []byte) (good []byte, all bool) {
	rest := data
	for len(rest) >= lengthSize+headerSize {
		length := binary.BigEndian.Uint32(rest)
		if length < lengthSize+headerSize || uint64(length) > uint64(len(rest)) ||
			!fits(rest[lengthSize:], rest[lengthSize+headerSize:length]) {
			break
		}
		rest = rest[length:]
	}
	return data[:len(data)-len(rest)], len(rest) == 0
}

// A payload fits if it holds as much as it says.
func TestFits(t *testing.T) {
	header := func(program, procedure, status uint32) []byte {
		h := make([]byte, headerSize)
		binary.BigEndian.PutUint32(h, program)
		binary.BigEndian.PutUint32(h[8:], procedure)
		binary.BigEndian.PutUint32(h[20:], status)
		return h
	}
	const web1 = "\x00\x00\x00\x04web1" + "0123456789abcdef" + "\x00\x00\x00\x01"
	const one, two, huge = "\x00\x00\x00\x01", "\x00\x00\x00\x02", "\x7f\xff\xff\xff"
	tests := []struct {
		name                       string
		program, procedure, status uint32
		payload                    string
		want                       bool
	}{
		{"two domains", remoteProgram, 273, 0, two + web1 + web1 + two, true},
		{"fewer domains than said", remoteProgram, 273, 0, two + web1, false},
		{"more domains than memory", remoteProgram, 273, 0, huge + web1 + two, false},
		{"a name longer than memory", remoteProgram, 273, 0, one + huge + "web1", false},
		{"a definition", remoteProgram, 14, 0, "\x00\x00\x00\x03<a>\x00", true},
		{"a definition that is cut off", remoteProgram, 14, 0, "\x00\x00\x00\x09<a>\x00", false},
		{"a definition longer than memory", remoteProgram, 14, 0, huge + "<a>\x00", false},
		{"an error", remoteProgram, 14, 1, one + one + one + "\x00\x00\x00\x02no\x00\x00", true},
		{"an error longer than memory", remoteProgram, 999, 1, one + one + one + huge, false},
		{"a lifecycle event", remoteProgram, 318, 0, one + web1 + one + one, true},
		{"an event with a name longer than memory", remoteProgram, 318, 1, one + huge, false},
		{"changed metadata", remoteProgram, 379, 0, one + web1 + one + one + "\x00\x00\x00\x01x\x00\x00\x00", true},
		{"changed metadata of many names", remoteProgram, 379, 0, one + web1 + one + huge, false},
		{"an event that is not asked for", remoteProgram, 346, 0, one + web1 + huge, false},
		{"a number", remoteProgram, 999, 0, one, true},
		{"nothing", remoteProgram, 1, 0, "", true},
		{"another program's", 0x20008087, 273, 0, huge + web1, false},
		{"a lease", remoteProgram, 341, 0, one + "\x00\x00\x00\x03br0\x00" + "01234567" + one + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" +
			"\x00\x00\x00\x04addr" + one + one + "\x00\x00\x00\x04web1" + "\x00\x00\x00\x00" + one, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := fits(header(tt.program, tt.procedure, tt.status), []byte(tt.payload)); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
