package admission

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/httpcommon"
	"mdserver/internal/ingress"
	"mdserver/internal/instance"
)

var bridged = Policy{Interfaces: []string{"br-mds", "br-lan"}, Bridges: map[string]string{"mds": "br-mds", "lan": "br-lan"},
	Verify: VerifyBridge, Connections: 100, GuestConnections: 10}

// connect is a connection that has been accepted, with the facts of its sender.
func (d *Admission) connect(f facts) *conn {
	c := &conn{admission: d, facts: f, verdict: d.judge(&f)}
	if !d.enter(c) {
		panic("no room")
	}
	return c
}

// request is what handlers answer to a request that comes by a connection.
func (d *Admission) request(c *conn) *httptest.ResponseRecorder {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := httpcommon.Caller(r)
		switch {
		case who.Guest != nil:
			httpcommon.Text(w, who.Guest.Name)
		case who.Local:
			httpcommon.Text(w, "this host")
		default:
			httpcommon.Text(w, "a stranger")
		}
	})
	handler := d.Throttled(httpcommon.Identified(d.Caller, httpcommon.LogTo(slog.New(slog.DiscardHandler)), d.Verified(inner)))
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), connKey{}, c)))
	return w
}

func TestVerified(t *testing.T) {
	for _, tt := range []struct {
		name    string
		facts   facts
		status  int
		text    string
		closes  bool
		counted Counts
		log     string
	}{
		{"a guest", came("br-mds", "10.122.0.1", mac1, at("lo")), 200, "vm1", false, Counts{}, ""},
		{"this host", came("lo", "127.0.0.1", instance.MAC{}, ingress.Port{}), 200, "this host", false, Counts{}, ""},
		{"a stranger", came("br-mds", "10.122.0.9", mac2, at("vnet7")), 200, "a stranger", true, Counts{}, ""},
		{"another interface", came("virbr0", "10.122.0.1", mac1, at("lo")), 403, "Forbidden: guests are not served on this network", true,
			Counts{Interface: 1}, `msg="request refused: guests are not served on this interface" client="strangers by lo" address=10.122.0.1 interface=virbr0 mac=52:54:00:00:00:01` + "\n"},
		{"another network", came("br-lan", "10.122.0.1", mac1, at("lo")), 403, "Forbidden: the address belongs to another network", true,
			Counts{Interface: 1}, `its address belongs to another network" client="strangers by lo" address=10.122.0.1 interface=br-lan mac=52:54:00:00:00:01 guest=vm1 expected=52:54:00:00:00:01` + "\n"},
		{"another MAC", came("br-mds", "10.122.0.1", mac2, at("vnet7")), 403, "Forbidden: not sent by the guest that owns the address", true,
			Counts{MAC: 1}, `the MAC is not that of the address's guest" client="strangers by vnet7" address=10.122.0.1 interface=br-mds mac=52:54:00:00:00:02 guest=vm1 expected=52:54:00:00:00:01` + "\n"},
		{"another port", came("br-mds", "10.122.0.1", mac1, at("vnet7")), 403, "Forbidden: not sent from where the guest that owns the address is", true,
			Counts{Port: 1}, `the bridge port is not that of the MAC's guest" client="strangers by vnet7" address=10.122.0.1 interface=br-mds mac=52:54:00:00:00:01 guest=vm1 expected=52:54:00:00:00:01 port=vnet7 expected_port=lo contested=false` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := &strings.Builder{}
			d := New(bridged, inventory{vm1, vm2}, nil, slog.New(slog.NewTextHandler(log, nil)))
			w := d.request(d.connect(tt.facts))
			if w.Code != tt.status || strings.TrimSpace(w.Body.String()) != tt.text {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, tt.status, tt.text)
			}
			if closes := w.Header().Get("Connection") == "close"; closes != tt.closes {
				t.Errorf("closes %v, want %v", closes, tt.closes)
			}
			if got := d.Counts(); got != tt.counted {
				t.Errorf("counted %+v, want %+v", got, tt.counted)
			}
			if !strings.HasSuffix(log.String(), tt.log) || (tt.log == "") != (log.Len() == 0) {
				t.Errorf("logged %q, want %q", log, tt.log)
			}
		})
	}
}

// TestVerifiedContested: a guest whose MAC was at another port a moment ago loses its
// connection, so that its client tries again.
func TestVerifiedContested(t *testing.T) {
	log := &strings.Builder{}
	d := New(bridged, inventory{vm1, vm2}, nil, slog.New(slog.NewTextHandler(log, nil)))
	port := at("lo")
	port.Contested = true
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("the connection stays open")
		}
		if got, want := d.Counts(), (Counts{Port: 1}); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
		if !strings.HasSuffix(log.String(), "contested=true\n") {
			t.Errorf("logged %q", log)
		}
	}()
	w := d.request(d.connect(came("br-mds", "10.122.0.1", mac1, port)))
	t.Errorf("answered %d", w.Code)
}

