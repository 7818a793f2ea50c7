package networks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storetest"
)

// calls notes what backends are told, in order.
type calls struct {
	mu     sync.Mutex
	list   []string
	during func() // runs during each call, unless nil
}

func (c *calls) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.during != nil {
		c.during()
	}
	c.list = append(c.list, fmt.Sprintf(format, args...))
}

func (c *calls) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list
	c.list = nil
	return list
}

// recorder is a backend that notes what it is told, and knows a prefix.
type recorder struct {
	name    string
	calls   *calls
	prefix  string
	changed bool
	fails   error         // what each call returns
	holds   chan struct{} // a change waits until it is closed
	retired func()
}

func (r *recorder) Start(_ context.Context, all []instance.Instance) error {
	r.calls.add("%s: start with %d", r.name, len(all))
	return r.fails
}

func (r *recorder) Apply(_ context.Context, events []instance.Event) error {
	r.calls.add("%s: apply %d", r.name, len(events))
	if r.holds != nil {
		<-r.holds
	}
	return r.fails
}

func (r *recorder) reconfigure(_ context.Context, _ *config.Config, n config.Network, all []instance.Instance) error {
	r.calls.add("%s: reconfigure as %s with %d", r.name, n.Domain, len(all))
	return r.fails
}

func (r *recorder) CatchUp(context.Context) { r.calls.add("%s: catch up", r.name) }

func (r *recorder) retire(context.Context) error {
	r.calls.add("%s: retire", r.name)
	if r.retired != nil {
		r.retired()
	}
	return r.fails
}

func (r *recorder) Close() error {
	r.calls.add("%s: close", r.name)
	return r.fails
}

func (r *recorder) refresh(context.Context) bool {
	r.calls.add("%s: refresh", r.name)
	return r.changed
}

func (r *recorder) describe(n *instance.Network) {
	if r.prefix != "" {
		n.IPv4, n.Pending = netip.MustParsePrefix(r.prefix), false
	}
}

func (r *recorder) status() Status { return Status{Trouble: r.name + " is tired"} }

// twoNetworks is a configuration with a network of each backend.
const twoNetworks = `[dnsmasq]
net_name = mds
run = off
[network default]
backend = libvirt
`

// newLab makes Networks of recorders, and an inventory that has the networks of
// the configuration.
func newLab(t *testing.T, text string) (*Networks, []*recorder, *config.Config) {
	t.Helper()
	cfg := load(t, text)
	inv, err := inventory.Open(t.Context(), storetest.NewMemory(), inventory.Options{Networks: Configured(cfg)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inv.Close() })
	s := New(cfg, inv, nil, nil, slog.New(slog.DiscardHandler))
	noted := &calls{}
	var backends []*recorder
	for i, m := range s.members {
		r := &recorder{name: m.Name, calls: noted}
		backends = append(backends, r)
		s.members[i].backend = r
	}
	return s, backends, cfg
}

func register(t *testing.T, s *Networks, number byte) {
	t.Helper()
	_, err := s.inventory.Register(t.Context(), instance.Domain{Name: fmt.Sprint("web", number), UUID: uuid.UUID{15: number},
		Interfaces: []instance.Interface{{MAC: instance.MAC{2, 5: number}, Network: "mds"}}})
	if err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, c *calls, want ...string) {
	t.Helper()
	got := c.take()
	slices.Sort(got) // the backends work at the same time
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("backends were told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Backends are started with the guests that are there, and told of each change
// after that. Sync waits until they have been, and says why a change is not live.
func TestChangesReachAllBackends(t *testing.T) {
	s, backends, _ := newLab(t, twoNetworks)
	var log strings.Builder
	s.log = slog.New(slog.NewTextHandler(&log, nil))
	register(t, s, 1)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, backends[0].calls, "mds: start with 1", "default: start with 1")
	if err := s.Sync(t.Context()); err != nil { // of what was there at the start
		t.Error(err)
	}
	register(t, s, 2)
	if err := s.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	expect(t, backends[0].calls, "mds: apply 1", "default: apply 1")
	backends[1].fails = errors.New("libvirt is busy")
	register(t, s, 3)
	if err := s.Sync(t.Context()); err == nil || err.Error() != "network default: libvirt is busy" {
		t.Errorf("Sync: %v", err)
	}
	if n := strings.Count(log.String(), "network default: libvirt is busy"); n != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("the log is\n%s", &log)
	}
	backends[0].calls.take()
	backends[1].fails = nil
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	expect(t, backends[0].calls, "mds: close", "default: close")
}

