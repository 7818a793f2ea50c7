package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
)

// Hosts of one inventory publish their networks in their records, because they do not know
// each other's configuration. A host of an earlier version publishes none.

// The scopes of a network.
const (
	shared  = "shared" // all hosts have the same addresses
	perHost = "host"   // each host has a range of its own
)

// Network is a network of a host.
type Network struct {
	Name  string   `json:"name"`
	Scope string   `json:"scope"`
	IPv4  *Segment `json:"ipv4,omitempty"`
	IPv6  *Segment `json:"ipv6,omitempty"`
}

// Networks are the networks of a host.
type Networks []Network

// UnmarshalJSON leaves out what a later version may publish in another form, for the host
// counts in any case.
func (n *Networks) UnmarshalJSON(text []byte) error {
	var list []Network
	if json.Unmarshal(text, &list) == nil {
		*n = list
	}
	return nil
}

// Segment is what a network has of one family of addresses.
type Segment struct {
	Prefix  netip.Prefix `json:"prefix"`
	Gateway netip.Addr   `json:"gateway,omitzero"`
	Ranges  []Range      `json:"ranges"` // for guests of the host
}

// Range is a range of addresses, both ends included.
type Range struct {
	First netip.Addr `json:"first"`
	Last  netip.Addr `json:"last"`
}

// Publishable are the networks whose addresses are known.
func Publishable(networks []instance.Network) Networks {
	var list Networks
	for _, n := range networks {
		if n.Pending {
			continue
		}
		scope := shared
		if n.PerHost {
			scope = perHost
		}
		list = append(list, Network{Name: n.Name, Scope: scope,
			IPv4: segment(n.IPv4, n.Gateway4, n.Excluded), IPv6: segment(n.IPv6, n.Gateway6, n.Excluded)})
	}
	return list
}

func segment(prefix netip.Prefix, gateway netip.Addr, excluded []instance.AddrRange) *Segment {
	if !prefix.IsValid() {
		return nil
	}
	var ranges []Range
	for _, r := range instance.GuestRanges(prefix, excluded) {
		ranges = append(ranges, Range(r))
	}
	return &Segment{Prefix: prefix.Masked(), Gateway: gateway, Ranges: ranges}
}

// SetNetworks has this host publish its networks, now or when it takes part.
func (f *Fleet) SetNetworks(networks Networks) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if reflect.DeepEqual(f.networks, networks) {
		return
	}
	f.networks = networks
	f.hostsChanged()
	select {
	case f.publish <- struct{}{}:
	default:
	}
}

// record is the value of the key of this host.
func (f *Fleet) record() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	record, err := json.Marshal(Host{Name: f.Name, Version: f.Version, Since: f.started, Networks: f.networks})
	return string(record), err
}

// publishRecord writes the key of this host while its place is its own.
func (f *Fleet) publishRecord(ctx context.Context, l *lease) error {
	if l == nil {
		return nil // it is written with the place
	}
	record, err := f.record()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = f.Client.Txn(ctx).If(clientv3.Compare(clientv3.Value(f.Prefix+aliveKey+f.ID), "=", f.session)).
		Then(clientv3.OpPut(f.Prefix+hostsKey+f.ID, record)).Commit()
	return err
}

// Conflict is what two hosts do not agree on.
type Conflict struct {
	Network string
	Hosts   [2]string // names
	Keys    []string  // of the network, in the configuration
	Problem string
}

// Conflicts are those of this host's networks with the networks of hosts that are alive.
// They are found when a host or its networks change, since they are asked for far more often.
func (f *Fleet) Conflicts() []Conflict {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found
}

// ConflictsOf are the conflicts of the networks of a host with those of the hosts of a list
// that are alive, in the order of the list.
func ConflictsOf(host Host, hosts []Host) []Conflict {
	var all []Conflict
	for _, other := range hosts {
		if other.ID == host.ID || !other.Alive {
			continue
		}
		for _, ours := range host.Networks {
			for _, theirs := range other.Networks {
				if ours.Name == theirs.Name {
					all = append(all, compare(side{host.Name, ours}, side{other.Name, theirs})...)
				}
			}
		}
	}
	return all
}

// side is a network as one host has it.
type side struct {
	host string
	Network
}

