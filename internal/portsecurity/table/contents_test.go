package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/plan"
	"mdserver/internal/portsecurity/porttest"
)

// TestContents compares the elements of all sets, for ports of each role, with a golden
// file.
func TestContents(t *testing.T) {
	link := func(index uint32, name, mac string, tap bool) plan.Link {
		made := plan.Link{Name: name, Index: index, Bridge: "br-mds", Tap: tap}
		made.MAC, _ = instance.ParseMAC(mac)
		return made
	}
	guests := []*instance.Instance{
		porttest.Guest(1, "vnet1", "allowed_addresses", "10.122.0.200, 172.17.0.0/15, 2001:db8::/63, 02:42:ac:11:00:02"),
		porttest.Guest(2, "vnet2", "port_security", "off"),
		porttest.Guest(3, "vnet3"), // its interface is not there yet
	}
	host := plan.Host{ID: "a", Addrs: map[string][]netip.Addr{"br-mds": {netip.MustParseAddr("10.122.0.1"), netip.MustParseAddr("fe80::1")}},
		Links: []plan.Link{link(4, "vnet1", "fe:54:00:00:00:01", true), link(5, "vnet2", "fe:54:00:00:00:02", true), link(6, "tap0", "02:00:00:00:00:03", true),
			link(0x1234, "eth0", "02:00:00:00:00:04", false)}}
	compareGolden(t, "contents.txt", textOf(contentsOf(plan.Make([]instance.Network{porttest.Network}, guests, host))))
}

// textOf formats contents, with one element a line.
func textOf(c contents) string {
	types := maps.Clone(setTypes)
	for _, kind := range Kinds() {
		types[kind.set()] = []nftables.SetDatatype{nftables.TypeIFName}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(types)) {
		fmt.Fprintf(&b, "%s:\n", name)
		for _, e := range list(c[name]) {
			line := fieldsOf(types[name], e.Key)
			if e.KeyEnd != nil {
				line += " to " + fieldsOf(types[name], e.KeyEnd)
			}
			if e.VerdictData != nil {
				line += ": " + describe(e.VerdictData)
			}
			b.WriteString("    " + line + "\n")
		}
	}
	return b.String()
}

// fieldsOf formats the fields of a key. Each is as long as its type says, and padded to
// whole registers if there are several.
func fieldsOf(types []nftables.SetDatatype, key []byte) string {
	var shown []string
	for _, kind := range types {
		size := int(kind.Bytes)
		field := fieldOf(kind, key[:size])
		if len(types) > 1 {
			whole := (size + 3) / 4 * 4
			if rest := key[size:whole]; strings.Trim(string(rest), "\x00") != "" {
				field += fmt.Sprintf(" and %x", rest)
			}
			size = whole
		}
		shown, key = append(shown, field), key[size:]
	}
	if len(key) > 0 {
		shown = append(shown, fmt.Sprintf("and %x", key))
	}
	return strings.Join(shown, " . ")
}

func fieldOf(kind nftables.SetDatatype, field []byte) string {
	switch kind {
	case nftables.TypeIFName:
		return strings.TrimRight(string(field), "\x00")
	case nftables.TypeIFIndex:
		return fmt.Sprint("interface ", binary.NativeEndian.Uint32(field))
	case nftables.TypeIPAddr, nftables.TypeIP6Addr:
		addr, _ := netip.AddrFromSlice(field)
		return addr.String()
	}
	return fmt.Sprintf("%x", field)
}