// Sync ends with its context while a change is not applied.
func TestSyncGivesUp(t *testing.T) {
	s, _, _ := newLab(t, twoNetworks)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	s.turn.Lock() // a change is under way
	defer s.turn.Unlock()
	register(t, s, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// A network that is in the new configuration, too, keeps its backend. One that
// gets another backend is retired first, and started as a new one.
func TestReconfigure(t *testing.T) {
	tests := []struct {
		name, text string
		told       []string
		backends   string
	}{
		{"the same networks", twoNetworks,
			[]string{"mds: reconfigure as  with 1", "default: reconfigure as  with 1"}, "mds: kept, default: kept"},
		{"another domain", strings.Replace(twoNetworks, "run = off\n", "run = off\ndomain = example.net\n", 1),
			[]string{"mds: reconfigure as example.net with 1", "default: reconfigure as  with 1"}, "mds: kept, default: kept"},
		{"one network less", "[dnsmasq]\nnet_name = mds\nrun = off\n",
			[]string{"mds: reconfigure as  with 1", "default: retire"}, "mds: kept"},
		{"another backend", "[dnsmasq]\nnet_name = mds\nrun = off\n[network default]\ninterface = br0\nnet_address = 10.50.0.0\nrun = off\n",
			[]string{"mds: reconfigure as  with 1", "default: retire"}, "mds: kept, default: new"},
		{"another name", "[dnsmasq]\nnet_name = other\nrun = off\n",
			[]string{"mds: retire", "default: retire"}, "other: new"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, backends, _ := newLab(t, twoNetworks)
			register(t, s, 1)
			if err := s.Reconfigure(t.Context(), load(t, tt.text)); err != nil {
				t.Fatal(err)
			}
			expect(t, backends[0].calls, tt.told...)
			var got []string
			for _, m := range s.list() {
				state := "new"
				if _, kept := m.backend.(*recorder); kept {
					state = "kept"
				}
				got = append(got, m.Name+": "+state)
			}
			if list := strings.Join(got, ", "); list != tt.backends {
				t.Errorf("networks are %s, want %s", list, tt.backends)
			}
		})
	}
}

// A network that is gone is retired before the others change, since they may take its
// place. Who looks meanwhile still sees all.
func TestRetiredFirst(t *testing.T) {
	s, backends, _ := newLab(t, twoNetworks)
	var seen []string
	backends[0].retired = func() {
		for _, st := range s.Status() {
			seen = append(seen, st.Network.Name)
		}
	}
	if err := s.Reconfigure(t.Context(), load(t, "[dnsmasq]\nnet_name = other\nrun = off\n[network default]\nbackend = libvirt\n")); err != nil {
		t.Fatal(err)
	}
	if got, want := backends[0].calls.take(), []string{"mds: retire", "default: reconfigure as  with 0"}; !slices.Equal(got, want) {
		t.Errorf("backends were told %q, want %q", got, want)
	}
	if want := []string{"mds", "default"}; !slices.Equal(seen, want) {
		t.Errorf("meanwhile the networks were %q, want %q", seen, want)
	}
}

// What a backend knows of its network completes the configuration. A network that
// overlaps another one is not served.
func TestDescribe(t *testing.T) {
	for prefix, want := range map[string]string{"": "invalid Prefix", "192.168.122.0/24": "192.168.122.0/24", "10.122.5.0/24": "invalid Prefix"} {
		s, backends, cfg := newLab(t, twoNetworks)
		backends[1].prefix = prefix
		all := s.Describe(cfg)
		if got := all[1]; got.IPv4.String() != want || got.Pending != (want == "invalid Prefix") {
			t.Errorf("%q: %v, pending %v; want %s", prefix, got.IPv4, got.Pending, want)
		}
		if all[0].IPv4.String() != "10.122.0.0/16" {
			t.Errorf("%q: the other network is %v", prefix, all[0].IPv4)
		}
	}
}

// Of a network that has another backend in a new configuration, the old backend
// knows nothing.
func TestDescribeOfAnotherBackend(t *testing.T) {
	s, backends, _ := newLab(t, twoNetworks)
	backends[1].prefix = "192.168.122.0/24"
	next := load(t, "[dnsmasq]\nnet_name = mds\nrun = off\n[network default]\ninterface = br0\nnet_address = 10.50.0.0\nrun = off\n")
	if got := s.Describe(next)[1].IPv4.String(); got != "10.50.0.0/24" {
		t.Errorf("the network is %s", got)
	}
}

// Refresh asks all backends, and reports a change of any.
func TestRefresh(t *testing.T) {
	for _, changed := range [][2]bool{{false, false}, {true, false}, {false, true}} {
		s, backends, _ := newLab(t, twoNetworks)
		backends[0].changed, backends[1].changed = changed[0], changed[1]
		if got := s.Refresh(t.Context()); got != (changed[0] || changed[1]) {
			t.Errorf("%v: %v", changed, got)
		}
		expect(t, backends[0].calls, "mds: refresh", "default: refresh")
	}
}

// TestStatusOfAConfiguration checks that Status and Configured have the configured values
// of a network.
func TestStatusOfAConfiguration(t *testing.T) {
	s, _, cfg := newLab(t, "[dnsmasq]\nnet_name = mds\nrun = off\ninterface = br-mds\nnet_address6 = fd00:122::\ndomain = example.net\n")
	n := s.Status()[0].Network
	if n.Bridge != "br-mds" || n.IPv4.String() != "10.122.0.0/16" || n.IPv6.String() != "fd00:122::/64" || n.Domain != "example.net" {
		t.Errorf("got %+v", n)
	}
	if n := Configured(cfg)[0]; n.Gateway4.String() != "10.122.0.1" || n.Gateway6.String() != "fd00:122::1" {
		t.Errorf("configured is %+v", n)
	}
}

// Status has one entry for each network, in order.
func TestStatus(t *testing.T) {
	s, backends, _ := newLab(t, twoNetworks)
	backends[1].prefix = "192.168.122.0/24"
	list := s.Status()
	if len(list) != 2 {
		t.Fatalf("got %+v", list)
	}
	mds, libvirts := list[0], list[1]
	if mds.Network.Name != "mds" || mds.Backend != config.BackendDnsmasq || mds.Trouble != "mds is tired" {
		t.Errorf("got %+v", mds)
	}
	if libvirts.Network.Name != "default" || libvirts.Backend != config.BackendLibvirt || libvirts.Network.IPv4.String() != "192.168.122.0/24" {
		t.Errorf("got %+v", libvirts)
	}
}