// A connection belongs to the guest that it was accepted for, and to no other
// guest that has its address later.
func TestConnectionsOfFormerGuests(t *testing.T) {
	heir := *vm1
	heir.UUID, heir.Name = uuid.New(), "heir"
	renamed := *vm1
	renamed.Name = "renamed"
	moved := *vm1
	moved.MAC = mac3
	const former = "Forbidden: the connection belongs to another guest"
	for _, tt := range []struct {
		name          string
		before, after inventory
		status        int
		text          string
	}{
		{"nothing changes", inventory{vm1}, inventory{vm1}, 200, "vm1"},
		{"another record", inventory{vm1}, inventory{&renamed}, 200, "renamed"},
		{"released", inventory{vm1}, nil, 403, former},
		{"another guest has the address", inventory{vm1}, inventory{&heir}, 403, former},
		{"another MAC", inventory{vm1}, inventory{&moved}, 403, former},
		{"a stranger becomes a guest", nil, inventory{vm1}, 200, "a stranger"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			guests := tt.before
			d := New(bridged, &guests, nil, quiet)
			c := d.connect(came("br-mds", "10.122.0.1", mac1, at("lo")))
			guests = tt.after
			w := d.request(c)
			if w.Code != tt.status || strings.TrimSpace(w.Body.String()) != tt.text {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, tt.status, tt.text)
			}
			if closes := w.Header().Get("Connection") == "close"; closes != (tt.status == 403 || tt.text == "a stranger") {
				t.Errorf("closes %v", closes)
			}
		})
	}
}

// fakeKernel gives the same answers for each connection.
type fakeKernel struct {
	source  ingress.Source
	err     error
	port    ingress.Port
	pinned  int
	pinErr  error
	portErr error
}

func (k *fakeKernel) Source(*net.TCPConn) (ingress.Source, error) { return k.source, k.err }

func (k *fakeKernel) Port(*net.TCPConn, ingress.Source) (ingress.Port, error) {
	return k.port, k.portErr
}

func (k *fakeKernel) Pin(ingress.Source) (func(), error) {
	k.pinned++
	return func() { k.pinned-- }, k.pinErr
}

// tcpPair is an accepted connection and its other end.
func tcpPair(t *testing.T) (accepted *net.TCPConn, other net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if other, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		other.Close()
	})
	return conn.(*net.TCPConn), other
}

// ended reports whether the other side has ended a connection.
func ended(t *testing.T, conn net.Conn) bool {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// feed hands on events one batch at a time, and then ends.
type feed [][]instance.Event

func (f *feed) Next(context.Context) ([]instance.Event, error) {
	if len(*f) == 0 {
		return nil, io.EOF
	}
	events := (*f)[0]
	*f = (*f)[1:]
	return events, nil
}

// Only connections that are another's now are closed.
func TestFollow(t *testing.T) {
	heir := *vm1
	heir.UUID = uuid.New()
	renamed := *vm1
	renamed.Name = "renamed"
	other := *vm1
	other.MAC = mac3
	for _, tt := range []struct {
		name          string
		before, after inventory
		event         instance.Event
		closed        bool
	}{
		{"released", inventory{vm1}, nil, instance.Event{Old: vm1}, true},
		{"replaced", inventory{vm1}, inventory{&heir}, instance.Event{Old: vm1, New: &heir}, true},
		{"renamed", inventory{vm1}, inventory{&renamed}, instance.Event{Old: vm1, New: &renamed}, false},
		{"it has another MAC", inventory{vm1}, inventory{&other}, instance.Event{Old: vm1, New: &other}, true},
		{"another guest is released", inventory{vm1, vm2}, inventory{vm1}, instance.Event{Old: vm2}, false},
		{"a stranger becomes a guest", nil, inventory{vm1}, instance.Event{New: vm1}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			guests := tt.before
			f := came("br-mds", "10.122.0.1", mac1, at("lo"))
			d := New(bridged, &guests, &fakeKernel{source: f.Source, port: f.port}, quiet)
			tcp, other := tcpPair(t)
			c, err := d.receive(tcp)
			if err != nil || !d.enter(c) {
				t.Fatal("not let in", err)
			}
			guests = tt.after
			d.Follow(t.Context(), slices.Values(tt.before), &feed{{tt.event}})
			if got := ended(t, other); got != tt.closed || d.Counts().Closed > 1 || (d.Counts().Closed == 1) != tt.closed {
				t.Errorf("closed %v and counted %d, want %v", got, d.Counts().Closed, tt.closed)
			}
		})
	}
}

