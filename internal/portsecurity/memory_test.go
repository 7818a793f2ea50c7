package portsecurity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/plan"
	"mdserver/internal/portsecurity/porttest"
)

// memory is a kernel in memory, and its table of port security.
type memory struct {
	host     plan.Host
	there    *plan.Plan // nil without a table
	known    bool       // the table has not been forgotten
	altered  bool       // by another program
	now      uint32     // the generation
	applies  int
	compares int
	noted    []string // what else it was asked for
	broken   map[string]error
	unheard  chan error // ends a watch
	dropped  map[string]api.Drops
}

func (m *memory) kernel() kernel {
	return kernel{
		look:       func() (plan.Host, error) { return m.host, m.broken["look"] },
		generation: func() (uint32, error) { return m.now, m.broken["generation"] },
		newTable: func() (rules, error) {
			if err := m.broken["new"]; err != nil {
				return nil, err
			}
			m.noted = append(m.noted, "new")
			return m, nil
		},
		remove: func() (bool, error) {
			m.noted = append(m.noted, "remove")
			there := m.there != nil
			m.there = nil
			return there, m.broken["remove"]
		},
		learn: func(bridge uint32, learn bool) error {
			m.noted = append(m.noted, fmt.Sprint("learn ", bridge, " ", learn))
			return m.broken["learn"]
		},
		watch: func(ctx context.Context, stir func()) error {
			select {
			case err := <-m.unheard:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	}
}

func (m *memory) Apply(p plan.Plan) error {
	m.applies++
	if err := m.broken["apply"]; err != nil {
		m.known = false
		return err
	}
	if !m.known { // else what differs is changed, and what others did stays
		m.altered = false
	}
	m.there, m.known = &p, true
	m.now++
	return nil
}

func (m *memory) Intact() bool {
	m.compares++
	return m.known && !m.altered
}

func (m *memory) Known() bool { return m.known }
func (m *memory) Forget()     { m.known = false }

func (m *memory) Dropped() (map[string]api.Drops, error) { return m.dropped, nil }

// ports are those of the table, with their roles.
func (m *memory) ports() string {
	if m.there == nil {
		return "no table"
	}
	var list []string
	for _, port := range m.there.Ports {
		list = append(list, port.Name+" "+string(port.Role))
	}
	return strings.Join(list, ", ")
}

// take returns what it was asked for since the last call.
func (m *memory) take() string {
	noted := strings.Join(m.noted, ", ")
	m.noted = nil
	return noted
}

// inMemory is a Reconciler that runs in a bubble, and what it asks for. Guests are those
// that a test puts there.
type inMemory struct {
	*Reconciler
	*memory
	guests []*instance.Instance
	log    strings.Builder
}

func runInMemory(t *testing.T, hostID string, test func(t *testing.T, r *inMemory)) {
	synctest.Test(t, func(t *testing.T) {
		r := &inMemory{memory: &memory{broken: map[string]error{}, unheard: make(chan error), host: plan.Host{Links: []plan.Link{
			{Name: "br-mds", Index: 3}, {Name: "vnet1", Index: 4, Bridge: "br-mds", Tap: true}, {Name: "eth0", Index: 5, Bridge: "br-mds"}}}}}
		r.Reconciler = New(hostID, func() []*instance.Instance { return r.guests }, slog.New(slog.NewTextHandler(&r.log, nil)))
		r.Reconciler.kernel = r.memory.kernel()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Run(ctx)
		}()
		defer func() {
			stop()
			<-done
		}()
		test(t, r)
	})
}

// pass lets some looks after the table pass.
func (r *inMemory) pass(looks int) {
	_ = r.Trouble("") // takes the lock, so that what the test has done is seen
	time.Sleep(time.Duration(looks) * period)
	synctest.Wait()
}

// The table follows networks, guests and interfaces.
func TestTableFollows(t *testing.T) {
	runInMemory(t, "", func(t *testing.T, r *inMemory) {
		expect := func(what, ports string, applies int) {
			t.Helper()
			if r.ports() != ports || r.applies != applies {
				t.Errorf("%s: the table has %s after %d changes, want %s after %d", what, r.ports(), r.applies, ports, applies)
			}
		}
		r.pass(2)
		expect("without networks", "no table", 0)
		r.Set([]instance.Network{porttest.Network})
		expect("a network", "eth0 other, vnet1 stranger", 1)
		r.guests = []*instance.Instance{porttest.Guest(1, "vnet1")}
		expect("before a word", "eth0 other, vnet1 stranger", 1)
		r.Wake()
		synctest.Wait()
		expect("a guest", "eth0 other, vnet1 guest", 2)
		r.host.Links = r.host.Links[:2]
		r.Wake()
		synctest.Wait()
		expect("an interface less", "vnet1 guest", 3)
		r.pass(3)
		expect("without a change", "vnet1 guest", 3)
		if got := r.Of(r.guests[0].UUID); len(got) != 1 || got[0].Name != "vnet1" {
			t.Errorf("the guest has the ports %+v", got)
		}
		if got := r.take(); got != "remove, new, learn 3 false" {
			t.Errorf("it was asked for %q", got)
		}
		if n := strings.Count(r.log.String(), `"port security enabled for a guest" guest=web1 port=vnet1`); n != 1 {
			t.Errorf("the guest's port is told %d times:\n%s", n, &r.log)
		}
	})
}

// Among several hosts with one inventory, a port of no guest is an uplink.
func TestTableOfOneOfSeveralHosts(t *testing.T) {
	runInMemory(t, "a", func(t *testing.T, r *inMemory) {
		if r.Set([]instance.Network{porttest.Network}); r.ports() != "eth0 uplink, vnet1 stranger" {
			t.Errorf("the table has %s", r.ports())
		}
	})
}

// The table is compared when any program has changed one, and written again if it is not
// as it was.
func TestTableThatOthersChange(t *testing.T) {
	runInMemory(t, "", func(t *testing.T, r *inMemory) {
		r.Set([]instance.Network{porttest.Network})
		expect := func(what string, compares, applies, warnings int) {
			t.Helper()
			r.pass(1)
			if n := strings.Count(r.log.String(), "changed by another program"); r.compares != compares || r.applies != applies || n != warnings {
				t.Errorf("%s: compared %d times, written %d times, %d warnings; want %d, %d and %d", what, r.compares, r.applies, n, compares, applies, warnings)
			}
		}
		expect("first", 1, 1, 0)
		expect("no change", 1, 1, 0)
		r.now++
		expect("another table was changed", 2, 1, 0)
		expect("no further change", 2, 1, 0)
		r.now, r.altered = r.now+1, true
		expect("this one was changed", 3, 2, 1)
		expect("it is as it was", 4, 2, 1)
		r.broken["generation"] = errors.New("no answer")
		expect("the generation is not known", 5, 2, 1)
		delete(r.broken, "generation")
		r.Forget()
		expect("it is not known", 6, 3, 1)
	})
}

// What fails is told once, and tried again until it does not.
func TestFailuresAreToldAndTriedAgain(t *testing.T) {
	for _, what := range []string{"look", "new", "apply"} {
		t.Run(what, func(t *testing.T) {
			runInMemory(t, "", func(t *testing.T, r *inMemory) {
				r.broken[what] = errors.New("no rights")
				r.Set([]instance.Network{porttest.Network})
				r.pass(3)
				n := strings.Count(r.log.String(), `level=ERROR msg="port security is not enforced" error="no rights"`)
				if st := r.Status("mds"); n != 1 || st.Trouble != "no rights" || r.Trouble("mds") != "no rights" || st.Strangers != 0 {
					t.Errorf("told %d times, status %+v", n, st)
				}
				delete(r.broken, what)
				r.pass(1)
				if st := r.Status("mds"); st.Trouble != "" || st.Strangers != 1 || r.ports() != "eth0 other, vnet1 stranger" {
					t.Errorf("status %+v, the table has %s", st, r.ports())
				}
			})
		})
	}
}

// Bridges are closed once each, and opened when port security is turned off. The table is
// removed then, also one that an earlier run of the server has left.
func TestBridgesAndTurningOff(t *testing.T) {
	for name, network := range map[string][]instance.Network{"no network": nil, "one without": {{Name: "mds", Bridge: "br-mds"}}} {
		t.Run(name, func(t *testing.T) {
			runInMemory(t, "", func(t *testing.T, r *inMemory) {
				expect := func(what, want string, removed int) {
					t.Helper()
					r.pass(1)
					n := strings.Count(r.log.String(), "its table is removed")
					if got := r.take(); got != want || n != removed {
						t.Errorf("%s: it was asked for %q, want %q; %d tables were removed", what, got, want, n)
					}
				}
				r.there = &plan.Plan{}
				r.Set(network)
				expect("off from the start on", "remove", 1)
				expect("off for a while", "", 1)
				r.Set([]instance.Network{porttest.Network})
				expect("on", "new, learn 3 false", 1)
				r.Wake()
				expect("on for a while", "", 1)
				r.host.Links = append(r.host.Links[1:], plan.Link{Name: "br-mds", Index: 9})
				r.Wake()
				expect("a bridge that is made again", "learn 9 false", 1)
				r.Set(network)
				if got := r.take(); !strings.HasPrefix(got, "remove, learn ") || strings.Count(got, "true") != 2 || r.ports() != "no table" {
					t.Errorf("off: it was asked for %q, the table has %s", got, r.ports())
				}
				if st := r.Status("mds"); st.On || len(r.Of(uuid.Nil)) > 0 {
					t.Errorf("off: status %+v, ports %+v", st, r.Of(uuid.Nil))
				}
				r.Set([]instance.Network{porttest.Network})
				expect("on again", "new, learn 9 false", 2)
			})
		})
	}
}

// A bridge that cannot be closed is told, and keeps nothing from being enforced.
func TestBridgeThatCannotBeClosed(t *testing.T) {
	runInMemory(t, "", func(t *testing.T, r *inMemory) {
		r.broken["learn"] = errors.New("an old kernel")
		r.Set([]instance.Network{porttest.Network})
		r.Wake()
		r.pass(2)
		if n := strings.Count(r.log.String(), "a guest may receive other guests' frames"); n != 1 || r.Trouble("mds") != "" || r.there == nil {
			t.Errorf("told %d times, trouble %q", n, r.Trouble("mds"))
		}
	})
}

// When news of interfaces are lost, all interfaces are read again.
func TestLostNews(t *testing.T) {
	runInMemory(t, "", func(t *testing.T, r *inMemory) {
		r.Set([]instance.Network{porttest.Network})
		r.host.Links = r.host.Links[:2]
		r.unheard <- errors.New("no buffer space")
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if r.ports() != "vnet1 stranger" {
			t.Errorf("the table has %s", r.ports())
		}
		r.unheard <- errors.New("it is followed again")
	})
}

// Dropped frames are counted by the ports' names.
func TestDroppedFramesOfPorts(t *testing.T) {
	runInMemory(t, "", func(t *testing.T, r *inMemory) {
		r.guests = []*instance.Instance{porttest.Guest(1, "vnet1")}
		r.dropped = map[string]api.Drops{"vnet1": {"arp": 2}, "eth0": {"mac": 1}, "vnet7": {"arp": 9}}
		r.Set([]instance.Network{porttest.Network})
		if st := r.Status("mds"); fmt.Sprint(st.Dropped) != "map[arp:2 mac:1]" || len(st.Ports) != 2 {
			t.Errorf("status %+v", st)
		}
		if got := r.Of(r.guests[0].UUID); len(got) != 1 || fmt.Sprint(got[0].Dropped) != "map[arp:2]" {
			t.Errorf("the guest's ports are %+v", got)
		}
	})
}
