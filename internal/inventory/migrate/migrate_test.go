package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storetest"
)

func uid(n int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)) }

// guest is the guest number n of a host, with changes.
func guest(n int, host string, changes ...func(*instance.Instance)) instance.Instance {
	g := instance.Instance{
		ID: fmt.Sprintf("i-%d", n), Name: fmt.Sprintf("web%d", n), Hostname: fmt.Sprintf("web%d", n), UUID: uid(n), Network: "mds",
		MAC: instance.MAC{0x52, 0x54, 0, 0, 0, byte(n)}, IPv4: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), Home: homeOf(host),
	}
	for _, change := range changes {
		change(&g)
	}
	return g
}

// homeOf is the home of a guest that a host has copied, or none.
func homeOf(host string) instance.Home {
	if host == "" {
		return instance.Home{}
	}
	return instance.Home{Host: host, HostID: "id-" + host, Epoch: 1}
}

var hostA = Host{"a", "id-a"}

func table(guests ...instance.Instance) instance.Table { return instance.Table{Instances: guests} }

// further gives a guest a second interface.
func further(network string, mac byte) func(*instance.Instance) {
	return func(g *instance.Instance) {
		g.Further = []instance.Attachment{{Network: network, MAC: instance.MAC{2, mac}}}
	}
}

func TestCompare(t *testing.T) {
	renamed := func(g *instance.Instance) { g.Name = "other" }
	for name, test := range map[string]struct {
		ours, fleet instance.Table
		copied      []uuid.UUID
		want        string // new, changed, same, gone, elsewhere, conflicts
	}{
		"an empty fleet":                {table(guest(1, ""), guest(2, "")), table(), nil, "[web1 web2] [] 0 [] [] []"},
		"copied":                        {table(guest(1, "")), table(guest(1, "a")), nil, "[] [] 1 [] [] []"},
		"changed here":                  {table(guest(1, "", renamed)), table(guest(1, "a")), nil, "[] [other] 0 [] [] []"},
		"copied without a host":         {table(guest(1, "", renamed)), table(guest(1, "")), nil, "[] [other] 0 [] [] []"},
		"released here":                 {table(), table(guest(1, "a")), []uuid.UUID{uid(1)}, "[] [] 0 [web1] [] []"},
		"copied and still here":         {table(guest(1, "")), table(guest(1, "a")), []uuid.UUID{uid(1)}, "[] [] 1 [] [] []"},
		"what a gone guest had":         {table(guest(2, "", func(g *instance.Instance) { g.IPv4, g.Hostname = guest(1, "").IPv4, "web1" })), table(guest(1, "a")), []uuid.UUID{uid(1)}, "[web2] [] 0 [web1] [] []"},
		"never copied":                  {table(), table(guest(1, "a")), nil, "[] [] 0 [] [] []"},
		"released here, moved since":    {table(), table(guest(1, "b")), []uuid.UUID{uid(1)}, "[] [] 0 [] [] []"},
		"has moved":                     {table(guest(1, "")), table(guest(1, "b")), nil, "[] [] 0 [] [web1] []"},
		"released here and there":       {table(), table(guest(2, "b")), []uuid.UUID{uid(1)}, "[] [] 0 [] [] []"},
		"moved, with another card":      {table(guest(1, "")), table(guest(1, "b", func(g *instance.Instance) { g.MAC[5] = 9 })), nil, "[] [] 0 [] [] [UUID]"},
		"others' guests stay":           {table(guest(1, "")), table(guest(2, "b")), nil, "[web1] [] 0 [] [] []"},
		"a cloned domain":               {table(guest(1, "", renamed)), table(guest(1, "b")), nil, "[] [] 0 [] [] [UUID]"},
		"a name":                        {table(guest(1, "")), table(guest(2, "b", func(g *instance.Instance) { g.Name = "web1" })), nil, "[web1] [] 0 [] [] [name]"},
		"a host name in another case":   {table(guest(1, "")), table(guest(2, "b", func(g *instance.Instance) { g.Hostname = "WEB1" })), nil, "[web1] [] 0 [] [] [host name]"},
		"an instance-id":                {table(guest(1, "")), table(guest(2, "b", func(g *instance.Instance) { g.ID = "i-1" })), nil, "[web1] [] 0 [] [] [instance-id]"},
		"a MAC address":                 {table(guest(1, "")), table(guest(2, "b", func(g *instance.Instance) { g.MAC[5] = 1 })), nil, "[web1] [] 0 [] [] [MAC address]"},
		"a MAC address elsewhere":       {table(guest(1, "")), table(guest(2, "b", func(g *instance.Instance) { g.MAC[5], g.Network = 1, "dmz" })), nil, "[web1] [] 0 [] [] []"},
		"a MAC address of another card": {table(guest(1, "", further("dmz", 7))), table(guest(2, "b", further("dmz", 7))), nil, "[web1] [] 0 [] [] [MAC address]"},
		"of another card elsewhere":     {table(guest(1, "", further("dmz", 7))), table(guest(2, "b", further("lan", 7))), nil, "[web1] [] 0 [] [] []"},
		"an address":                    {table(guest(1, "")), table(guest(2, "b", func(g *instance.Instance) { g.IPv4 = guest(1, "").IPv4 })), nil, "[web1] [] 0 [] [] [address]"},
		"all that there is":             {table(guest(1, "")), table(guest(1, "b", func(g *instance.Instance) { g.UUID = uid(9) })), nil, "[web1] [] 0 [] [] [name host name instance-id MAC address address]"},
		"two of this host have changed": {table(guest(1, "", func(g *instance.Instance) { g.Name = "web2" }), guest(2, "", func(g *instance.Instance) { g.Name = "web1" })), table(guest(1, "a"), guest(2, "a")), nil, "[] [web2 web1] 0 [] [] []"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Compare(test.ours, test.fleet, hostA, test.copied)
			var what []string
			for _, conflict := range c.Conflicts {
				what = append(what, conflict.What)
			}
			if got := fmt.Sprint(c.New, c.Changed, c.Same, c.Gone, c.Elsewhere, what); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if len(c.Change.Put) != len(c.New)+len(c.Changed) || len(c.Change.Delete) != len(c.Gone) {
				t.Errorf("%+v", c.Change)
			}
			for _, put := range c.Change.Put {
				if put.Home != homeOf("a") {
					t.Errorf("%s has the home %+v", put.Name, put.Home)
				}
			}
		})
	}
}