// Of the guests that there are at the start, the one whose record is the newest
// has a tap that several name.
func TestFollowStartsFromTheOldest(t *testing.T) {
	on := func(id byte, at int64) *instance.Instance {
		return &instance.Instance{UUID: uuid.UUID{id}, LastUpdate: time.Unix(at, 0), Interfaces: []instance.Interface{{Target: "vnet5"}}}
	}
	d := New(bridged, inventory{}, nil, quiet)
	older, newest := on(1, 200), on(2, 300)
	d.Follow(t.Context(), slices.Values([]*instance.Instance{older, newest, on(3, 100)}), &feed{})
	if d.taps.another("vnet5", newest) || !d.taps.another("vnet5", older) {
		t.Error("the tap is not that of the newest record")
	}
}

// released has a guest that is released as soon as it was asked for.
type released struct{ asked bool }

func (r *released) ByAddr(netip.Addr) (*instance.Instance, bool) {
	first := !r.asked
	r.asked = true
	return vm1, first
}

func (r *released) ByMAC(instance.MAC) []*instance.Instance { return nil }

// A guest that is released while its connection is accepted has it no more: Follow
// could not know of the connection yet.
func TestReleasedWhileAccepted(t *testing.T) {
	f := came("br-mds", "10.122.0.1", mac1, at("lo"))
	d := New(bridged, &released{}, &fakeKernel{source: f.Source, port: f.port}, quiet)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	other, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	c, err := d.Listener(inner).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !ended(t, other) || d.Counts().Closed != 1 {
		t.Errorf("not closed, %d counted", d.Counts().Closed)
	}
}

// A connection that is one too many leaves nothing pinned.
func TestRefusedIsNotPinned(t *testing.T) {
	f := came("br-mds", "fe80::1%br-mds", mac1, at("lo"))
	kernel := &fakeKernel{source: f.Source, port: f.port}
	one := bridged
	one.GuestConnections = 1
	d := New(one, inventory{vm1}, kernel, quiet)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	var others []net.Conn
	for range 3 {
		other, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		others = append(others, other)
	}
	listener := d.Listener(inner)
	c, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	refused := make(chan struct{})
	go func() {
		defer close(refused)
		_, _ = listener.Accept() // which refuses two, and waits for more
	}()
	for _, other := range others[1:] {
		if _, err := other.Read(make([]byte, 1)); err == nil {
			t.Error("not refused")
		}
	}
	inner.Close()
	<-refused
	if kernel.pinned != 1 {
		t.Errorf("pinned %d times", kernel.pinned)
	}
}

// Who takes the last bytes slowly gets them, for a while; who takes none does not.
func TestLastBytes(t *testing.T) {
	start := time.Now()
	at := func(after time.Duration) time.Time { return start.Add(after) }
	r := rest{left: 100, end: at(lingerTime), stalled: at(stallTime)}
	for _, step := range []struct {
		at       time.Time
		left     int
		hopeless bool
	}{
		{at(stallTime), 100, false},
		{at(stallTime), 90, false},
		{at(2 * stallTime), 90, false},
		{at(2*stallTime + 1), 90, true},
		{at(2*stallTime + 1), 80, false},
		{at(lingerTime), 70, false},
		{at(lingerTime + 1), 60, true},
	} {
		if got := r.hopeless(step.at, step.left); got != step.hopeless || r.left != step.left {
			t.Errorf("after %v with %d bytes left: hopeless %v", step.at.Sub(start), step.left, got)
		}
	}
}

func TestSetPolicyClosesWhatIsRefusedNow(t *testing.T) {
	guests := inventory{vm1}
	f := came("br-mds", "10.122.0.1", mac1, at("lo"))
	d := New(bridged, &guests, &fakeKernel{source: f.Source, port: f.port}, quiet)
	tcp, other := tcpPair(t)
	c, err := d.receive(tcp)
	if err != nil || !d.enter(c) {
		t.Fatal("not let in", err)
	}
	d.SetPolicy(bridged)
	if ended(t, other) {
		t.Error("closed by a policy that says the same")
	}
	elsewhere := bridged
	elsewhere.Interfaces = []string{"br-lan"}
	d.SetPolicy(elsewhere)
	if !ended(t, other) || d.Counts().Closed != 1 {
		t.Errorf("not closed, %d counted", d.Counts().Closed)
	}
}

