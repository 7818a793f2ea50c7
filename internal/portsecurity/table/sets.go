package table

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/plan"
)

// Kind is a kind of frame that is dropped. Each has a set of its own with a
// counter for each port.
type Kind string

// The kinds of frames that are dropped.
const (
	KindType Kind = "type" // neither IP nor ARP, or with a VLAN tag
	KindMAC  Kind = "mac"  // a foreign Ethernet source
	KindARP  Kind = "arp"  // a foreign address in ARP
	KindIPv4 Kind = "ipv4" // a foreign IPv4 source
	KindIPv6 Kind = "ipv6" // a foreign IPv6 source
	KindND   Kind = "nd"   // a foreign address in neighbour discovery
	KindICMP Kind = "icmp" // what only a router sends: advertisements, redirects, queries
	KindDHCP Kind = "dhcp" // a server's message, or another client's
	KindForm Kind = "form" // a packet that cannot be read
	KindSYN  Kind = "syn"  // a connection too many to this host
)

// connections is how many connections to this host may be opened by one port. The
// kernel forgets one that is never completed after seven seconds, and a listening
// socket has room for 4,096 of them: seven guests together cannot fill it.
var connections = pace{perSecond: 50, atOnce: 200}

// newAddresses is how many link-local addresses one port may begin to use, beside the
// one that follows from the guest's MAC. The kernel has room for 1,024 neighbours at
// all interfaces together, and keeps each for at least five seconds: forty guests
// together cannot fill it. The table of a guest is as large.
var newAddresses = pace{perSecond: 1, atOnce: 20}

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{KindType, KindMAC, KindARP, KindIPv4, KindIPv6, KindND, KindICMP, KindDHCP, KindForm, KindSYN}
}

// Text says in a few words what was dropped.
func (k Kind) Text() string {
	return map[Kind]string{
		KindType: "neither IP nor ARP, or tagged",
		KindMAC:  "from a foreign MAC",
		KindARP:  "ARP of a foreign address",
		KindIPv4: "from a foreign IPv4 address",
		KindIPv6: "from a foreign IPv6 address",
		KindND:   "neighbour discovery of a foreign address",
		KindICMP: "ICMP, IGMP or MLD of a router",
		KindDHCP: "DHCP of a server or of another client",
		KindForm: "unreadable",
		KindSYN:  "connections opened too fast",
	}[k]
}

// Describe counts dropped frames in words, by kind.
func Describe(dropped api.Drops) string {
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(dropped)) {
		list = append(list, fmt.Sprintf("%d %s", dropped[kind], Kind(kind).Text()))
	}
	return strings.Join(list, ", ")
}

func (k Kind) set() string   { return "dropped_" + string(k) }
func (k Kind) chain() string { return "drop_" + string(k) }

// The sets of the table, beside those that count.
const (
	setPorts     = "ports"     // port → chain
	setMACs      = "macs"      // port . MAC that it may send from
	setFast4     = "fast4"     // number of the port . MAC and EtherType . protocol . address → verdict
	setFast6     = "fast6"     //
	setOwn4      = "own4"      // port . MAC . address
	setOwn6      = "own6"      //
	setAllowed4  = "allowed4"  // port . prefix, by allowed_addresses
	setAllowed6  = "allowed6"  //
	setReserved4 = "reserved4" // Reserved of the plan
	setReserved6 = "reserved6" //
	setHost4     = "host4"     // Host of the plan
	setHost6     = "host6"     //
	setMetadata4 = "metadata4" // Metadata of the plan
	setMetadata6 = "metadata6" //
	setHeld4     = "held4"     // Host of the plan, and the addresses of guests at known ports
	setHeld6     = "held6"     //
	setHeldMACs  = "held_macs" // MACs of guests at known ports
	setLimited   = "limited"   // ports of guests and of unknown machines
	setSYNs      = "syns"      // number of the port, with the rate of its connections
	setChosen    = "chosen6"   // MAC . link-local address that it uses
	setTaken     = "taken6"    // link-local address that any MAC uses
	setChoices   = "choices6"  // number of the port, with the rate of its new addresses
)

// idle is how long the kernel keeps what it has put into a set itself: the rate of a
// port, and an address that a guest uses.
const idle = 2 * time.Minute