// TestCompareHome: an epoch never falls.
func TestCompareHome(t *testing.T) {
	moved := func(g *instance.Instance) { g.HostID, g.Epoch = "id-a", 3 }
	changed := func(g *instance.Instance) { g.Location = "here" }
	c := Compare(table(guest(1, "", changed)), table(guest(1, "a", moved)), hostA, nil)
	if len(c.Change.Put) != 1 || c.Change.Put[0].Home != guest(1, "a", moved).Home || c.Change.Put[0].Location != "here" {
		t.Errorf("%+v", c.Change)
	}
	if c = Compare(table(guest(1, "")), table(guest(1, "a", moved)), hostA, nil); c.Same != 1 {
		t.Errorf("%+v", c)
	}
}

func TestCompareQuarantine(t *testing.T) {
	rest := func(n int) instance.Resting {
		return instance.Resting{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), UUID: uid(90 + n), Since: time.Unix(1, 0).UTC()}
	}
	ours := instance.Table{Instances: []instance.Instance{guest(1, "")}, Resting: []instance.Resting{rest(2), rest(3), rest(4)}}
	fleet := instance.Table{Instances: []instance.Instance{guest(2, "b")}, Resting: []instance.Resting{rest(1), rest(3)}}
	got := Compare(ours, fleet, hostA, nil).Change
	want := instance.Change{Put: []instance.Instance{guest(1, "a")}, Rest: []instance.Resting{rest(4)}, Wake: []netip.Addr{rest(1).Addr}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The addresses of a guest that goes rest in the fleet, if they rest here.
func TestCompareQuarantineOfTheGone(t *testing.T) {
	was := guest(1, "a")
	rests := instance.Resting{Addr: was.IPv4, UUID: was.UUID, InstanceID: was.ID}
	c := Compare(instance.Table{Resting: []instance.Resting{rests}}, table(was), hostA, []uuid.UUID{was.UUID})
	if len(c.Change.Delete) != 1 || len(c.Change.Rest) != 1 || c.Change.Rest[0] != rests || c.Resting != 1 {
		t.Errorf("%+v", c.Change)
	}
	if c = Compare(instance.Table{Resting: []instance.Resting{rests}}, table(was), hostA, nil); len(c.Change.Rest) > 0 || c.Resting != 0 {
		t.Errorf("while the fleet's guest has it: %+v", c.Change)
	}
}

// A guest's host in the fleet, and its epoch.
func TestCompareHosts(t *testing.T) {
	for name, test := range map[string]struct {
		own    instance.Home
		former *instance.Home // in the fleet; nil: none
		want   instance.Home
	}{
		"new":                      {instance.Home{}, nil, instance.Home{Host: "a", HostID: "id-a", Epoch: 1}},
		"new, had a host":          {instance.Home{Host: "b", HostID: "id-b", Epoch: 4}, nil, instance.Home{Host: "b", HostID: "id-b", Epoch: 4}},
		"new, has had hosts":       {instance.Home{Epoch: 4}, nil, instance.Home{Host: "a", HostID: "id-a", Epoch: 5}},
		"of no host in the fleet":  {instance.Home{}, &instance.Home{Epoch: 7}, instance.Home{Host: "a", HostID: "id-a", Epoch: 8}},
		"this host's in the fleet": {instance.Home{Epoch: 2}, &instance.Home{Host: "a", HostID: "id-a", Epoch: 7}, instance.Home{Host: "a", HostID: "id-a", Epoch: 7}},
	} {
		var fleet instance.Table
		if test.former != nil {
			fleet = table(guest(1, "", func(g *instance.Instance) { g.Home = *test.former }))
		}
		ours := guest(1, "", func(g *instance.Instance) { g.Home, g.Location = test.own, "changed" })
		if put := Compare(table(ours), fleet, hostA, nil).Change.Put; len(put) != 1 || put[0].Home != test.want {
			t.Errorf("%s: %+v, want %+v", name, put, test.want)
		}
	}
}

// What is to be written, and what is told of conflicts.
func TestConflictsAreTold(t *testing.T) {
	ours := table(guest(1, ""), guest(2, ""), guest(3, ""))
	fleet := table(guest(4, "b", func(g *instance.Instance) { g.Name = "web1" }), guest(5, "", func(g *instance.Instance) { g.Name = "web2" }))
	fleet.Spares = []instance.Spare{{Addr: guest(3, "").IPv4, Host: "c"}, {Addr: guest(9, "").IPv4, Host: "c"}}
	c := Compare(ours, fleet, hostA, nil)
	want := `nothing was written, because guests of this host conflict with others of the fleet:
the guest "web1" has the name web1, which belongs to the guest "web1" of the host b
the guest "web2" has the name web2, which belongs to the guest "web2"
the guest "web3" has the address 10.0.0.3, which the host c has claimed for its new guests`
	if got := ConflictsError(c.Conflicts).Error(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	j := Join{Ours: ours, Host: hostA, Order: Order{Inventory: "id"}}
	if change, err := j.Decide("id", fleet); err == nil || err.Error() != want || !change.Empty() {
		t.Errorf("%v, %+v", err, change)
	}
	if change, err := j.Decide("id", instance.Table{Spares: fleet.Spares}); err == nil || !change.Empty() {
		t.Errorf("with one conflict: %v, %+v", err, change)
	}
	if change, err := j.Decide("id", instance.Table{}); err != nil || len(change.Put) != 3 {
		t.Errorf("without a conflict: %v, %+v", err, change)
	}
	j.Order.Copied = []uuid.UUID{uid(8)}
	if change, err := j.Decide("id", table(guest(8, "a"))); err != nil || !slices.Equal(change.Delete, j.Order.Copied) {
		t.Errorf("released since it was copied: %v, %+v", err, change)
	}
}

func TestAdded(t *testing.T) {
	changed := guest(1, "", func(g *instance.Instance) { g.Location = "changed" })
	added := Compare(table(changed, guest(2, "")), table(guest(1, "a")), hostA, nil).Added()
	if len(added) != 1 || added[0].UUID != uid(2) {
		t.Errorf("%+v", added)
	}
}

func TestDifferences(t *testing.T) {
	changed := guest(2, "", func(g *instance.Instance) { g.Location = "changed" })
	got := Differences(table(guest(1, ""), guest(2, ""), guest(3, "")), table(guest(4, ""), changed, guest(1, "")))
	if fmt.Sprint(got) != "[web4 web2 web3]" {
		t.Errorf("%v", got)
	}
}

func TestOrder(t *testing.T) {
	database := filepath.Join(t.TempDir(), "mdserver.db")
	if o, err := ReadOrder(database); err != nil || o.To != "" {
		t.Errorf("without a file: %+v, %v", o, err)
	}
	order := Order{To: ToEtcd, Prefix: "/mdserver/", Inventory: "id", Created: time.Unix(1, 0).UTC()}
	join := func() error {
		j, err := NewJoin(database, "/mdserver/", hostA, table(guest(1, "")), slog.New(slog.DiscardHandler))
		if err == nil {
			_, err = j.Decide("id", table())
		}
		return err
	}
	for name, test := range map[string]struct {
		change func(*Order)
		want   string
	}{
		"incomplete":        {func(*Order) {}, "brings them there"},
		"another prefix":    {func(o *Order) { o.Complete, o.Prefix = true, "/other/" }, "they were copied below /other/"},
		"another inventory": {func(o *Order) { o.Complete, o.Inventory = true, "x" }, "into the inventory x"},
		"another direction": {func(o *Order) { o.Complete, o.To = true, ToBolt }, "brings them there"},
		"complete":          {func(o *Order) { o.Complete = true }, "<nil>"},
	} {
		o := order
		test.change(&o)
		if err := o.Write(database); err != nil {
			t.Fatal(err)
		}
		if err := join(); !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	full := order
	full.HostID, full.Copied, full.Complete, full.All = "id-a", []uuid.UUID{uid(1)}, true, true
	if err := full.Write(database); err != nil {
		t.Fatal(err)
	}
	if read, err := ReadOrder(database); err != nil || !reflect.DeepEqual(read, full) {
		t.Errorf("%+v, %v; want %+v", read, err, full)
	}
	if info, err := os.Stat(OrderFile(database)); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	(&Join{Database: database, Log: slog.New(slog.DiscardHandler)}).Done()
	if read, err := ReadOrder(database); err != nil || read.To != "" {
		t.Errorf("after it was followed: %+v, %v", read, err)
	}
	if err := RemoveOrder(database); err != nil {
		t.Errorf("without an order: %v", err)
	}
	if err := os.WriteFile(OrderFile(database), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadOrder(database); err == nil || !strings.Contains(err.Error(), OrderFile(database)+": ") {
		t.Errorf("a damaged order: %v", err)
	}
	if err := join(); err == nil || errors.Is(err, ErrNoOrder) {
		t.Errorf("a damaged order is no order: %v", err)
	}
}

// TestUndo: only what was copied goes, and not what another host has by now.
func TestUndo(t *testing.T) {
	o := Order{HostID: "id-a", Copied: []uuid.UUID{uid(1)}}
	o.AddCopied([]instance.Instance{guest(1, "a"), guest(2, "a")})
	fleet := table(guest(1, "a"), guest(2, "b"), guest(3, "a"))
	if c, names := o.Undo(fleet); fmt.Sprint(names) != "[web1]" || !slices.Equal(c.Delete, []uuid.UUID{uid(1)}) || !slices.Equal(o.Copied, []uuid.UUID{uid(1), uid(2)}) {
		t.Errorf("%v, %v, copied %v", c, names, o.Copied)
	}
}

func TestLeave(t *testing.T) {
	all := table(guest(1, "a"), guest(2, "b"), guest(3, ""))
	for _, test := range []struct {
		order         Order
		left, removed []string
	}{
		{Order{}, []string{"web1", "web3"}, []string{"web2"}},
		{Order{All: true}, []string{"web1", "web2", "web3"}, nil},
	} {
		store := storetest.NewMemory()
		if err := store.Apply(t.Context(), []instance.Change{{Put: all.Instances}}); err != nil {
			t.Fatal(err)
		}
		removed, err := test.order.Leave(t.Context(), store, hostA)
		after, _ := store.Load(t.Context())
		var left []string
		for _, guest := range after.Instances {
			left = append(left, guest.Name)
		}
		slices.Sort(left)
		if err != nil || !slices.Equal(left, test.left) || !slices.Equal(removed, test.removed) {
			t.Errorf("%+v: removed %v, %v; left %v", test.order, removed, err, left)
		}
	}
	full := &fullDisk{storetest.NewMemory()}
	if err := full.Memory.Apply(t.Context(), []instance.Change{{Put: all.Instances}}); err != nil {
		t.Fatal(err)
	}
	if _, err := (Order{}).Leave(t.Context(), full, hostA); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a database that cannot be written: %v", err)
	}
	if names, err := (Order{}).Leave(t.Context(), full, Host{"b", "id-b"}); !slices.Equal(names, []string{"web1"}) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the other host leaves: %v, %v", names, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := (Order{}).Leave(ended, storetest.NewMemory(), hostA); !errors.Is(err, context.Canceled) {
		t.Errorf("a database that cannot be read: %v", err)
	}
}

// fullDisk refuses each change.
type fullDisk struct{ *storetest.Memory }

func (fullDisk) Apply(context.Context, []instance.Change) error { return syscall.ENOSPC }

// TestFiles checks the names of the files, which administrators know, and the text of an order.
func TestFiles(t *testing.T) {
	for got, want := range map[string]string{
		OrderFile("/lib/mdserver.db"):      "/lib/mdserver.db.migrate",
		Former("/lib/mdserver.db", ToEtcd): "/lib/mdserver.db.before-etcd",
		Former("/lib/mdserver.db", ToBolt): "/lib/mdserver.db.before-bolt",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	database := filepath.Join(t.TempDir(), "mdserver.db")
	if err := (Order{To: ToBolt, Created: time.Unix(1, 0).UTC()}).Write(database); err != nil {
		t.Fatal(err)
	}
	const want = `{
  "to": "bolt",
  "created": "1970-01-01T00:00:01Z"
}
`
	if text, err := os.ReadFile(OrderFile(database)); err != nil || string(text) != want {
		t.Errorf("%v: %s", err, text)
	}
	if err := (Order{}).Write(filepath.Join(t.TempDir(), "absent", "mdserver.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that does not exist: %v", err)
	}
}

// TestDone checks that Done logs the end of a migration, and an order that it cannot remove.
func TestDone(t *testing.T) {
	database := filepath.Join(t.TempDir(), "mdserver.db")
	j := Join{Database: database, Ours: table(guest(1, ""), guest(2, ""))}
	done := func() string {
		var log strings.Builder
		j.Log = slog.New(slog.NewTextHandler(&log, nil))
		j.Done()
		return log.String()
	}
	const moved = "msg=\"the guests of this host are in etcd; their state before is a backup\" guests=2 backup="
	if log := done(); !strings.Contains(log, moved+database+".before-etcd") || strings.Contains(log, "WARN") {
		t.Error(log)
	}
	if err := os.MkdirAll(filepath.Join(OrderFile(database), "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if log := done(); !strings.Contains(log, moved) || !strings.Contains(log, "could not be removed") || !strings.Contains(log, "file="+OrderFile(database)) {
		t.Error(log)
	}
	if err := RemoveOrder(database); err == nil {
		t.Error("a directory was removed")
	}
}
