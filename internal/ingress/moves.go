package ingress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/instance"
)

const (
	// handshakeTime is longer than a connection takes to be made if the kernel did
	// not have to repeat its part, which it does after a second.
	handshakeTime = 5 * time.Second
	// repeatedTime is longer than one takes if it had to.
	repeatedTime = 5 * time.Minute
	// moveBuffer is what the kernel may keep for us, in bytes.
	moveBuffer = 8 << 20
	// leastPlaces is how many places are kept before old ones are looked for.
	leastPlaces = 1024
)

// moves follows which MACs go from one port of a bridge to another. A guest that
// sends with another guest's MAC moves it to its own port for a moment. The kernel
// queues a message about that before it forwards the frame, so when a connection
// is accepted, all messages that concern it are here.
type moves struct {
	known func(instance.MAC) bool
	log   *slog.Logger
	file  *os.File
	raw   syscall.RawConn
	done  chan struct{}

	mu    sync.Mutex // of reading, and what follows
	at    map[place]sighting
	kept  int       // places, when old ones were last forgotten
	lost  time.Time // when news were lost last
	stale bool      // the tables must be read again
}

// sighting is where a MAC is.
type sighting struct {
	port  int
	moved time.Time // from another port; zero if it was not seen to
	gone  bool      // from the table
}

// over reports whether a sighting matters no more.
func (s sighting) over() bool { return s.gone && time.Since(s.moved) > repeatedTime }

// follow begins to follow those MACs that are known.
func follow(known func(instance.MAC) bool, log *slog.Logger) (*moves, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("rtnetlink: %w", err)
	}
	m := &moves{known: known, log: log, file: os.NewFile(uintptr(fd), "rtnetlink"), done: make(chan struct{}), at: map[place]sighting{}}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, moveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, moveBuffer)
	}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_NEIGH - 1)})
	if err == nil {
		m.raw, err = m.file.SyscallConn()
	}
	if err == nil {
		err = m.readTables()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("forwarding tables of bridges: %w", err), m.file.Close())
	}
	go m.run()
	return m, nil
}

func (m *moves) close() error {
	err := m.file.Close()
	<-m.done
	return err
}

func (m *moves) run() {
	defer close(m.done)
	_ = m.raw.Read(func(fd uintptr) bool { // until the file is closed
		m.mu.Lock()
		defer m.mu.Unlock()
		m.drain(int(fd))
		return false
	})
}

// during reports whether the MAC may have been at another port since the
// connection began.
func (m *moves) during(tcp *net.TCPConn, at place) bool {
	m.mu.Lock()
	_ = m.raw.Control(func(fd uintptr) { m.drain(int(fd)) })
	last := m.lastMove(at)
	m.mu.Unlock()
	switch ago := time.Since(last); {
	case last.IsZero() || ago > repeatedTime:
		return false
	case ago < handshakeTime:
		return true
	}
	return repeated(tcp)
}

// lastMove returns when a MAC may last have come from another port, or zero if it never has.
func (m *moves) lastMove(at place) time.Time {
	if last := m.at[at].moved; last.After(m.lost) {
		return last
	}
	return m.lost
}

// repeated reports whether the kernel had to repeat its part of the handshake.
func repeated(tcp *net.TCPConn) bool {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return true
	}
	var info *unix.TCPInfo
	controlErr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO) })
	return errors.Join(controlErr, err) != nil || info.Total_retrans > 0
}

// drain takes all news that there are.
func (m *moves) drain(fd int) {
	var buf [8192]byte // more than a message of one entry
	for {
		n, _, err := unix.Recvfrom(fd, buf[:], unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOBUFS):
			m.lose()
		case err != nil:
			m.resync()
			return
		default:
			m.take(buf[:n])
		}
	}
}

func (m *moves) lose() {
	if time.Since(m.lost) > handshakeTime {
		m.log.Warn("updates of the bridges' forwarding tables were lost; refusing connections of guests for some seconds")
	}
	m.lost, m.stale = time.Now(), true
}

