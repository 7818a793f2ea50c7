// Package table brings nftables' table "bridge mdserver" to a plan by netlink, in one
// transaction. The rules are fixed; what changes with the guests are elements of
// sets. So an update is small, is atomic, and interrupts no traffic.
package table

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"mdserver/internal/api"
	"mdserver/internal/portsecurity/plan"
)

// Name is the name of the table, in the family bridge. Nothing outside of it
// is touched.
const Name = "mdserver"

// hookPriority puts the table before those of others, which usually are at the
// priority "filter" of the bridge family, -200.
const hookPriority = -250

const (
	// chunk is how many elements go into one message: the length of an attribute
	// is 16 bits.
	chunk = 200
	// sendBuffer holds one transaction, which the kernel takes in one piece.
	sendBuffer = 32 << 20
)

// Table is nftables' table in the kernel.
type Table struct {
	conn *nftables.Conn
	// now is what the table holds since the last replace or update; nil if that
	// is not known.
	now  contents
	sets map[string]*nftables.Set
	// handles tell the rules as they were put there.
	handles string
}

// New prepares the table; Apply makes it.
func New() (*Table, error) {
	conn, err := nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error {
		// The buffer of the system's choice is too small for many guests.
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		var failed error
		err = raw.Control(func(fd uintptr) {
			failed = errors.Join(
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer),
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, sendBuffer))
		})
		return errors.Join(err, failed)
	}))
	if err != nil {
		return nil, explained(err)
	}
	return &Table{conn: conn}, nil
}

func bridgeTable() *nftables.Table {
	return &nftables.Table{Name: Name, Family: nftables.TableFamilyBridge}
}

// Apply brings the table to the plan, by the difference if it can.
func (t *Table) Apply(p plan.Plan) error {
	wanted := contentsOf(p)
	if t.now != nil {
		if err := t.update(wanted); err == nil {
			return nil
		}
	}
	return t.replace(wanted)
}

// replace makes the whole table, in place of one that is there.
func (t *Table) replace(wanted contents) error {
	t.now = nil
	own := bridgeTable()
	t.conn.AddTable(own) // so that there is one to delete
	t.conn.DelTable(own)
	t.conn.AddTable(own)
	t.sets = newSets(own)
	for _, name := range slices.Sorted(maps.Keys(t.sets)) {
		if t.sets[name].IsMap {
			continue // its elements name chains
		}
		if err := t.conn.AddSet(t.sets[name], nil); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	if err := t.addChains(own); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(t.sets)) {
		if err := t.change(t.conn.SetAddElements, name, wanted[name]); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	handles, err := t.readHandles()
	if err != nil {
		return err
	}
	t.now, t.handles = wanted, handles
	return nil
}

func (t *Table) addChains(own *nftables.Table) error {
	all := rules()
	for _, c := range all {
		t.conn.AddChain(c.in(own))
	}
	for _, name := range slices.Sorted(maps.Keys(t.sets)) {
		if !t.sets[name].IsMap {
			continue
		}
		if err := t.conn.AddSet(t.sets[name], nil); err != nil {
			return fmt.Errorf("map %s: %w", name, err)
		}
	}
	for _, c := range all {
		for _, r := range c.rules {
			t.conn.AddRule(&nftables.Rule{Table: own, Chain: &nftables.Chain{Name: c.name, Table: own}, Exprs: bind(r, t.sets)})
		}
	}
	return nil
}

// in returns c as a chain of the table. A chain at a hook accepts frames that match no rule.
func (c chain) in(own *nftables.Table) *nftables.Chain {
	made := &nftables.Chain{Name: c.name, Table: own}
	if c.hook != nil {
		policy := nftables.ChainPolicyAccept
		made.Type, made.Hooknum, made.Policy = nftables.ChainTypeFilter, c.hook, &policy
		made.Priority = nftables.ChainPriorityRef(hookPriority)
	}
	return made
}

// update changes the elements that differ.
func (t *Table) update(wanted contents) error {
	for _, name := range slices.Sorted(maps.Keys(t.sets)) {
		if err := t.change(t.conn.SetDeleteElements, name, without(t.now[name], wanted[name])); err != nil {
			return err
		}
		if err := t.change(t.conn.SetAddElements, name, without(wanted[name], t.now[name])); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		t.now = nil
		return err
	}
	t.now = wanted
	return nil
}

func (t *Table) change(how func(*nftables.Set, []nftables.SetElement) error, set string, elements map[element]bool) error {
	for part := range slices.Chunk(list(elements), chunk) {
		if err := how(t.sets[set], part); err != nil {
			return fmt.Errorf("set %s: %w", set, err)
		}
	}
	return nil
}

// flush makes the transaction. All of it is done, or nothing.
func (t *Table) flush() error {
	if err := t.conn.Flush(); err != nil {
		return explained(err)
	}
	return nil
}

// explained says what the kernel's usual refusals mean.
func explained(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("nftables refuses a change: CAP_NET_ADMIN is required: %w", err)
	case errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("this kernel does not fully support nftables for bridges (CONFIG_NF_TABLES, CONFIG_NF_TABLES_BRIDGE): %w", err)
	}
	return fmt.Errorf("nftables: %w", err)
}

