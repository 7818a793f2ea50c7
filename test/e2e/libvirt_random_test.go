//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// seedVariable repeats a run of TestRandomLife.
const seedVariable = "MDSERVER_SEED"

// life does random things to a few domains.
type life struct {
	*host
	random  *rand.Rand
	done    map[string]int // what succeeded, and how often
	plugged int
	away    bool // mdserver does not run

	// told is what a hook alone can know: the domains that were started while
	// mdserver ran, each with the name, the interfaces and the metadata that
	// libvirt had for it at its latest such start. The hook does not hear of a
	// domain before its first start, nor of what comes after a start: a new
	// name, metadata and interfaces set while it runs, a stop, an undefine. A
	// domain is forgotten if it starts without an interface on the network, or
	// if another one starts with its name. It is nil where events tell as well.
	told map[string]known
}

// TestRandomLife: whatever is done to domains, in whatever order, with libvirtd
// and mdserver killed now and then, in the end mdserver knows what libvirt
// knows; by the hook alone, what libvirt knew at each start.
func TestRandomLife(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for _, by := range []struct {
		name         string
		hook, events bool
	}{{"events", false, true}, {"hook", true, false}, {"both", true, true}} {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			t.Logf("%s=%d repeats this", seedVariable, seed)
			l := &life{host: newHost(t, by.hook, by.events), random: rand.New(rand.NewPCG(seed, 0)), done: map[string]int{}}
			if !by.events {
				l.told = map[string]known{}
			}
			l.live()
			t.Log(l.done)
		})
	}
}

// live goes through rounds of changes, each with another interruption, and
// looks at the end of each.
func (l *life) live() {
	for round := range 3 {
		l.steps(8)
		switch round {
		case 0:
			l.libvirt.Kill()
			l.startLibvirt()
		case 1:
			l.server.Kill()
			l.away = true
			l.steps(4)
			start(l.t, l.server)
			l.away = false
		case 2: // unseen by mdserver's connection
			l.libvirt.Kill()
			l.startLibvirt()
			l.steps(1)
		}
		what := fmt.Sprintf("round %d, after %v", round, l.done)
		if l.told == nil {
			l.settles(what)
			continue
		}
		if err := l.knowsWhatItWasTold(); err != nil {
			l.t.Fatalf("%s: %v", what, err)
		}
	}
}

// steps does things until so many have succeeded.
func (l *life) steps(count int) {
	for tries := 0; count > 0 && tries < 100; tries++ {
		if l.step() {
			count--
		}
	}
	if count > 0 {
		l.t.Fatal("nothing can be done to any domain")
	}
}

// step does one thing to one domain, unless its state forbids that.
func (l *life) step() bool {
	n := 1 + l.random.IntN(4)
	id := machineUUID(n)
	var args []string
	switch l.random.IntN(12) {
	case 0, 1:
		args = []string{"define", l.file(machine(l.name(n), n, l.interfaces()...))}
	case 2, 3:
		args = []string{"start", id}
	case 4:
		args = []string{"destroy", id}
	case 5:
		args = []string{"undefine", id, "--managed-save"}
	case 6, 7:
		args = []string{"domrename", id, l.anyName()}
	case 8:
		args = setMetadata(id, fmt.Sprintf("set%d", l.random.IntN(100)), []string{"--live", "--config"}[l.random.IntN(2)])
	case 9:
		l.plugged++
		args = []string{"attach-interface", id, "network", "mds", "--mac", machineMAC(n, 16+l.plugged%16), "--model", "usb-net", "--live"}
	case 10:
		args = []string{"managedsave", id}
	case 11:
		args = []string{"create", l.file(machine(l.name(n), n, l.interfaces()...))}
	}
	if _, err := l.libvirt.Virsh(suite.ctx, args...); err != nil {
		return false
	}
	l.done[args[0]]++
	if l.told != nil && !l.away && (args[0] == "start" || args[0] == "create") {
		l.tell(id)
	}
	return true
}

// interfaces are those that a definition gets: on our network, or none.
func (l *life) interfaces() []int {
	return [][]int{{1}, {1, 2}, {2}, {}}[l.random.IntN(4)]
}

// anyName is one of fewer names than the domains could use up, so that names
// go from one to another.
func (l *life) anyName() string { return fmt.Sprintf("machine%d", 1+l.random.IntN(5)) }

// name is the name that a domain has, if it has one: libvirt defines no domain
// anew under another.
func (l *life) name(n int) string {
	if d, ok := l.look()[machineUUID(n)]; ok {
		return d.Name
	}
	return l.anyName()
}

func (l *life) look() map[string]known {
	domains, err := l.domains()
	if err != nil {
		l.t.Fatal(err)
	}
	return domains
}

// tell notes what the hook has just told of a domain that was started.
func (l *life) tell(id string) {
	started := l.look()[id]
	if len(started.MACs) == 0 {
		delete(l.told, id)
		return
	}
	maps.DeleteFunc(l.told, func(_ string, other known) bool { return other.Name == started.Name })
	l.told[id] = started
}

// knowsWhatItWasTold compares mdserver's inventory with what its hook told.
func (l *life) knowsWhatItWasTold() error {
	records, err := l.records()
	if err != nil {
		return err
	}
	maps.DeleteFunc(records, func(_ string, r record) bool { return r.Presence.State == "gone" })
	var problems []error
	for id, want := range l.told {
		if got := records[id].known(); fmt.Sprint(got) != fmt.Sprint(want) {
			problems = append(problems, fmt.Errorf("mdserver has %+v, the hook told of %+v", got, want))
		}
	}
	for id, r := range records {
		if _, ok := l.told[id]; !ok {
			problems = append(problems, fmt.Errorf("mdserver has %s, of which the hook did not tell", r.Name))
		}
	}
	return errors.Join(problems...)
}