// A guest's link-local address is pinned to its MAC for as long as it asks.
func TestPinned(t *testing.T) {
	for _, tt := range []struct {
		name  string
		facts facts
		pins  int
	}{
		{"a guest by link-local address", came("br-mds", "fe80::1%br-mds", mac1, at("lo")), 1},
		{"by an IPv4 link-local address", came("br-mds", "169.254.7.7", mac1, at("lo")), 0},
		{"by its own address", came("br-mds", "fd00:122::1", mac1, at("lo")), 0},
		{"a clone", came("br-mds", "fe80::1%br-mds", mac1, at("vnet7")), 0},
		{"a stranger", came("br-mds", "fe80::9%br-mds", mac3, at("vnet7")), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kernel := &fakeKernel{source: tt.facts.Source, port: tt.facts.port}
			d := New(bridged, inventory{vm1}, kernel, quiet)
			tcp, other := tcpPair(t)
			c, err := d.receive(tcp)
			if err != nil || !d.enter(c) {
				t.Fatal("not let in", err)
			}
			if kernel.pinned != tt.pins {
				t.Errorf("pinned %d times, want %d", kernel.pinned, tt.pins)
			}
			for range 2 { // the second time does nothing
				_ = c.Close()
			}
			if kernel.pinned != 0 || !ended(t, other) || d.open != 0 {
				t.Errorf("after its end: pinned %d times, %d connections", kernel.pinned, d.open)
			}
		})
	}
	broken := &fakeKernel{source: came("br-mds", "fe80::1%br-mds", mac1, at("lo")).Source, port: at("lo"), pinErr: errors.New("no")}
	tcp, _ := tcpPair(t)
	if _, err := New(bridged, inventory{vm1}, broken, quiet).receive(tcp); !errors.Is(err, broken.pinErr) {
		t.Errorf("error %v of a failed pin", err)
	}
	broken.err = errors.New("unknown")
	if _, err := New(bridged, inventory{vm1}, broken, quiet).receive(tcp); !errors.Is(err, broken.err) {
		t.Errorf("error %v of an unknown source", err)
	}
}

// A client is complained of once a minute, with the number of what was left out.
func TestWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &strings.Builder{}
		d := New(bridged, inventory{}, nil, slog.New(slog.NewTextHandler(log, nil)))
		c, other := &client{name: "web1"}, &client{name: "web2"}
		warned := func(c *client) string {
			log.Reset()
			d.warn(c, "too many", "held", 3)
			_, text, _ := strings.Cut(strings.TrimSpace(log.String()), " msg=")
			return text
		}
		for _, step := range []struct {
			after time.Duration
			of    *client
			want  string
		}{
			{0, c, `"too many" client=web1 held=3`},
			{0, other, `"too many" client=web2 held=3`},
			{warnTime / 2, c, ""},
			{warnTime/2 - 1, c, ""},
			{1, c, `"too many" client=web1 held=3 left_out=2`},
			{warnTime, c, `"too many" client=web1 held=3`},
		} {
			time.Sleep(step.after)
			if got := warned(step.of); got != step.want {
				t.Errorf("%s later: %s, want %s", step.after, got, step.want)
			}
		}
	})
}

func TestRates(t *testing.T) {
	for _, tt := range []struct {
		rate                 int
		ofGuest, ofStrangers int
	}{
		{0, 0, 0}, {1, 1, 1}, {10, 10, 1}, {100, 100, 10}, {105, 105, 10},
	} {
		p := &Policy{RequestRate: tt.rate}
		if g, s, h := p.rate(guest), p.rate(stranger), p.rate(thisHost); g != tt.ofGuest || s != tt.ofStrangers || h != 0 {
			t.Errorf("of %d requests a second guests have %d, strangers %d and this host %d", tt.rate, g, s, h)
		}
	}
}

// Requests may be saved up, and follow the policy when it changes.
func TestAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := bridged
		policy.RequestRate = 2
		d := New(policy, inventory{}, nil, quiet)
		c := d.client(clientKey{kind: guest, guest: vm1.UUID}, "vm1", &policy)
		allowed := func() (n int) {
			for d.allow(c) {
				if n++; n == 1000 {
					break
				}
			}
			return n
		}
		expect := func(want int) {
			t.Helper()
			if got := allowed(); got != want {
				t.Errorf("%d requests are allowed, want %d", got, want)
			}
		}
		expect(20)
		time.Sleep(time.Second)
		expect(2)
		time.Sleep(time.Hour)
		expect(20)
		policy.RequestRate = 5
		d.SetPolicy(policy)
		d.allow(c) // takes the policy over
		time.Sleep(time.Hour)
		expect(50)
		if n := d.Counts().Requests; n != 5 {
			t.Errorf("%d refusals are counted, want 5", n)
		}
		policy.RequestRate = 0
		d.SetPolicy(policy)
		expect(1000)
	})
}