// setTypes are the sets and the types of their keys.
var setTypes = map[string][]nftables.SetDatatype{
	setPorts:     {nftables.TypeIFName},
	setMACs:      {nftables.TypeIFName, nftables.TypeEtherAddr},
	setFast4:     {nftables.TypeIFIndex, nftables.TypeEtherAddr, nftables.TypeInetProto, nftables.TypeIPAddr},
	setFast6:     {nftables.TypeIFIndex, nftables.TypeEtherAddr, nftables.TypeInetProto, nftables.TypeIP6Addr},
	setOwn4:      {nftables.TypeIFName, nftables.TypeEtherAddr, nftables.TypeIPAddr},
	setOwn6:      {nftables.TypeIFName, nftables.TypeEtherAddr, nftables.TypeIP6Addr},
	setAllowed4:  {nftables.TypeIFName, nftables.TypeIPAddr},
	setAllowed6:  {nftables.TypeIFName, nftables.TypeIP6Addr},
	setReserved4: {nftables.TypeIPAddr},
	setReserved6: {nftables.TypeIP6Addr},
	setHost4:     {nftables.TypeIPAddr},
	setHost6:     {nftables.TypeIP6Addr},
	setMetadata4: {nftables.TypeIPAddr},
	setMetadata6: {nftables.TypeIP6Addr},
	setHeld4:     {nftables.TypeIPAddr},
	setHeld6:     {nftables.TypeIP6Addr},
	setHeldMACs:  {nftables.TypeEtherAddr},
	setLimited:   {nftables.TypeIFName},
	setSYNs:      {nftables.TypeIFIndex},
	setChosen:    {nftables.TypeEtherAddr, nftables.TypeIP6Addr},
	setTaken:     {nftables.TypeIP6Addr},
	setChoices:   {nftables.TypeIFIndex},
}

// newSets makes the table's sets, by their names.
func newSets(table *nftables.Table) map[string]*nftables.Set {
	sets := map[string]*nftables.Set{}
	for name, types := range setTypes {
		set := &nftables.Set{Table: table, Name: name, KeyType: types[0], KeyByteOrder: order(types[0])}
		if len(types) > 1 {
			set.KeyType, set.Concatenation = nftables.MustConcatSetType(types...), true
		}
		sets[name] = set
	}
	for _, name := range []string{setPorts, setFast4, setFast6} {
		sets[name].IsMap, sets[name].DataType = true, nftables.TypeVerdict
	}
	sets[setAllowed4].Interval, sets[setAllowed6].Interval = true, true
	for _, name := range []string{setSYNs, setChosen, setTaken, setChoices} {
		sets[name].Dynamic, sets[name].HasTimeout, sets[name].Timeout = true, true, idle
	}
	for _, kind := range Kinds() {
		sets[kind.set()] = &nftables.Set{Table: table, Name: kind.set(), KeyType: nftables.TypeIFName, KeyByteOrder: order(nftables.TypeIFName), Counter: true}
	}
	return sets
}

// order is how nft shows a key. Only names are in the order of this machine.
func order(key nftables.SetDatatype) binaryutil.ByteOrder {
	if key == nftables.TypeIFName {
		return binaryutil.NativeEndian
	}
	return binaryutil.BigEndian
}

// accepted stands in an element for the chain where a map accepts.
const accepted = "accept"

// element is one of a set: the bytes of its key, the end of a range, and the
// chain that a map leads to.
type element struct{ key, end, chain string }

// contents are the elements of each set.
type contents map[string]map[element]bool

func (c contents) add(set string, e element) {
	if c[set] == nil {
		c[set] = map[element]bool{}
	}
	c[set][e] = true
}

// addAddr adds an address to the set of its family: "own" means own4 or own6.
func (c contents) addAddr(set4, set6 string, addr netip.Addr, before ...string) {
	set := set6
	if addr.Is4() {
		set = set4
	}
	c.add(set, element{key: key(append(before, string(addr.AsSlice()))...)})
}

