package kernel

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// Uplink is a port of a bridge that is no tap: machines behind it are on the network,
// and this host does not run them.
type Uplink struct {
	Name, Bridge string
	Answers      []Answer // of other machines
	Err          error    // why it is not known who answers
}

// Answer tells that a machine has an address.
type Answer struct {
	Addr netip.Addr
	MAC  string
}

// Uplinks finds the uplinks of bridges, by name.
func (l Links) Uplinks(bridges []string) []Uplink {
	var all []Uplink
	for _, name := range slices.Sorted(maps.Keys(l.ByName)) {
		if link := l.ByName[name]; link.Up && !link.Tap && link.Master != "" && slices.Contains(bridges, link.Master) {
			all = append(all, Uplink{Name: name, Bridge: link.Master})
		}
	}
	return all
}

// Ask finds out which machines behind the uplinks have one of these addresses. It
// leaves out this host.
func (l Links) Ask(uplinks []Uplink, addrs []netip.Addr) {
	var asking sync.WaitGroup
	for i := range uplinks {
		asking.Go(func() {
			u := &uplinks[i]
			u.Answers, u.Err = whoHas(u.Name, addrs)
			u.Answers = l.ofOthers(u.Answers)
		})
	}
	asking.Wait()
}

// ofOthers returns the answers of other machines, without those of this host.
func (l Links) ofOthers(all []Answer) []Answer {
	return slices.DeleteFunc(all, func(a Answer) bool { return l.haveMAC(a.MAC) })
}

func (l Links) haveMAC(mac string) bool {
	for _, link := range l.ByName {
		if link.MAC == mac {
			return true
		}
	}
	return false
}