// TestSets checks that the sets are those that the rules need: maps of verdicts, ranges
// of prefixes, counters and rates.
func TestSets(t *testing.T) {
	sets := newSets(bridgeTable())
	for name, set := range sets {
		kind, counts := strings.CutPrefix(name, "dropped_")
		isMap := name == setPorts || name == setFast4 || name == setFast6
		ranges, rates := name == setAllowed4 || name == setAllowed6, slices.Contains([]string{setSYNs, setChosen, setTaken, setChoices}, name)
		if set.Name != name || set.Table.Name != Name || set.Table.Family != nftables.TableFamilyBridge || set.IsMap != isMap || (set.DataType == nftables.TypeVerdict) != isMap ||
			set.Interval != ranges || set.Counter != counts || set.Dynamic != rates || set.HasTimeout != rates || (set.Timeout == idle) != rates || set.Concatenation != (len(setTypes[name]) > 1) {
			t.Errorf("the set %s is %+v", name, set)
		}
		if named := counts || setTypes[name][0] == nftables.TypeIFName; (set.KeyByteOrder == binaryutil.NativeEndian) != named {
			t.Errorf("the keys of the set %s have the wrong byte order", name)
		}
		if counts && !slices.Contains(Kinds(), Kind(kind)) {
			t.Errorf("the set %s counts frames of an unknown kind", name)
		}
	}
	if len(sets) != len(setTypes)+len(Kinds()) {
		t.Errorf("there are %d sets", len(sets))
	}
	for _, c := range rules() {
		for _, r := range c.rules {
			for _, e := range bind(r, sets) {
				if lookup, ok := e.(*expr.Lookup); ok && sets[lookup.SetName] == nil {
					t.Errorf("the chain %s asks for the set %s, which is not there", c.name, lookup.SetName)
				}
			}
		}
	}
}

// TestAllowedPrefixes checks that an allowed prefix is the range of all its addresses,
// even if it names one in the middle.
func TestAllowedPrefixes(t *testing.T) {
	for prefix, want := range map[string]string{
		"172.17.0.1/16": "allowed4: vnet1 . 172.17.0.0 to vnet1 . 172.17.255.255", "192.0.2.1/32": "allowed4: vnet1 . 192.0.2.1 to vnet1 . 192.0.2.1",
		"2001:db8::1/127": "allowed6: vnet1 . 2001:db8:: to vnet1 . 2001:db8::1",
	} {
		c := contents{}
		c.allow(ifname("vnet1"), netip.MustParsePrefix(prefix))
		for name, elements := range c {
			e := list(elements)[0]
			if got := name + ": " + fieldsOf(setTypes[name], e.Key) + " to " + fieldsOf(setTypes[name], e.KeyEnd); got != want {
				t.Errorf("%s: %s, want %s", prefix, got, want)
			}
		}
	}
}

// TestChainsAtHooks checks that the chains at hooks run before others' chains, at priority
// -200, and accept what no rule matches: not all bridges of a host have port security.
func TestChainsAtHooks(t *testing.T) {
	hooked := 0
	for _, c := range rules() {
		made := c.in(bridgeTable())
		if made.Name != c.name || made.Table.Name != Name || made.Hooknum != c.hook || (made.Policy != nil) != (c.hook != nil) {
			t.Errorf("%s is %+v", c.name, made)
		}
		if c.hook == nil {
			continue
		}
		hooked++
		if *made.Policy != nftables.ChainPolicyAccept || made.Type != nftables.ChainTypeFilter || *made.Priority >= -200 {
			t.Errorf("%s is %+v, policy %v, priority %v", c.name, made, *made.Policy, *made.Priority)
		}
	}
	if hooked != 2 {
		t.Errorf("%d chains are at hooks", hooked)
	}
}

// heard returns a Table with a plan, which sends its messages to hear.
func heard(t *testing.T, p plan.Plan, hear func([]netlink.Message) error) *Table {
	t.Helper()
	conn, err := nftables.New(nftables.WithTestDial(func(sent []netlink.Message) ([]netlink.Message, error) {
		if len(sent) == 0 {
			return nil, nil // it only listens
		}
		return sent, hear(sent)
	}))
	if err != nil {
		t.Fatal(err)
	}
	return &Table{conn: conn, now: contentsOf(p), sets: newSets(bridgeTable())}
}

