package dnsmasq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"mdserver/internal/api"
	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/process"
	"mdserver/internal/instance"
	"mdserver/internal/nameserver"
)

// memory is a dnsmasq in memory. It reads the files of a Service as the real one does: all
// at its start, the options and the guests at SIGHUP, and new small files at once. It
// answers DNS on the loopback interface.
type memory struct {
	ours    bool // the Service has started it, and may restart it
	old     bool // it has the Python mdserver's configuration
	addr    netip.AddrPort
	waiting chan struct{} // closed when Await waits

	mu       sync.Mutex
	settings content.Settings // the last that the Service gave it
	now      *process.Running // nil if it does not run
	epoch    int
	texts    []string          // the TXT records of its configuration
	names    map[string]string // the addresses of each name
	dhcp     string
	read     map[string]bool // small files
	blind    bool            // it does not read its files
	lost     string          // a name that it ignores
	err      error           // returned instead of each answer
	heals    bool            // a restart clears err
	waits    bool            // Await waits until its context ends
	deadline time.Time       // of the last wait for its files
	did      []string        // what it was told since the last call of told
}

// newMemory makes a Service whose dnsmasq is in memory. Each function changes its
// settings. It needs neither root nor a dnsmasq on this host.
func newMemory(t *testing.T, change ...func(*content.Settings)) (*Service, *memory) {
	t.Helper()
	settings := settingsFor(t)
	me, err := user.Current()
	must(t, err)
	settings.Mode, settings.Binary, settings.User = content.Child, "true", me.Username
	for _, f := range change {
		f(&settings)
	}
	m := &memory{ours: settings.Mode == content.Child, waiting: make(chan struct{})}
	m.addr = serveDNS(t, m.answer)
	s := New(settings, slog.New(slog.DiscardHandler))
	m.settings = s.settings.Settings
	s.reach = reach{run: m.run, dns: func(settings content.Settings) server {
		m.set(func() { m.settings = settings })
		return m
	}}
	t.Cleanup(func() { must(t, s.Close()) })
	return s, m
}

func external(s *content.Settings) { s.Mode = content.External }

// startMemory calls newMemory and starts the Service.
func startMemory(t *testing.T, guests []instance.Instance, change ...func(*content.Settings)) (*Service, *memory) {
	t.Helper()
	s, m := newMemory(t, change...)
	must(t, s.Start(t.Context(), guests))
	m.told()
	return s, m
}

// serveDNS answers with the addresses of names on the loopback interface.
func serveDNS(t *testing.T, answer func(name string) string) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	listener := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := new(dns.Msg).SetReply(query)
		q := query.Question[0]
		for addr := range strings.FieldsSeq(answer(strings.TrimSuffix(q.Name, "."))) {
			if strings.Contains(addr, ":") != (q.Qtype == dns.TypeAAAA) {
				continue
			}
			if record, err := dns.NewRR(q.Name + " " + dns.TypeToString[q.Qtype] + " " + addr); err == nil {
				reply.Answer = append(reply.Answer, record)
			}
		}
		_ = w.WriteMsg(reply)
	})}
	done := make(chan error, 1)
	go func() { done <- listener.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// set changes how the dnsmasq behaves.
func (m *memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// told returns what the dnsmasq was told since the last call.
func (m *memory) told() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	did := strings.Join(m.did, ", ")
	m.did = nil
	return did
}

func (m *memory) note(format string, args ...any) {
	m.did = append(m.did, fmt.Sprintf(format, args...))
}

func (m *memory) run(s *Service) process.Runner {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settings = s.settings.Settings
	if m.ours {
		m.note("start")
		m.begin()
	}
	return m
}

// appears starts the dnsmasq as another program would.
func (m *memory) appears() { m.set(m.begin) }

// begin does what a new process does.
func (m *memory) begin() {
	m.epoch++
	m.now = &process.Running{PID: 1000 + m.epoch, Epoch: m.epoch, Ours: m.ours, Signal: m.signal}
	m.texts = nil
	if text, err := os.ReadFile(m.settings.ConfigFile()); err == nil && !m.old {
		_, digest, _ := strings.Cut(string(text), "txt-record="+content.ConfigName+",")
		m.texts = []string{strings.TrimSpace(digest)}
	}
	m.readAll()
}

func (m *memory) readAll() {
	m.names, m.dhcp, m.read = map[string]string{}, "", map[string]bool{}
	m.readPair(m.settings.DHCPFile(), m.settings.DNSFile())
	m.notice()
}

func (m *memory) readPair(dhcp, hosts string) {
	text, _ := os.ReadFile(dhcp)
	m.dhcp += string(text)
	text, _ = os.ReadFile(hosts)
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		for _, name := range fields[1:] {
			if name != m.lost {
				m.names[name] += " " + fields[0]
			}
		}
	}
}

// notice reads the small files that are new.
func (m *memory) notice() {
	if m.blind || m.old {
		return
	}
	files, _ := os.ReadDir(m.settings.DNSDir())
	for _, file := range files {
		if name := file.Name(); !m.read[name] {
			m.read[name] = true
			m.readPair(filepath.Join(m.settings.DHCPDir(), name), filepath.Join(m.settings.DNSDir(), name))
		}
	}
}

func (m *memory) signal(sig syscall.Signal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note("%v", sig)
	if !m.blind {
		m.readAll()
	}
	return nil
}

func (m *memory) answer(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notice()
	return m.names[name]
}

// serves reports whether guests get their addresses and names.
func (m *memory) serves(guests ...instance.Instance) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notice()
	return !slices.ContainsFunc(guests, func(g instance.Instance) bool {
		return !strings.Contains(m.names[g.Hostname], g.IPv4.String()) || !strings.Contains(m.dhcp, g.MAC.String()+",id:*,"+g.IPv4.String()+",")
	})
}

func (m *memory) Peek() *process.Running {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *memory) Wait(context.Context) (*process.Running, error) { return m.Peek(), nil }

func (m *memory) Restart(_ context.Context, signal syscall.Signal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ours {
		return process.ErrNotOurs
	}
	m.note("restart by %v", signal)
	if m.heals {
		m.err = nil
	}
	m.begin()
	return nil
}

func (m *memory) Report(st *api.Dnsmasq) {
	if now := m.Peek(); now != nil {
		st.PID = now.PID
	} else {
		st.Live = false
	}
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note("close")
	if m.ours {
		m.now = nil
	}
	return nil
}

func (m *memory) Address() (netip.AddrPort, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.addr, m.err
}

func (m *memory) Dial(ctx context.Context) (*nameserver.Client, error) {
	addr, err := m.Address()
	if err != nil {
		return nil, err
	}
	return nameserver.Dial(ctx, addr)
}

func (m *memory) FirstAnswer(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.texts, m.err
}

func (m *memory) Await(ctx context.Context, name string, addr netip.Addr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deadline, _ = ctx.Deadline()
	if m.waits {
		close(m.waiting)
		m.mu.Unlock()
		<-ctx.Done()
		m.mu.Lock()
		return context.Cause(ctx)
	}
	m.notice()
	if m.err == nil && !slices.Contains(strings.Fields(m.names[name]), addr.String()) {
		return errors.New("it has not read its files")
	}
	return m.err
}

func (m *memory) Release(_ context.Context, leases []content.Binding) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	slices.SortFunc(leases, func(a, b content.Binding) int { return a.Addr.Compare(b.Addr) })
	for _, lease := range leases {
		m.note("release %v", lease.Addr)
	}
	return nil
}
