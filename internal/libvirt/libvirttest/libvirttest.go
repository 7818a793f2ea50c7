// Package libvirttest is a libvirt for tests that need neither root nor libvirt's
// daemons. It speaks libvirt's protocol on a socket, as far as reading domains and
// networks goes: src/rpc/virnetprotocol.x and src/remote/remote_protocol.x.
package libvirttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"
)

// Domain is a domain that the server has.
type Domain struct {
	UUID    uuid.UUID
	Name    string
	XML     string
	Running bool
	Moving  bool // paused for a migration

	Stored    string // the definition at its next start, with its passwords; XML if it is empty
	Transient bool   // it has no such definition
	Saved     bool   // a saved state waits
}

// Server is a libvirt. Make one with New.
type Server struct {
	Socket string // where it listens, unless it is in memory

	mu       sync.Mutex
	domains  []Domain
	networks map[string]*Network
	refused  map[Procedure]golibvirt.ErrorNumber
	broken   map[Procedure]bool
	ignored  map[Procedure]bool
	calls    map[Procedure]int
	conns    map[net.Conn][]int32 // the events that each asked for
	silenced bool
	lost     int
	left     sync.Cond // a client has gone
	serving  sync.WaitGroup
}

// Procedure is the number of a call.
type Procedure uint32

// The calls that the server answers.
const (
	ConnectOpen       Procedure = 1
	ConnectClose      Procedure = 2
	DomainDefine      Procedure = 11
	DomainGetXML      Procedure = 14
	DomainLookupName  Procedure = 23
	DomainLookup      Procedure = 24
	DomainPersistent  Procedure = 151
	DomainHasSaved    Procedure = 183
	NetworkGetXML     Procedure = 43
	NetworkGetBridge  Procedure = 45
	NetworkLookup     Procedure = 46
	DomainGetState    Procedure = 212
	SupportsFeature   Procedure = 60
	AuthList          Procedure = 66
	NetworkActive     Procedure = 152
	NetworkPersistent Procedure = 153
	GetLibVersion     Procedure = 157
	ListAllDomains    Procedure = 273
	ListAllNetworks   Procedure = 283
	NetworkUpdate     Procedure = 291
	RegisterEvents    Procedure = 316
	DeregisterEvents  Procedure = 317
	NetworkLeases     Procedure = 341
	lifecycleCallback Procedure = 318
)

const (
	program     = 0x20008086
	version     = 1
	typeReply   = 1
	typeMessage = 2
	statusOK    = 0
	statusError = 1
	headerSize  = 28 // with the length before it
)

// New starts a server that has neither domains nor networks. It ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := InMemory(t)
	s.Socket = filepath.Join(shortDir(t), "libvirt-sock")
	listener, err := net.Listen("unix", s.Socket)
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.begin(conn)
		}
	})
	t.Cleanup(func() { // before the one of InMemory
		_ = listener.Close()
		accepting.Wait()
	})
	return s
}

// InMemory starts a server without a socket, which connects as a
// connection.Dialer. It works in a bubble of testing/synctest: its connections wait
// for nothing outside of it. It ends with the test.
func InMemory(t testing.TB) *Server {
	s := &Server{
		Socket:   "/in/memory/libvirt-sock",
		networks: map[string]*Network{}, refused: map[Procedure]golibvirt.ErrorNumber{}, broken: map[Procedure]bool{}, ignored: map[Procedure]bool{},
		calls: map[Procedure]int{}, conns: map[net.Conn][]int32{},
	}
	s.left.L = &s.mu
	t.Cleanup(func() {
		s.HangUp()
		s.serving.Wait()
	})
	return s
}

// DialContext returns a new connection to the server. It ignores the address.
func (s *Server) DialContext(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	s.begin(server)
	return client, nil
}

// begin serves a connection until it ends.
func (s *Server) begin(conn net.Conn) {
	s.mu.Lock()
	s.conns[conn] = nil
	s.mu.Unlock()
	s.serving.Go(func() { s.serve(conn) })
}

// shortDir makes a directory without the test's name in its path: the path of a
// socket has 107 bytes at most.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "libvirt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Define adds a domain, or changes the one with the same UUID.
func (s *Server) Define(d Domain) {
	s.Undefine(d.UUID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.domains = append(s.domains, d)
}

// Undefine removes a domain.
func (s *Server) Undefine(id uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.domains = slices.DeleteFunc(s.domains, func(d Domain) bool { return d.UUID == id })
}

// Refuse has a call fail with an error; 0 ends that.
func (s *Server) Refuse(call Procedure, with golibvirt.ErrorNumber) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[call] = with
}

// Break has the server hang up at a call instead of answering it, or answer again.
func (s *Server) Break(call Procedure, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[call] = broken
}

// Ignore has the server not answer a call, or answer it again.
func (s *Server) Ignore(call Procedure, ignored bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ignored[call] = ignored
}

// Silence has the server answer no calls, or answer again.
func (s *Server) Silence(silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silenced = silent
}

// Calls returns how often a call was made.
func (s *Server) Calls(call Procedure) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

// Connections returns the number of clients.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Lost waits until all clients have gone, and returns how many did so without a call of
// ConnectClose. libvirtd logs an error about each.
func (s *Server) Lost() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 {
		s.left.Wait()
	}
	return s.lost
}

// HangUp closes all connections.
func (s *Server) HangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// Lifecycle sends an event of a domain's life to all who asked for such events.
func (s *Server) Lifecycle(id uuid.UUID, event golibvirt.DomainEventType, detail int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const topic = int32(golibvirt.DomainEventIDLifecycle)
	for conn, topics := range s.conns {
		if slices.Contains(topics, topic) {
			var body payload
			body.number(topic) // the server uses an event's number as that of the callback
			body.domain(Domain{UUID: id})
			body.number(int32(event))
			body.number(detail)
			_, _ = conn.Write(packet(lifecycleCallback, typeMessage, 0, statusOK, body.Bytes()))
		}
	}
}