// TestUpdateByTheDifference checks that an update is one transaction, which deletes the
// elements that are gone and adds the new ones.
func TestUpdateByTheDifference(t *testing.T) {
	var deleted, added string
	transactions := 0
	table := heard(t, planOf(porttest.Guest(1, "vnet1"), porttest.Guest(2, "vnet2")), func(sent []netlink.Message) error {
		transactions++
		for _, message := range sent {
			switch message.Header.Type & 0xff {
			case unix.NFT_MSG_DELSETELEM:
				deleted += string(message.Data)
			case unix.NFT_MSG_NEWSETELEM:
				added += string(message.Data)
			}
		}
		return nil
	})
	if err := table.Apply(planOf(porttest.Guest(2, "vnet2"), porttest.Guest(3, "vnet3"))); err != nil {
		t.Fatal(err)
	}
	if transactions != 1 || !strings.Contains(deleted, "vnet1") || !strings.Contains(added, "vnet3") || strings.Contains(deleted+added, "vnet2") ||
		strings.Contains(deleted, "vnet3") || strings.Contains(added, "vnet1") {
		t.Errorf("in %d transactions, %q is deleted and %q added", transactions, deleted, added)
	}
	if !table.Known() || !maps.EqualFunc(table.now, contentsOf(planOf(porttest.Guest(2, "vnet2"), porttest.Guest(3, "vnet3"))), maps.Equal) {
		t.Error("the table does not know its new contents")
	}
}

// TestUpdateOfManyGuests checks that a message stays below 64 kB, however many guests
// there are.
func TestUpdateOfManyGuests(t *testing.T) {
	elements := 0
	table := heard(t, planOf(), func(sent []netlink.Message) error {
		for _, message := range sent {
			if len(message.Data) >= 1<<16 {
				t.Errorf("a message has %d bytes", len(message.Data))
			}
			elements += strings.Count(string(message.Data), "vnet")
		}
		return nil
	})
	if err := table.Apply(planOf(porttest.Guests(1000)...)); err != nil || elements < 1000*(3+len(Kinds())) {
		t.Errorf("%d elements, %v", elements, err)
	}
}

// TestUpdateThatFails checks that a Table does not know its contents after a failed
// change, and then writes all of them. The error says what the kernel lacks.
func TestUpdateThatFails(t *testing.T) {
	for errno, want := range map[error]string{
		unix.EPERM: "CAP_NET_ADMIN is required", unix.EOPNOTSUPP: "CONFIG_NF_TABLES_BRIDGE", unix.EAFNOSUPPORT: "CONFIG_NF_TABLES_BRIDGE",
		unix.EPROTONOSUPPORT: "CONFIG_NF_TABLES_BRIDGE", unix.EINVAL: "CONFIG_NF_TABLES_BRIDGE", unix.ENOMEM: "nftables: ",
	} {
		tries := 0
		table := heard(t, planOf(), func([]netlink.Message) error { tries++; return errno })
		err := table.Apply(planOf(porttest.Guest(1, "vnet1")))
		if err == nil || !errors.Is(err, errno) || !strings.Contains(err.Error(), want) || tries != 2 {
			t.Errorf("%v: error %v after %d tries", errno, err, tries)
		}
		if table.Known() || table.Intact() {
			t.Errorf("%v: the table is known", errno)
		}
		table.now = contents{}
		if err := table.update(contentsOf(planOf(porttest.Guest(1, "vnet1")))); err == nil || table.Known() {
			t.Errorf("%v: after an update, error %v, known %v", errno, err, table.Known())
		}
		table.now = contents{}
		if err := table.replace(contents{}); err == nil || table.Known() {
			t.Errorf("%v: after a replacement, error %v, known %v", errno, err, table.Known())
		}
		if table.now = (contents{}); table.Known() {
			table.Forget()
		}
		if table.Known() {
			t.Error("a table that was forgotten is known")
		}
	}
}

// TestBind checks that bind returns a rule with the sets of one batch, and does not
// change the rule itself.
func TestBind(t *testing.T) {
	sets := map[string]*nftables.Set{"macs": {ID: 7}, "syns": {ID: 8}}
	rule := match(in("macs", etherSource), tooMany("syns", iif, connections))
	bound := bind(rule, sets)
	ids := func(parts []expr.Any) (ids []uint32) {
		for _, part := range parts {
			switch part := part.(type) {
			case *expr.Lookup:
				ids = append(ids, part.SetID)
			case *expr.Dynset:
				ids = append(ids, part.SetID)
			}
		}
		return ids
	}
	if got := ids(bound); !slices.Equal(got, []uint32{7, 8}) || len(bound) != len(rule) {
		t.Errorf("bound to the sets %v", got)
	}
	if got := ids(rule); !slices.Equal(got, []uint32{0, 0}) {
		t.Errorf("the rule itself is bound to %v", got)
	}
}

