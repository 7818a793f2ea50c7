package portsecurity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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

// memory is a kernel in memory with its table of port security.
type memory struct {
	host     plan.Host
	there    *plan.Plan // nil without a table
	known    bool       // the table has not been forgotten
	altered  bool       // another program changed the table
	now      uint32     // the generation
	applies  int
	takes    time.Duration // of a change
	compares int
	noted    []string // the other calls, in order
	masks    map[uint32]uint16
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
		masks: func() (map[uint32]uint16, error) { return m.masks, m.broken["masks"] },
		setMask: func(port uint32, mask uint16) error {
			if err := m.broken["setMask"]; err != nil {
				return err
			}
			m.masks[port] = mask
			return nil
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
	time.Sleep(m.takes)
	if err := m.broken["apply"]; err != nil {
		m.known = false
		return err
	}
	if !m.known { // a known table gets the difference only, so others' changes stay
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

// ports lists the ports of the table with their roles.
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

// take returns the calls noted since it was last called.
func (m *memory) take() string {
	noted := strings.Join(m.noted, ", ")
	m.noted = nil
	return noted
}

// inMemory is a Reconciler that runs in a bubble, with its kernel in memory. A test sets
// the guests.
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

// pass waits for a number of looks at the table.
func (r *inMemory) pass(looks int) {
	_ = r.Trouble("") // takes the lock, so that Run sees what the test has done
	time.Sleep(time.Duration(looks) * period)
	synctest.Wait()
}

// TestTableFollows checks that the table follows networks, guests and interfaces.
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
		expect("before Wake", "eth0 other, vnet1 stranger", 1)
		r.Wake()
		synctest.Wait()
		expect("a guest", "eth0 other, vnet1 guest", 2)
		r.host.Links = r.host.Links[:2]
		r.Wake()
		synctest.Wait()
		expect("one interface less", "vnet1 guest", 3)
		r.pass(3)
		expect("without a change", "vnet1 guest", 3)
		if got := r.Of(r.guests[0].UUID); len(got) != 1 || got[0].Name != "vnet1" {
			t.Errorf("the guest has the ports %+v", got)
		}
		if got := r.take(); got != "remove, new, learn 3 false" {
			t.Errorf("the kernel was asked for %q", got)
		}
		if n := strings.Count(r.log.String(), `"port security enabled for a guest" guest=web1 port=vnet1`); n != 1 {
			t.Errorf("the guest's port is logged %d times:\n%s", n, &r.log)
		}
	})
}

// TestTableOfOneOfSeveralHosts checks that eth0 is an uplink if several hosts share an
// inventory.
func TestTableOfOneOfSeveralHosts(t *testing.T) {
	runInMemory(t, "a", func(t *testing.T, r *inMemory) {
		if r.Set([]instance.Network{porttest.Network}); r.ports() != "eth0 uplink, vnet1 stranger" {
			t.Errorf("the table has %s", r.ports())
		}
	})
}

// TestTableThatOthersChange checks that the table is compared after any program has
// changed a table, and written again if it differs.
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
		expect("it is correct again", 4, 2, 1)
		r.broken["generation"] = errors.New("no answer")
		expect("the generation is not known", 5, 2, 1)
		delete(r.broken, "generation")
		r.Forget()
		expect("it was forgotten", 6, 3, 1)
	})
}