// serve answers the calls of one connection until it ends.
func (s *Server) serve(conn net.Conn) {
	var err error
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !errors.Is(err, errLeft) {
			s.lost++
		}
		delete(s.conns, conn)
		s.left.Broadcast()
		_ = conn.Close()
	}()
	for {
		head := make([]byte, headerSize)
		if _, err = io.ReadFull(conn, head); err != nil {
			return
		}
		arguments := make([]byte, binary.BigEndian.Uint32(head)-headerSize)
		if _, err = io.ReadFull(conn, arguments); err != nil {
			return
		}
		call, serial := Procedure(binary.BigEndian.Uint32(head[12:])), binary.BigEndian.Uint32(head[20:])
		if err = s.answer(conn, call, serial, arguments); err != nil {
			return
		}
	}
}

var (
	errProtocol = errors.New("a call that the server does not know")
	errBroken   = errors.New("the server hangs up at this call")
	errLeft     = errors.New("the client leaves")
)

func (s *Server) answer(conn net.Conn, call Procedure, serial uint32, arguments []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[call]++
	if s.silenced || s.ignored[call] {
		return nil
	}
	if s.broken[call] {
		return errBroken
	}
	var body payload
	failed := s.refused[call]
	if failed == 0 {
		var err error
		if failed, err = s.reply(conn, call, arguments, &body); err != nil {
			return err
		}
	}
	status := uint32(statusOK)
	if failed != 0 {
		status = statusError
		body = payload{}
		body.number(int32(failed))
		body.number(0) // the part of libvirt
		body.number(1) // there is a message
		body.text("refused by the test")
		body.number(2) // an error
	}
	_, err := conn.Write(packet(call, typeReply, serial, status, body.Bytes()))
	if err == nil && call == ConnectClose {
		err = errLeft
	}
	return err
}

// reply answers a call. A number other than 0 is libvirt's error.
func (s *Server) reply(conn net.Conn, call Procedure, arguments []byte, body *payload) (golibvirt.ErrorNumber, error) {
	switch call {
	case ConnectOpen, ConnectClose, DeregisterEvents:
	case AuthList:
		body.number(0)
	case GetLibVersion:
		body.number(0)
		body.number(9_000_000)
	case ListAllDomains:
		all := s.listed(golibvirt.ConnectListAllDomainsFlags(binary.BigEndian.Uint32(arguments[len(arguments)-4:])))
		body.number(int32(len(all)))
		for _, d := range all {
			body.domain(d)
		}
		body.number(int32(len(all)))
	case DomainLookup:
		d, ok := s.find(uuid.UUID(arguments[:16]))
		if !ok {
			return golibvirt.ErrNoDomain, nil
		}
		body.domain(d)
	case DomainGetXML:
		d, ok := s.find(uuid.UUID(arguments[len(arguments)-24:][:16])) // before the id and the flags
		if !ok {
			return golibvirt.ErrNoDomain, nil
		}
		body.text(d.definition(golibvirt.DomainXMLFlags(binary.BigEndian.Uint32(arguments[len(arguments)-4:]))))
	case DomainGetState:
		d, ok := s.find(uuid.UUID(arguments[len(arguments)-24:][:16])) // before the id and the flags
		if !ok {
			return golibvirt.ErrNoDomain, nil
		}
		body.number(int32(d.state()))
		if d.Moving {
			body.number(int32(golibvirt.DomainPausedMigration))
		} else {
			body.number(0)
		}
	case RegisterEvents:
		topic := int32(binary.BigEndian.Uint32(arguments))
		s.conns[conn] = append(s.conns[conn], topic)
		body.number(topic)
	case DomainLookupName, DomainPersistent, DomainHasSaved, DomainDefine:
		return s.definitionReply(call, arguments, body)
	default:
		return s.networkReply(call, arguments, body)
	}
	return 0, nil
}

// listed are the domains that a client asks for: those that run, those that do not, or
// both, as without a flag.
func (s *Server) listed(which golibvirt.ConnectListAllDomainsFlags) []Domain {
	const running, off = golibvirt.ConnectListDomainsActive, golibvirt.ConnectListDomainsInactive
	return slices.DeleteFunc(slices.Clone(s.domains), func(d Domain) bool {
		return d.Running && which&(running|off) == off || !d.Running && which&(running|off) == running
	})
}

func (s *Server) find(id uuid.UUID) (Domain, bool) {
	i := slices.IndexFunc(s.domains, func(d Domain) bool { return d.UUID == id })
	if i < 0 {
		return Domain{}, false
	}
	return s.domains[i], true
}

func (d Domain) state() golibvirt.DomainState {
	switch {
	case !d.Running:
		return golibvirt.DomainShutoff
	case d.Moving:
		return golibvirt.DomainPaused
	}
	return golibvirt.DomainRunning
}

// payload is the body of a packet, in XDR (RFC 4506).
type payload struct{ bytes.Buffer }

func (p *payload) number(n int32) { _ = binary.Write(p, binary.BigEndian, n) }

func (p *payload) text(s string) {
	p.number(int32(len(s)))
	p.WriteString(s)
	p.Write(make([]byte, -len(s)&3))
}

func (p *payload) domain(d Domain) {
	p.text(d.Name)
	p.Write(d.UUID[:])
	if d.Running {
		p.number(1)
	} else {
		p.number(-1)
	}
}

func packet(call Procedure, kind, serial, status uint32, body []byte) []byte {
	var b []byte
	for _, n := range []uint32{uint32(headerSize + len(body)), program, version, uint32(call), kind, serial, status} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return append(b, body...)
}
