package ingress

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/instance"
)

// news is what the kernel tells of an entry of a bridge's forwarding table.
func news(kind uint16, at place, port int) []byte {
	e := binary.NativeEndian
	b := make([]byte, unix.SizeofNlMsghdr+unix.SizeofNdMsg)
	e.PutUint16(b[4:], kind)
	b[unix.SizeofNlMsghdr] = unix.AF_BRIDGE
	e.PutUint32(b[unix.SizeofNlMsghdr+4:], uint32(port))
	b = appendAttribute(b, netlink.NDA_LLADDR, at.mac[:])
	b = appendAttribute(b, netlink.NDA_MASTER, e.AppendUint32(nil, uint32(at.bridge)))
	if at.vlan != 0 {
		b = appendAttribute(b, netlink.NDA_VLAN, e.AppendUint16(nil, at.vlan))
	}
	e.PutUint32(b, uint32(len(b)))
	return b
}

func TestMoves(t *testing.T) {
	m := &moves{
		known: func(mac instance.MAC) bool { return mac == guestMAC }, log: slog.New(slog.DiscardHandler), at: map[place]sighting{},
	}
	at := place{bridge: 3, mac: guestMAC}
	moved := func() bool { return !m.at[at].moved.IsZero() }

	m.take(news(unix.RTM_NEWNEIGH, at, 5))
	m.take(news(unix.RTM_NEWNEIGH, at, 5))
	if moved() {
		t.Error("a guest that was first seen has moved")
	}
	m.take(news(unix.RTM_NEWNEIGH, place{3, 7, guestMAC}, 6))
	m.take(news(unix.RTM_NEWNEIGH, place{4, 0, guestMAC}, 6))
	if moved() {
		t.Error("what is in another VLAN or bridge counts")
	}
	m.take(news(unix.RTM_DELNEIGH, at, 5)) // it is off
	m.take(news(unix.RTM_NEWNEIGH, at, 8))
	if moved() {
		t.Error("a guest that has a new tap has moved")
	}
	m.take(news(unix.RTM_NEWNEIGH, at, 6))
	m.take(news(unix.RTM_NEWNEIGH, at, 8))
	if !moved() || time.Since(m.at[at].moved) > time.Minute {
		t.Error("a MAC that was at another port has not moved")
	}
	m.take(news(unix.RTM_NEWNEIGH, at, 8))
	if !moved() {
		t.Error("its move is forgotten when it is seen again")
	}
	m.take(news(unix.RTM_DELNEIGH, at, 8))
	if !moved() {
		t.Error("its move is forgotten when it is gone")
	}
	m.take(news(unix.RTM_NEWNEIGH, place{bridge: 3, mac: hostMAC}, 5))
	if len(m.at) != 3 {
		t.Errorf("%d MACs are kept, want those of guests alone", len(m.at))
	}
	if !m.lost.IsZero() {
		t.Error("news was lost")
	}
	m.take(make([]byte, unix.SizeofNlMsghdr))
	if m.lost.IsZero() || !m.stale {
		t.Error("news that cannot be read are not lost")
	}
}

// TestMovesAreForgotten: guests that have moved shortly before they are gone leave
// nothing behind in the long run.
func TestMovesAreForgotten(t *testing.T) {
	m := &moves{known: func(instance.MAC) bool { return true }, log: slog.New(slog.DiscardHandler), at: map[place]sighting{}}
	at := func(n int) place { return place{3, 0, instance.MAC{2, 0, 0, 0, byte(n >> 8), byte(n)}} }
	age := func(p place) {
		s := m.at[p]
		s.moved = s.moved.Add(-2 * repeatedTime)
		m.at[p] = s
	}
	m.take(news(unix.RTM_NEWNEIGH, at(0), 5)) // it stays
	m.take(news(unix.RTM_NEWNEIGH, at(0), 6))
	for n := 1; n < 10*leastPlaces; n++ {
		m.take(news(unix.RTM_NEWNEIGH, at(n), 5))
		m.take(news(unix.RTM_NEWNEIGH, at(n), 6))
		m.take(news(unix.RTM_DELNEIGH, at(n), 6))
		age(at(n))
	}
	if len(m.at) > leastPlaces+1 {
		t.Errorf("%d places are kept of one guest and of others that are gone", len(m.at))
	}
	if m.at[at(0)].moved.IsZero() {
		t.Error("a guest that is there is forgotten")
	}
	age(at(0)) // its next move must still be noticed
	for n := 1; n < 2*leastPlaces; n++ {
		m.take(news(unix.RTM_NEWNEIGH, at(n), 5))
	}
	if m.at[at(0)].port != 6 {
		t.Error("a guest that is there, but moved long ago, is forgotten")
	}
}