// contentsOf are the elements of the sets for a plan.
func contentsOf(p plan.Plan) contents {
	c := contents{}
	for _, addr := range p.Host {
		c.addAddr(setHost4, setHost6, addr)
		c.addAddr(setHeld4, setHeld6, addr)
	}
	for _, addr := range p.Metadata {
		c.addAddr(setMetadata4, setMetadata6, addr)
	}
	for _, addr := range p.Reserved {
		c.addAddr(setReserved4, setReserved6, addr)
	}
	for _, port := range p.Ports {
		c.port(port)
	}
	return c
}

func (c contents) port(port plan.Port) {
	name := ifname(port.Name)
	c.add(setPorts, element{key: name, chain: string(port.Role)})
	for _, kind := range Kinds() {
		c.add(kind.set(), element{key: name})
	}
	if port.Role == plan.Stranger || port.UUID != uuid.Nil {
		c.add(setLimited, element{key: name})
	}
	if port.UUID == uuid.Nil {
		return
	}
	for i, mac := range port.MACs {
		c.add(setMACs, element{key: key(name, string(mac[:]))})
		if i == 0 {
			c.add(setHeldMACs, element{key: key(string(mac[:]))})
		}
		for _, addr := range port.Addrs {
			c.addAddr(setOwn4, setOwn6, addr, name, string(mac[:]))
			c.addAddr(setHeld4, setHeld6, addr)
			if port.Role == plan.Guest && port.Index != 0 {
				c.fast(port.Index, mac, addr)
			}
		}
	}
	for _, prefix := range port.Allowed {
		c.allow(name, prefix)
	}
}

// fast adds what most frames of a guest have in common.
func (c contents) fast(index uint32, mac instance.MAC, addr netip.Addr) {
	set, protocol, udp := setFast6, etherIPv6, "fast_udp6"
	if addr.Is4() {
		set, protocol, udp = setFast4, etherIPv4, "fast_udp4"
	}
	port := string(binaryutil.NativeEndian.PutUint32(index))
	for transport, chain := range map[string]string{protoTCP: accepted, protoUDP: udp} {
		c.add(set, element{key: key(port, string(mac[:])+protocol, transport, string(addr.AsSlice())), chain: chain})
	}
}

func (c contents) allow(name string, prefix netip.Prefix) {
	set := setAllowed6
	if prefix.Addr().Is4() {
		set = setAllowed4
	}
	first, last := prefix.Masked().Addr(), lastOf(prefix)
	c.add(set, element{key: key(name, string(first.AsSlice())), end: key(name, string(last.AsSlice()))})
}

func lastOf(prefix netip.Prefix) netip.Addr {
	bytes := prefix.Masked().Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// key joins the fields of a concatenation, each filled up to whole registers of
// four bytes. A single field stays as it is.
func key(fields ...string) string {
	if len(fields) == 1 {
		return fields[0]
	}
	joined := ""
	for _, f := range fields {
		joined += f
		for len(joined)%4 != 0 {
			joined += "\x00"
		}
	}
	return joined
}

// ifname is an interface's name as the kernel compares it.
func ifname(name string) string { return (name + string(make([]byte, 16)))[:16] }

// list gives elements as nftables takes them, in a fixed order.
func list(elements map[element]bool) []nftables.SetElement {
	all := make([]nftables.SetElement, 0, len(elements))
	for _, e := range slices.SortedFunc(maps.Keys(elements), compare) {
		item := nftables.SetElement{Key: []byte(e.key)}
		if e.end != "" {
			item.KeyEnd = []byte(e.end)
		}
		switch e.chain {
		case "":
		case accepted:
			item.VerdictData = &expr.Verdict{Kind: expr.VerdictAccept}
		default:
			item.VerdictData = &expr.Verdict{Kind: expr.VerdictGoto, Chain: e.chain}
		}
		all = append(all, item)
	}
	return all
}

func compare(a, b element) int {
	for _, pair := range [][2]string{{a.key, b.key}, {a.end, b.end}, {a.chain, b.chain}} {
		if pair[0] != pair[1] {
			if pair[0] < pair[1] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// without are the elements of one set that another lacks.
func without(elements, other map[element]bool) map[element]bool {
	rest := map[element]bool{}
	for e := range elements {
		if !other[e] {
			rest[e] = true
		}
	}
	return rest
}
