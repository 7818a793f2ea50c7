package etcdstore

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
)

// Problem is something wrong below a prefix.
type Problem struct {
	Kind ProblemKind `json:"kind"`
	Key  string      `json:"key"`
	Text string      `json:"text"`
}

// ProblemKind is what a program can tell problems by.
type ProblemKind string

// The kinds of problems. Claims follow from records, so Repair can correct them.
const (
	NoSchema      ProblemKind = "no_schema"     // there are keys, but no inventory
	Unreadable    ProblemKind = "unreadable"    // a record
	Contradiction ProblemKind = "contradiction" // two records have the same thing
	MissingClaim  ProblemKind = "missing_claim" // of a guest
	WrongClaim    ProblemKind = "wrong_claim"   // of no guest that has this
	Aside         ProblemKind = "set_aside"     // a record, by the server
	Unknown       ProblemKind = "unknown_key"   // of another program, or of a newer mdserver
)

// Checked is what Check has found.
type Checked struct {
	Inventory string         // its ID, or "" if there is none
	Revision  int64          // of etcd
	Newest    int64          // revision of the newest key below the prefix
	Table     instance.Table // of the records that can be read
	Problems  []Problem

	claims  map[string]*keyValue // what etcd has
	guests  map[string]int64     // revisions of the guests' records, by UUID
	missing map[string]string    // claims to write, with their guests
	wrong   []string             // claims to remove
}

// Check reads all keys below a prefix at one revision, and changes nothing.
func Check(ctx context.Context, client *clientv3.Client, prefix string) (*Checked, error) {
	r := NewReader(client, prefix)
	m, header, err := readMark(ctx, client, prefix)
	if err != nil {
		return nil, r.wrap(err)
	}
	c := &Checked{Inventory: m.Inventory, Revision: header.Revision, claims: map[string]*keyValue{}, guests: map[string]int64{}, missing: map[string]string{}}
	whole := newStep(header.Revision)
	keys := map[string]bool{}
	err = pages(ctx, client, prefix, header.Revision, func(key string, kv *keyValue) {
		key = strings.TrimPrefix(key, prefix)
		keys[key] = true
		c.Newest = max(c.Newest, kv.ModRevision)
		c.take(whole, key, kv)
	})
	if err != nil {
		return nil, r.wrap(err)
	}
	if m.Inventory == "" && len(keys) > 0 {
		c.problem(NoSchema, schemaKey, "there are keys, but no inventory")
	}
	present := newMirror("")
	present.apply(whole)
	c.Table = present.table()
	c.checkClaims(keys)
	slices.SortFunc(c.Problems, func(a, b Problem) int { return strings.Compare(a.Key+a.Text, b.Key+b.Text) })
	return c, nil
}

func (c *Checked) problem(kind ProblemKind, key, format string, args ...any) {
	c.Problems = append(c.Problems, Problem{kind, key, fmt.Sprintf(format, args...)})
}

// take notes one key.
func (c *Checked) take(whole *step, key string, kv *keyValue) {
	kind, name, _ := strings.Cut(key, "/")
	switch {
	case kind == "claims":
		c.claims[key] = kv
	case kind+"/" == asideKey:
		c.problem(Aside, key, "a record was set aside, because it was in conflict with another one")
	case !slices.Contains(Kinds(), kind):
		c.problem(Unknown, key, "this mdserver knows no such key")
	default:
		if kind+"/" == guestsKey {
			c.guests[name] = kv.ModRevision
		}
		if err := whole.set(key, kv, ""); err != nil {
			c.problem(Unreadable, key, "%v", err)
		}
	}
}

// checkClaims compares the claims with what follows from the records.
func (c *Checked) checkClaims(keys map[string]bool) {
	owner, contested := map[string]*instance.Instance{}, map[string]bool{}
	for i := range c.Table.Instances {
		guest := &c.Table.Instances[i]
		for _, key := range claims(guest) {
			if other := owner[key]; other != nil && other.UUID != guest.UUID {
				c.problem(Contradiction, key, "the guests %q and %q both have this", other.Name, guest.Name)
				contested[key] = true
				continue
			}
			owner[key] = guest
		}
	}
	for _, r := range c.Table.Resting {
		if guest := owner[addressClaim(r.Addr)]; guest != nil {
			c.problem(Contradiction, restKey(r.Addr), "the address is in quarantine, and the guest %q has it", guest.Name)
		}
	}
	for key, guest := range owner {
		switch claim := c.claims[key]; {
		case contested[key]: // nothing shows whose it is
		case claim == nil:
			c.problem(MissingClaim, key, "the guest %q has this, and does not claim it", guest.Name)
			c.missing[key] = guest.UUID.String()
		case string(claim.Value) != guest.UUID.String():
			c.problem(WrongClaim, key, "the guest %q has this, and %s claims it", guest.Name, claim.Value)
			if !c.unreadable(string(claim.Value)) {
				c.missing[key] = guest.UUID.String()
			}
		}
	}
	for key, claim := range c.claims {
		holder := string(claim.Value)
		if owner[key] == nil && !c.unreadable(holder) && !isSpare(key, holder, keys) {
			c.problem(WrongClaim, key, "%s claims this, and does not have it", holder)
			c.wrong = append(c.wrong, key)
		}
	}
}

// isSpare reports whether a host has claimed an address beforehand.
func isSpare(key, value string, keys map[string]bool) bool {
	addr, isAddress := strings.CutPrefix(key, "claims/address/")
	_, err := netip.ParseAddr(addr)
	return isAddress && err == nil && strings.HasPrefix(value, "spare/") && keys["spares/"+addr]
}

// unreadable reports whether the record of a guest cannot be read, so that nothing
// is known of its claims.
func (c *Checked) unreadable(id string) bool {
	return slices.ContainsFunc(c.Problems, func(p Problem) bool { return p.Kind == Unreadable && p.Key == guestsKey+id })
}

// Repair corrects the claims that do not follow from the records, each only
// if nothing has changed since the check. Records stay as they are. It returns how
// many claims it has corrected.
func (c *Checked) Repair(ctx context.Context, client *clientv3.Client, prefix string) (int, error) {
	repaired := 0
	commit := func(compare []clientv3.Cmp, op clientv3.Op) error {
		ctx, cancel := context.WithTimeout(ctx, listTimeout)
		defer cancel()
		resp, err := client.Txn(ctx).If(compare...).Then(op).Commit()
		if err == nil && resp.Succeeded {
			repaired++
		}
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(c.missing)) {
		id := c.missing[key]
		err := commit([]clientv3.Cmp{
			clientv3.Compare(clientv3.ModRevision(prefix+key), "=", c.claims[key].GetModRevision()),
			clientv3.Compare(clientv3.ModRevision(prefix+guestsKey+id), "=", c.guests[id]),
		}, clientv3.OpPut(prefix+key, id))
		if err != nil {
			return repaired, NewReader(client, prefix).wrap(err)
		}
	}
	for _, key := range slices.Sorted(slices.Values(c.wrong)) {
		claim := c.claims[key]
		err := commit([]clientv3.Cmp{
			clientv3.Compare(clientv3.ModRevision(prefix+key), "=", claim.ModRevision),
			clientv3.Compare(clientv3.ModRevision(prefix+guestsKey+string(claim.Value)), "=", c.guests[string(claim.Value)]),
		}, clientv3.OpDelete(prefix+key))
		if err != nil {
			return repaired, NewReader(client, prefix).wrap(err)
		}
	}
	return repaired, nil
}