// TestLastMove checks that each MAC may have moved at the time when news was lost.
func TestLastMove(t *testing.T) {
	earlier, later := time.Now().Add(-time.Hour), time.Now()
	at, other := place{bridge: 3, mac: guestMAC}, place{bridge: 3, mac: hostMAC}
	for _, tt := range []struct {
		name        string
		moved, lost time.Time
		want        [2]time.Time // for at, and for a MAC that has not moved
	}{
		{"neither", time.Time{}, time.Time{}, [2]time.Time{}},
		{"it has moved", earlier, time.Time{}, [2]time.Time{earlier, {}}},
		{"news was lost", time.Time{}, earlier, [2]time.Time{earlier, earlier}},
		{"news was lost later", earlier, later, [2]time.Time{later, later}},
		{"news was lost earlier", later, earlier, [2]time.Time{later, earlier}},
	} {
		m := &moves{at: map[place]sighting{at: {port: 5, moved: tt.moved}}, lost: tt.lost}
		if got := [2]time.Time{m.lastMove(at), m.lastMove(other)}; got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestTables checks that takeTables takes over all entries of the kernel, and forgets a
// MAC that is not listed, unless the list was interrupted.
func TestTables(t *testing.T) {
	entry := func(at place, port int) netlink.Neigh {
		return netlink.Neigh{MasterIndex: at.bridge, Vlan: int(at.vlan), HardwareAddr: at.mac[:], LinkIndex: port}
	}
	stays, wanders, goes := place{bridge: 3, mac: instance.MAC{2, 1}}, place{bridge: 3, mac: instance.MAC{2, 2}}, place{bridge: 3, mac: instance.MAC{2, 3}}
	tagged := place{3, 7, stays.mac}
	for name, whole := range map[string]bool{"a whole list": true, "an interrupted list": false} {
		t.Run(name, func(t *testing.T) {
			m := &moves{known: func(instance.MAC) bool { return true }, at: map[place]sighting{}}
			m.takeTables([]netlink.Neigh{entry(stays, 5), entry(wanders, 5), entry(goes, 5)}, true)
			m.takeTables([]netlink.Neigh{
				entry(stays, 5), entry(wanders, 6), entry(tagged, 8),
				{LinkIndex: 5, HardwareAddr: stays.mac[:]}, // on no bridge
				{LinkIndex: 5, MasterIndex: 3, HardwareAddr: make([]byte, 20)},
			}, whole)
			if at := m.at[stays]; at.port != 5 || !at.moved.IsZero() {
				t.Errorf("the MAC that stays: %+v", at)
			}
			if at := m.at[wanders]; at.port != 6 || at.moved.IsZero() {
				t.Errorf("the MAC that moves: %+v", at)
			}
			if at := m.at[tagged]; at.port != 8 || !at.moved.IsZero() {
				t.Errorf("the MAC in a VLAN: %+v", at)
			}
			if _, there := m.at[goes]; there == whole || len(m.at) != 3 && whole {
				t.Errorf("the MAC that is not listed is kept: %v; %d in all", there, len(m.at))
			}
		})
	}
}

// TestAnswerTo checks that only the answer to this request counts, not a late one to an
// earlier request.
func TestAnswerTo(t *testing.T) {
	e := binary.NativeEndian
	answer := func(seq uint32, port int) []byte {
		b := news(unix.RTM_NEWNEIGH, place{bridge: 3, mac: guestMAC}, port)
		e.PutUint32(b[8:], seq)
		return b
	}
	refusal := make([]byte, unix.SizeofNlMsghdr+unix.SizeofNlMsgerr)
	e.PutUint32(refusal, uint32(len(refusal)))
	e.PutUint16(refusal[4:], unix.NLMSG_ERROR)
	e.PutUint32(refusal[8:], 7)
	noEntry := int32(unix.ENOENT)
	e.PutUint32(refusal[unix.SizeofNlMsghdr:], uint32(-noEntry))
	for _, tt := range []struct {
		name  string
		data  []byte
		port  int
		found bool
		err   error
	}{
		{"the answer", answer(7, 5), 5, true, nil},
		{"a late answer", answer(6, 5), 0, false, nil},
		{"news, which answers no request", answer(0, 5), 0, false, nil},
		{"a late answer before the answer", append(answer(6, 4), answer(7, 5)...), 5, true, nil},
		{"no entry", refusal, 0, true, unix.ENOENT},
	} {
		t.Run(tt.name, func(t *testing.T) {
			port, found, err := answerTo(7, tt.data)
			if port != tt.port || found != tt.found || !errors.Is(err, tt.err) {
				t.Errorf("%d, %v, %v; want %d, %v, %v", port, found, err, tt.port, tt.found, tt.err)
			}
		})
	}
}

// The kernel's tables are read as it writes them.
func TestParseEntry(t *testing.T) {
	want := place{bridge: 3, vlan: 7, mac: guestMAC}
	at, port, ok := parseEntry(news(unix.RTM_NEWNEIGH, want, 5)[unix.SizeofNlMsghdr:])
	if !ok || at != want || port != 5 {
		t.Errorf("%+v at %d, %v", at, port, ok)
	}
	request := want.request(9)
	if at, _, ok := parseEntry(request[unix.SizeofNlMsghdr:]); !ok || at != want || int(binary.NativeEndian.Uint32(request)) != len(request) {
		t.Errorf("a request for %+v", at)
	}
}
