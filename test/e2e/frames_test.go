//go:build e2e

package e2e

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/internal/instance"
	"mdserver/test/lab"
)

// wire sends and receives whole Ethernet frames at a guest's interface, as a
// guest with a kernel of its own choice can.
type wire struct {
	fd int
}

func newWire(t *testing.T, g *lab.Guest) *wire {
	t.Helper()
	w := &wire{}
	err := g.Do(func() (err error) {
		nic, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		protocol := int(htons(unix.ETH_P_ALL))
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol); err != nil {
			return err
		}
		t.Cleanup(func() { _ = unix.Close(w.fd) })
		if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
			return err
		}
		mreq := unix.PacketMreq{Ifindex: int32(nic.Index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(w.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: nic.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func htons(n uint16) uint16 { return n<<8 | n>>8 }

func parseMAC(t *testing.T, text string) instance.MAC {
	t.Helper()
	mac, err := instance.ParseMAC(text)
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

// segment is a TCP segment by IPv4.
type segment struct {
	from, to netip.AddrPort
	seq, ack uint32
	flags    byte
	data     string
}

const flagSYN, flagACK, flagPSH = 0x02, 0x10, 0x08

func (s segment) frame(source, destination instance.MAC) []byte {
	e := binary.BigEndian
	ip := make([]byte, 20)
	ip[0], ip[8], ip[9] = 0x45, 64, 6
	e.PutUint16(ip[2:], uint16(40+len(s.data)))
	copy(ip[12:], s.from.Addr().AsSlice())
	copy(ip[16:], s.to.Addr().AsSlice())
	e.PutUint16(ip[10:], ^sum(0, ip))
	tcp := make([]byte, 20, 20+len(s.data))
	e.PutUint16(tcp, s.from.Port())
	e.PutUint16(tcp[2:], s.to.Port())
	e.PutUint32(tcp[4:], s.seq)
	e.PutUint32(tcp[8:], s.ack)
	tcp[12], tcp[13] = 5<<4, s.flags
	e.PutUint16(tcp[14:], 65535)
	tcp = append(tcp, s.data...)
	e.PutUint16(tcp[16:], ^sum(sum(uint16(6+len(tcp)), ip[12:20]), tcp))
	frame := append(destination[:], source[:]...)
	frame = append(frame, 0x08, 0x00)
	return append(append(frame, ip...), tcp...)
}

// sum is the Internet checksum of RFC 1071, not yet inverted.
func sum(start uint16, b []byte) uint16 {
	total := uint32(start)
	for i := 0; i < len(b); i += 2 {
		total += uint32(b[i]) << 8
		if i+1 < len(b) {
			total += uint32(b[i+1])
		}
	}
	for total>>16 != 0 {
		total = total&0xffff + total>>16
	}
	return uint16(total)
}

func (w *wire) send(t *testing.T, frame []byte) {
	t.Helper()
	if _, err := unix.Write(w.fd, frame); err != nil {
		t.Fatal(err)
	}
}

// synACK waits for the server's part of a handshake and gives its number.
func (w *wire) synACK(t *testing.T, to netip.AddrPort) uint32 {
	t.Helper()
	buf := make([]byte, 2048)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		n, err := unix.Read(w.fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		f := buf[:n]
		if n < 54 || f[12] != 8 || f[13] != 0 || f[14] != 0x45 || f[23] != 6 || f[47] != flagSYN|flagACK {
			continue
		}
		if netip.AddrFrom4([4]byte(f[30:34])) == to.Addr() && binary.BigEndian.Uint16(f[36:]) == to.Port() {
			return binary.BigEndian.Uint32(f[38:])
		}
	}
	t.Fatal("no answer to the SYN")
	return 0
}
