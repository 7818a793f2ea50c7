//go:build e2e

package e2e

import (
	"fmt"
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
	random *rand.Rand
	done   map[string]int // what succeeded, and how often
	renamed,
	plugged int
}

// TestRandomLife: whatever is done to domains, in whatever order, with libvirtd
// and mdserver killed now and then, in the end both know the same guests.
func TestRandomLife(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s=%d repeats this", seedVariable, seed)
	l := &life{host: newHost(t, true, true), random: rand.New(rand.NewPCG(seed, 0)), done: map[string]int{}}
	for round := range 8 {
		for range 8 {
			l.step()
		}
		switch round % 4 {
		case 1:
			l.libvirt.Kill()
			l.startLibvirt()
		case 2:
			l.server.Kill()
			for range 4 {
				l.step()
			}
			start(t, l.server)
		case 3: // unseen by mdserver's connection
			l.libvirt.Kill()
			l.startLibvirt()
			l.step()
		}
		l.settles(fmt.Sprintf("round %d, after %v", round, l.done))
	}
	for _, name := range []string{"define", "start", "destroy", "undefine", "domrename", "metadata"} {
		if l.done[name] == 0 {
			t.Logf("there was no %s in this run", name)
		}
	}
	t.Log(l.done)
}

// step does one thing to one domain, unless its state forbids that.
func (l *life) step() {
	n := 1 + l.random.IntN(4)
	id := machineUUID(n)
	var args []string
	switch l.random.IntN(13) {
	case 0, 1:
		args = []string{"define", l.file(machine(l.name(n), n, 1))}
	case 2, 3:
		args = []string{"start", id}
	case 4, 11:
		args = []string{"destroy", id}
	case 5, 12:
		args = []string{"undefine", id, "--managed-save"}
	case 6:
		l.renamed++
		args = []string{"domrename", id, fmt.Sprintf("renamed%d", l.renamed)}
	case 7:
		args = setMetadata(id, fmt.Sprintf("set%d", l.random.IntN(100)), []string{"--live", "--config"}[l.random.IntN(2)])
	case 8:
		l.plugged++
		args = []string{"attach-interface", id, "network", "mds", "--mac", machineMAC(n, 16+l.plugged%16), "--model", "usb-net", "--live"}
	case 9:
		args = []string{"managedsave", id}
	case 10:
		args = []string{"create", l.file(machine(l.name(n), n, 1, 2))}
	}
	if _, err := l.libvirt.Virsh(suite.ctx, args...); err == nil {
		l.done[args[0]]++
	}
}

// name is the name that a domain has, if it has one: libvirt defines no domain
// anew under another.
func (l *life) name(n int) string {
	domains, err := l.domains()
	if err != nil {
		l.t.Fatal(err)
	}
	if d, ok := domains[machineUUID(n)]; ok {
		return d.Name
	}
	return fmt.Sprintf("machine%d", n)
}