// Intact reports whether the kernel's table is as it was left.
func (t *Table) Intact() bool {
	if t.now == nil {
		return false
	}
	handles, err := t.readHandles()
	if err != nil || handles != t.handles {
		return false
	}
	for name, set := range t.sets {
		if set.Dynamic {
			continue // the kernel's own
		}
		there, err := t.conn.GetSetElements(set)
		if err != nil || !same(there, t.now[name]) {
			return false
		}
	}
	return true
}

// Known reports whether the table has been made and not been forgotten since.
func (t *Table) Known() bool { return t.now != nil }

// Forget has the next Apply make the whole table.
func (t *Table) Forget() { t.now = nil }

// same reports whether a set has the wanted elements.
func same(there []nftables.SetElement, wanted map[element]bool) bool {
	if len(there) != len(wanted) {
		return false
	}
	chains := map[string]string{}
	for e := range wanted {
		chains[e.key+e.end] = e.chain
	}
	for _, e := range there {
		chain, ok := chains[string(e.Key)+string(e.KeyEnd)]
		if !ok || !leadsTo(e.Val, chain) {
			return false
		}
	}
	return true
}

// leadsTo reports whether an element's data are the verdict that goes to a chain.
// Source: enum nft_verdict_attributes of linux/netfilter/nf_tables.h.
func leadsTo(data []byte, chain string) bool {
	switch chain {
	case "": // no element of a map
		return true
	case accepted:
		return bytes.HasSuffix(data, []byte{0, 0, 0, 1}) // NF_ACCEPT
	}
	return bytes.Contains(data, []byte(chain+"\x00"))
}

// readHandles tells the rules that are there by their numbers: one that is changed
// gets another. It is an error if there are not as many as there should be.
func (t *Table) readHandles() (string, error) {
	text := ""
	own := bridgeTable()
	for _, c := range rules() {
		there, err := t.conn.GetRules(own, &nftables.Chain{Name: c.name, Table: own})
		if err != nil {
			return "", err
		}
		if len(there) != len(c.rules) {
			return "", fmt.Errorf("the chain %s was changed by another program", c.name)
		}
		text += c.name
		for _, r := range there {
			text += fmt.Sprintf(" %d", r.Handle)
		}
		text += "\n"
	}
	return text, nil
}

// remove takes the table away, if it is there.
func (t *Table) remove() error {
	t.now = nil
	t.conn.AddTable(bridgeTable())
	t.conn.DelTable(bridgeTable())
	return t.flush()
}

// Remove takes the table away that a server of this host has left, and reports
// whether there was one.
func Remove() (bool, error) {
	t, err := New()
	if err != nil {
		return false, err
	}
	there, err := t.exists()
	if err != nil || !there {
		return false, err
	}
	return true, t.remove()
}

func (t *Table) exists() (bool, error) {
	tables, err := t.conn.ListTablesOfFamily(nftables.TableFamilyBridge)
	if err != nil {
		return false, explained(err)
	}
	return slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == Name }), nil
}

// Roles reads which role the kernel's table gives to each port. Without a table, no
// port has one.
func Roles() (map[string]plan.Role, error) {
	t, err := New()
	if err != nil {
		return nil, err
	}
	if there, err := t.exists(); err != nil || !there {
		return nil, err
	}
	elements, err := t.conn.GetSetElements(newSets(bridgeTable())[setPorts])
	if err != nil {
		return nil, explained(err)
	}
	roles := map[string]plan.Role{}
	for _, e := range elements {
		for _, role := range []plan.Role{plan.Guest, plan.Stranger, plan.Other, plan.Uplink} {
			if leadsTo(e.Val, string(role)) {
				roles[portName(e.Key)] = role
			}
		}
	}
	return roles, nil
}

// Dropped reads the counters of all ports.
func (t *Table) Dropped() (map[string]api.Drops, error) {
	all := map[string]api.Drops{}
	for _, kind := range Kinds() {
		elements, err := t.conn.GetSetElements(&nftables.Set{Table: bridgeTable(), Name: kind.set(), KeyType: nftables.TypeIFName})
		if err != nil {
			return nil, fmt.Errorf("counters: %w", err)
		}
		count(all, kind, elements)
	}
	return all, nil
}

// count adds the frames of a kind that ports have dropped. It leaves out ports without any.
func count(all map[string]api.Drops, kind Kind, elements []nftables.SetElement) {
	for _, e := range elements {
		if e.Counter == nil || e.Counter.Packets == 0 {
			continue
		}
		port := portName(e.Key)
		if all[port] == nil {
			all[port] = api.Drops{}
		}
		all[port][string(kind)] = e.Counter.Packets
	}
}

func portName(key []byte) string {
	for i, b := range key {
		if b == 0 {
			return string(key[:i])
		}
	}
	return string(key)
}

// Generation is the number that the kernel gives to a ruleset, of all tables: it
// tells whether any of it has changed. Source: NFT_MSG_GETGEN of
// linux/netfilter/nf_tables.h.
func Generation() (uint32, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	replies, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request},
		Data:   make([]byte, 4), // struct nfgenmsg
	})
	if err != nil || len(replies) == 0 || len(replies[0].Data) < 4 {
		return 0, fmt.Errorf("generation of nftables: %w", err)
	}
	ad, err := netlink.NewAttributeDecoder(replies[0].Data[4:])
	if err != nil {
		return 0, err
	}
	for ad.Next() {
		if ad.Type() == unix.NFTA_GEN_ID {
			return ad.Uint32(), ad.Err()
		}
	}
	return 0, errors.New("the kernel reports no nftables generation")
}