// resync reads the tables if messages were lost, at most once in the time that
// connections are refused because of that.
func (m *moves) resync() {
	if !m.stale || time.Since(m.lost) < handshakeTime/2 {
		return
	}
	if err := m.readTables(); err != nil {
		m.lost = time.Now()
		m.log.Warn("the bridges' forwarding tables cannot be read", "error", err)
		return
	}
	m.stale = false
}

// readTables takes over what all bridges know.
func (m *moves) readTables() error {
	entries, err := netlink.NeighList(0, unix.AF_BRIDGE)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) { // by a change, which is news
		return err
	}
	m.takeTables(entries, err == nil)
	return nil
}

// takeTables takes over a list of entries. If the list is whole, all other entries are gone.
func (m *moves) takeTables(entries []netlink.Neigh, whole bool) {
	there := map[place]bool{}
	for _, e := range entries {
		if len(e.HardwareAddr) == len(instance.MAC{}) && e.MasterIndex != 0 {
			at := place{e.MasterIndex, uint16(e.Vlan), instance.MAC(e.HardwareAddr)}
			there[at] = true
			m.see(at, e.LinkIndex)
		}
	}
	for at := range m.at { // its removal may be among the news that were lost
		if whole && !there[at] {
			m.leave(at)
		}
	}
}

func (m *moves) take(news []byte) {
	messages, err := syscall.ParseNetlinkMessage(news)
	if err != nil {
		m.lose()
		return
	}
	for _, message := range messages {
		at, port, ok := parseEntry(message.Data)
		switch {
		case !ok:
		case message.Header.Type == unix.RTM_NEWNEIGH:
			m.see(at, port)
		case message.Header.Type == unix.RTM_DELNEIGH:
			m.leave(at)
		}
	}
}

// see notes where a MAC is. One that is seen for the first time has not moved: a
// guest sends its first frame when it boots, and asks right after.
func (m *moves) see(at place, port int) {
	if !m.known(at.mac) {
		return
	}
	now := sighting{port: port}
	if before, seen := m.at[at]; seen {
		now.moved = before.moved
		if before.port != port {
			now.moved = time.Now()
		}
	} else {
		m.forget()
	}
	m.at[at] = now
}

// leave notes that a MAC is in a table no more. If it has moved shortly before,
// that is not forgotten at once.
func (m *moves) leave(at place) {
	was, seen := m.at[at]
	if !seen {
		return
	}
	if was.gone = true; was.over() {
		delete(m.at, at)
		return
	}
	m.at[at] = was
}

// forget drops what matters no more once there are twice as many places as were
// left the last time.
func (m *moves) forget() {
	if len(m.at) < max(leastPlaces, 2*m.kept) {
		return
	}
	maps.DeleteFunc(m.at, func(_ place, s sighting) bool { return s.over() })
	m.kept = len(m.at)
}

// parseEntry reads an entry of a bridge's forwarding table: struct ndmsg and its
// attributes, as in rtnetlink(7).
func parseEntry(data []byte) (at place, port int, ok bool) {
	if len(data) < unix.SizeofNdMsg || data[0] != unix.AF_BRIDGE {
		return place{}, 0, false
	}
	e := binary.NativeEndian
	port = int(e.Uint32(data[4:]))
	for rest := data[unix.SizeofNdMsg:]; len(rest) >= unix.SizeofRtAttr; {
		size, kind := int(e.Uint16(rest)), e.Uint16(rest[2:])
		if size < unix.SizeofRtAttr || size > len(rest) {
			return place{}, 0, false
		}
		value := rest[unix.SizeofRtAttr:size]
		switch {
		case kind == netlink.NDA_LLADDR && len(value) == len(at.mac):
			at.mac = instance.MAC(value)
		case kind == netlink.NDA_MASTER && len(value) == 4:
			at.bridge = int(e.Uint32(value))
		case kind == netlink.NDA_VLAN && len(value) == 2:
			at.vlan = e.Uint16(value)
		}
		rest = rest[min(len(rest), (size+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
	}
	return at, port, at.bridge != 0 && !at.mac.IsZero()
}