// TestFailuresAreToldAndTriedAgain checks that a failure is logged once, and that the
// Reconciler tries again until it succeeds.
func TestFailuresAreToldAndTriedAgain(t *testing.T) {
	for _, what := range []string{"look", "new", "apply"} {
		t.Run(what, func(t *testing.T) {
			runInMemory(t, "", func(t *testing.T, r *inMemory) {
				r.broken[what] = errors.New("no rights")
				r.Set([]instance.Network{porttest.Network})
				r.pass(3)
				n := strings.Count(r.log.String(), `level=ERROR msg="port security is not enforced" error="no rights"`)
				if st := r.Status("mds"); n != 1 || st.Trouble != "no rights" || r.Trouble("mds") != "no rights" || st.Strangers != 0 {
					t.Errorf("logged %d times, status %+v", n, st)
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

// TestBridgesAndTurningOff checks that each bridge is closed once. Turning port security off
// opens the bridges and removes the table, even one that an earlier run of the server left.
func TestBridgesAndTurningOff(t *testing.T) {
	for name, network := range map[string][]instance.Network{"no network": nil, "one without": {{Name: "mds", Bridge: "br-mds"}}} {
		t.Run(name, func(t *testing.T) {
			runInMemory(t, "", func(t *testing.T, r *inMemory) {
				expect := func(what, want string, removed int) {
					t.Helper()
					r.pass(1)
					n := strings.Count(r.log.String(), "its table is removed")
					if got := r.take(); got != want || n != removed {
						t.Errorf("%s: the kernel was asked for %q, want %q; %d tables were removed", what, got, want, n)
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
					t.Errorf("off: the kernel was asked for %q, the table has %s", got, r.ports())
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

// TestTableThatCannotBeRemoved checks that a table which holds guests is removed once that
// succeeds, and that a server which has made none does not complain.
func TestTableThatCannotBeRemoved(t *testing.T) {
	runInMemory(t, "", func(t *testing.T, r *inMemory) {
		failures := func() int { return strings.Count(r.log.String(), "port security cannot be turned off") }
		r.broken["remove"] = errors.New("no rights")
		r.Set(nil)
		r.pass(2)
		if got := r.take(); got != "remove" || failures() != 0 {
			t.Errorf("without a table, the kernel was asked for %q, and %d failures are logged", got, failures())
		}
		r.Set([]instance.Network{porttest.Network})
		r.take()
		r.Set(nil)
		r.pass(2)
		if got := r.take(); got != "remove, remove, remove" || failures() != 1 {
			t.Errorf("the kernel was asked for %q, and %d failures are logged", got, failures())
		}
		delete(r.broken, "remove")
		r.pass(2)
		if got := r.take(); got != "remove, learn 3 true" || r.ports() != "no table" {
			t.Errorf("at last, the kernel was asked for %q, the table has %s", got, r.ports())
		}
	})
}

// TestBridgeThatCannotBeClosed checks that a bridge that cannot be closed is logged once,
// and that port security is enforced anyway.
func TestBridgeThatCannotBeClosed(t *testing.T) {
	runInMemory(t, "", func(t *testing.T, r *inMemory) {
		r.broken["learn"] = errors.New("an old kernel")
		r.Set([]instance.Network{porttest.Network})
		r.Wake()
		r.pass(2)
		if n := strings.Count(r.log.String(), "a guest may receive other guests' frames"); n != 1 || r.Trouble("mds") != "" || r.there == nil {
			t.Errorf("logged %d times, trouble %q", n, r.Trouble("mds"))
		}
	})
}

// TestWakeWhileBusy checks that guests are looked at again if they change while the table
// is written, however long that takes.
func TestWakeWhileBusy(t *testing.T) {
	runInMemory(t, "", func(t *testing.T, r *inMemory) {
		r.Set([]instance.Network{porttest.Network})
		r.takes = time.Second
		r.Wake()
		time.Sleep(r.takes / 2)
		synctest.Wait()
		r.guests = []*instance.Instance{porttest.Guest(1, "vnet1")}
		r.Wake()
		time.Sleep(2*r.takes + longest)
		synctest.Wait()
		if r.ports() != "eth0 other, vnet1 guest" {
			t.Errorf("the table has %s", r.ports())
		}
	})
}

// TestMasksOfPorts checks that control frames of guests and of unknown machines pass the
// rules, and those of no other port, also when ports change and after another run of the
// server. Masks that others have set stay.
func TestMasksOfPorts(t *testing.T) {
	runInMemory(t, "", func(t *testing.T, r *inMemory) {
		expect := func(what string, want map[uint32]uint16) {
			t.Helper()
			synctest.Wait()
			if !maps.Equal(r.masks, want) {
				t.Errorf("%s: the masks are %x, want %x", what, r.masks, want)
			}
		}
		secured := []instance.Network{porttest.Network}
		r.masks = map[uint32]uint16{4: 0, 5: 0x4000, 6: likeOthers} // 6 is on another bridge
		r.Set(secured)
		expect("an unknown machine, an uplink", map[uint32]uint16{4: 0xfffd, 5: 0x4000, 6: 0})
		r.guests = []*instance.Instance{porttest.Guest(1, "vnet1"), porttest.Guest(2, "vnet2")} // vnet2 is not there yet
		r.masks[4] = 0x4000
		r.Wake()
		expect("a guest", map[uint32]uint16{4: 0xfffd, 5: 0x4000, 6: 0})
		r.guests = []*instance.Instance{porttest.Guest(1, "vnet1", "port_security", "off")}
		r.Wake()
		expect("a guest without port security", map[uint32]uint16{4: 0, 5: 0x4000, 6: 0})
		r.guests = nil
		r.Wake()
		expect("an unknown machine again", map[uint32]uint16{4: 0xfffd, 5: 0x4000, 6: 0})
		r.Set(nil)
		expect("off", map[uint32]uint16{4: 0, 5: 0x4000, 6: 0})
	})
}

// TestMasksThatCannotBeSet checks that a failure is logged once, and that port security is
// enforced anyway.
func TestMasksThatCannotBeSet(t *testing.T) {
	for _, what := range []string{"masks", "setMask"} {
		runInMemory(t, "", func(t *testing.T, r *inMemory) {
			r.masks = map[uint32]uint16{4: 0}
			r.broken[what] = errors.New("an old kernel")
			for range 3 {
				r.Set([]instance.Network{porttest.Network})
			}
			if n := strings.Count(r.log.String(), `"control frames of guests bypass port security" error="an old kernel"`); n != 1 || r.Trouble("mds") != "" || r.there == nil {
				t.Errorf("%s: logged %d times, trouble %q", what, n, r.Trouble("mds"))
			}
		})
	}
}

// TestLostNews checks that all interfaces are read again when news of them is lost.
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

// TestDroppedFramesOfPorts checks that dropped frames are counted by the names of ports.
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