func compare(a, b side) []Conflict {
	switch {
	case a.Scope != b.Scope:
		return []Conflict{conflict(a, b, []string{"scope"}, " has scope = %s on %s and scope = %s on %s", a.Scope, a.host, b.Scope, b.host)}
	case a.Scope != shared && a.Scope != perHost: // of a later version
		return nil
	}
	var all []Conflict
	for _, f := range []struct {
		suffix string // of the keys of this family
		a, b   *Segment
	}{{"", a.IPv4, b.IPv4}, {"6", a.IPv6, b.IPv6}} {
		if a.Scope == shared {
			all = append(all, compareShared(a, b, f.suffix, f.a, f.b)...)
		} else if f.a != nil && f.b != nil {
			all = append(all, comparePerHost(a, b, f.suffix, *f.a, *f.b)...)
		}
	}
	return all
}

// compareShared finds what differs of a network that has the same addresses on all hosts.
func compareShared(a, b side, suffix string, ours, theirs *Segment) []Conflict {
	switch {
	case ours == nil && theirs == nil:
		return nil
	case ours == nil || theirs == nil || ours.Prefix != theirs.Prefix:
		return []Conflict{conflict(a, b, []string{"net_address" + suffix, "net_prefix" + suffix},
			", which all hosts share, %s on %s and %s on %s", ours.says(suffix), a.host, theirs.says(suffix), b.host)}
	case ours.Gateway != theirs.Gateway:
		return []Conflict{conflict(a, b, []string{"gateway" + suffix},
			", which all hosts share, has the gateway %s on %s and %s on %s", ours.gateway(), a.host, theirs.gateway(), b.host)}
	}
	return nil
}

// comparePerHost finds addresses that two hosts have for their guests.
func comparePerHost(a, b side, suffix string, ours, theirs Segment) []Conflict {
	for _, one := range ours.Ranges {
		for _, other := range theirs.Ranges {
			if one.First.Compare(other.Last) <= 0 && other.First.Compare(one.Last) <= 0 {
				return []Conflict{conflict(a, b, []string{"net_address" + suffix, "net_prefix" + suffix, "reserved" + suffix},
					" has scope = host, and guests of %s and of %s can both get %s", a.host, b.host, one.common(other))}
			}
		}
	}
	if theirs.gives(ours.Gateway) {
		a, b, ours, theirs = b, a, theirs, ours
	}
	if ours.gives(theirs.Gateway) {
		return []Conflict{conflict(a, b, []string{"gateway" + suffix, "reserved" + suffix},
			" has scope = host, and guests of %s can get %s, which is the gateway on %s", a.host, theirs.Gateway, b.host)}
	}
	return nil
}

// gives reports whether guests can get an address.
func (s Segment) gives(addr netip.Addr) bool {
	return slices.ContainsFunc(s.Ranges, func(r Range) bool { return instance.AddrRange(r).Contains(addr) })
}

func conflict(a, b side, keys []string, format string, args ...any) Conflict {
	return Conflict{Network: a.Name, Hosts: [2]string{a.host, b.host}, Keys: keys,
		Problem: fmt.Sprintf("the network %q", a.Name) + fmt.Sprintf(format, args...)}
}

// common are the addresses of two ranges that overlap.
func (r Range) common(other Range) instance.AddrRange {
	common := instance.AddrRange(r)
	if r.First.Less(other.First) {
		common.First = other.First
	}
	if other.Last.Less(r.Last) {
		common.Last = other.Last
	}
	return common
}

// says is what a network is by its prefix. family is the end of the keys.
func (s *Segment) says(family string) string {
	if s == nil {
		return "has no IPv" + cmp.Or(family, "4")
	}
	return "is " + s.Prefix.String()
}

func (s *Segment) gateway() string {
	return cmp.Or(strings.TrimPrefix(s.Gateway.String(), "invalid IP"), "none")
}

// Remedy says what to change.
func (c Conflict) Remedy() string {
	keys := strings.Join(c.Keys, ", ")
	if len(c.Keys) > 1 {
		keys = strings.Join(c.Keys[:len(c.Keys)-1], ", ") + " or " + c.Keys[len(c.Keys)-1]
	}
	return fmt.Sprintf("change %s of the network %s on %s or %s; with backend = libvirt, change the network's definition", keys, c.Network, c.Hosts[0], c.Hosts[1])
}