// TestSame checks that a set is as wanted only if it has all elements and no others, each
// with its verdict.
func TestSame(t *testing.T) {
	wanted := map[element]bool{{key: "a", end: "b"}: true, {key: "c", chain: "guest"}: true, {key: "d", chain: accepted}: true}
	goTo := func(chain string) []byte { return []byte("\x00\x00\x00\x08\x00\x00\x00\x02" + chain + "\x00") }
	accept := []byte{0, 8, 0, 1, 0, 0, 0, 1}
	ranges := nftables.SetElement{Key: []byte("a"), KeyEnd: []byte("b")}
	guest, last := nftables.SetElement{Key: []byte("c"), Val: goTo("guest")}, nftables.SetElement{Key: []byte("d"), Val: accept}
	for name, tt := range map[string]struct {
		there []nftables.SetElement
		want  bool
	}{
		"all":              {[]nftables.SetElement{last, ranges, guest}, true},
		"one less":         {[]nftables.SetElement{ranges, guest}, false},
		"one more":         {[]nftables.SetElement{ranges, guest, last, {Key: []byte("e")}}, false},
		"another":          {[]nftables.SetElement{ranges, guest, {Key: []byte("e"), Val: accept}}, false},
		"another end":      {[]nftables.SetElement{{Key: []byte("a"), KeyEnd: []byte("c")}, guest, last}, false},
		"another chain":    {[]nftables.SetElement{ranges, {Key: []byte("c"), Val: goTo("other")}, last}, false},
		"part of a chain":  {[]nftables.SetElement{ranges, {Key: []byte("c"), Val: goTo("guests")}, last}, false},
		"drop, not accept": {[]nftables.SetElement{ranges, guest, {Key: []byte("d"), Val: []byte{0, 8, 0, 1, 0, 0, 0, 0}}}, false},
	} {
		if got := same(tt.there, wanted); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestWithout checks that without returns the elements that an update deletes, and those
// that it adds.
func TestWithout(t *testing.T) {
	a, b, moved := element{key: "a"}, element{key: "b", chain: "guest"}, element{key: "b", chain: "other"}
	before, after := map[element]bool{a: true, b: true}, map[element]bool{a: true, moved: true}
	if got := without(before, after); !maps.Equal(got, map[element]bool{b: true}) {
		t.Errorf("to delete: %v", got)
	}
	if got := without(after, before); !maps.Equal(got, map[element]bool{moved: true}) {
		t.Errorf("to add: %v", got)
	}
	if got := without(nil, after); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

// TestCount checks that count lists the ports that have dropped frames, by the kind of
// frame.
func TestCount(t *testing.T) {
	all := map[string]api.Drops{}
	dropped := func(port string, frames uint64) nftables.SetElement {
		return nftables.SetElement{Key: []byte(ifname(port)), Counter: &expr.Counter{Packets: frames, Bytes: 1}}
	}
	count(all, KindARP, []nftables.SetElement{dropped("vnet1", 2), dropped("vnet2", 0), {Key: []byte(ifname("vnet3"))}})
	count(all, KindMAC, []nftables.SetElement{dropped("vnet1", 3), dropped("vnet4", 4)})
	if got, want := fmt.Sprint(all), "map[vnet1:map[arp:2 mac:3] vnet4:map[mac:4]]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNamesOfPorts(t *testing.T) {
	for _, name := range []string{"", "lo", "vnet1", "fifteen-letters"} {
		if key := ifname(name); len(key) != 16 || portName([]byte(key)) != name {
			t.Errorf("%q became %q, and then %q", name, key, portName([]byte(key)))
		}
	}
	if got := portName([]byte("sixteen-letters!")); got != "sixteen-letters!" {
		t.Errorf("got %q", got)
	}
}

// TestKinds checks that each kind of dropped frames has its own set, chain and
// description.
func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range Kinds() {
		if text := kind.Text(); text == "" || seen[text] || seen[kind.set()] || seen[kind.chain()] {
			t.Errorf("%s is described as %q", kind, text)
		} else {
			seen[text], seen[kind.set()], seen[kind.chain()] = true, true, true
		}
	}
	if got, want := Describe(map[string]uint64{"mac": 3, "arp": 12}), "12 ARP of a foreign address, 3 from a foreign MAC"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
