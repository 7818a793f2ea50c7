package hosts

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"mdserver/internal/admin"
	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/health"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/etcdstore"
	"mdserver/internal/inventory/inventorytest"
)

// TestOneHost checks that a host without etcd lists itself alone, with all guests and no
// trouble.
func TestOneHost(t *testing.T) {
	lab := inventorytest.New(t)
	lab.MustRegister(inventorytest.Domain(1, "web"))
	cfg := config.Default()
	cfg.Store.Host, cfg.Service.Version = "kvm1", "3"
	h := New(Options{Store: &store.Store{}, Inventory: lab.Inventory, Config: func() *config.Config { return cfg }, Started: time.Unix(1, 0)})
	want := []api.Host{{Name: "kvm1", Version: "3", Since: time.Unix(1, 0), State: api.HostAlive, This: true, Guests: 1}}
	if got := h.List(); !reflect.DeepEqual(got, want) {
		t.Errorf("the hosts are %+v, want %+v", got, want)
	}
	if h.Shared() || h.Trouble() != nil || h.Store(nil) != nil {
		t.Errorf("it is shared: %v; trouble %v, store %v", h.Shared(), h.Trouble(), h.Store(nil))
	}
	_, forget := h.Forget(t.Context(), "another host", true)
	_, drain := h.Drain(t.Context(), "another host", true)
	_, runs := h.RunsOn("another host")
	for what, err := range map[string]error{"forget": forget, "drain": drain, "what runs": runs} {
		if !errors.Is(err, admin.ErrHost) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestNoteChecksSpares checks that each change of the inventory asks for a check of the spare
// addresses, and that no change waits for it.
func TestNoteChecksSpares(t *testing.T) {
	h := New(Options{Store: &store.Store{}})
	for range 3 {
		h.Note([]instance.Event{{New: &instance.Instance{Name: "web"}}})
	}
	if len(h.spares) != 1 {
		t.Errorf("%d checks are due, want 1", len(h.spares))
	}
}

// TestSpareAddresses checks that a host counts its own spare addresses, by network and family.
func TestSpareAddresses(t *testing.T) {
	spare := func(addr, network, owner string) instance.Spare {
		return instance.Spare{Addr: netip.MustParseAddr(addr), Network: network, Host: "kvm1", Owner: owner} // two hosts may have one name
	}
	spares := []instance.Spare{
		spare("10.0.0.2", "mds", "ours"), spare("10.0.0.3", "mds", "ours"), spare("fd00::2", "mds", "ours"),
		spare("10.0.0.4", "mds", "theirs"), spare("fd00::4", "mds", "theirs"),
		spare("10.1.0.2", "lan", "ours"), spare("10.2.0.2", "gone", "ours"),
	}
	networks := []api.Network{{Name: "mds", IPv4: "10.0.0.0/24", IPv6: "fd00::/64"}, {Name: "lan", IPv4: "10.1.0.0/24"}, {Name: "six", IPv6: "fd01::/64"}, {Name: "pending"}}
	want := []api.SpareAddresses{
		{Network: "mds", Family: "ipv4", Addresses: 2}, {Network: "mds", Family: "ipv6", Addresses: 1},
		{Network: "lan", Family: "ipv4", Addresses: 1}, {Network: "six", Family: "ipv6", Addresses: 0},
	}
	if got := spareAddresses(spares, "ours", networks); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := spareAddresses(nil, "ours", nil); got == nil || len(got) > 0 {
		t.Errorf("without networks: %#v, want an empty list", got)
	}
}

// TestStoreTrouble checks that an inventory that cannot be followed and one that cannot be
// saved are reported separately.
func TestStoreTrouble(t *testing.T) {
	lost := health.Trouble{Part: "etcd", State: health.Wrong, Look: []string{"mdserver doctor"},
		Message: "the inventory cannot be followed; guests are served as before, and new ones get spare addresses of this host: no leader"}
	unsaved := health.Trouble{Part: "database", State: health.Wrong, Look: []string{"df -h '/var/lib/my server'"},
		Message: "what this host knows of the inventory in etcd could not be saved; it is tried again: disk full"}
	for _, tt := range []struct {
		name  string
		state etcdstore.State
		want  []health.Trouble
	}{
		{"none", etcdstore.State{}, nil},
		{"lost", etcdstore.State{Err: errors.New("no leader")}, []health.Trouble{lost}},
		{"not saved", etcdstore.State{NotSaved: errors.New("disk full")}, []health.Trouble{unsaved}},
		{"both", etcdstore.State{Err: errors.New("no leader"), NotSaved: errors.New("disk full")}, []health.Trouble{unsaved, lost}},
	} {
		if got := storeTrouble(tt.state, "/var/lib/my server"); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestRunsOnTellsWhereGuestsGo checks that a guest that moves to another host runs on this
// one, and is listed with where it goes.
func TestRunsOnTellsWhereGuestsGo(t *testing.T) {
	records := []instance.Instance{
		{Name: "stays", Home: instance.Home{HostID: "1", Host: "kvm1", Run: instance.Running}},
		{Name: "leaves", Home: instance.Home{HostID: "2", Host: "kvm2", FromID: "1", FromHost: "kvm1", Run: instance.Running}},
	}
	var got []api.HostGuest
	for _, guest := range records {
		got = append(got, describe(&guest, "1"))
	}
	want := []api.HostGuest{{Name: "stays", State: api.GuestRuns}, {Name: "leaves", State: api.GuestLeaving, To: "kvm2"}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
