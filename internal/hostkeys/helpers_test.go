package hostkeys

import (
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
)

var quiet = slog.New(slog.DiscardHandler)

var networks = []instance.Network{
	{Name: "mds", IPv4: netip.MustParsePrefix("10.122.0.0/16"), IPv6: netip.MustParsePrefix("fd00:122::/64"), Domain: "vm.example.net"},
	{Name: "lab", IPv4: netip.MustParsePrefix("10.123.0.0/16"), Domain: "lab.example.net", NamePrefix: "lab-"},
}

// house is an inventory with the host keys of its guests.
type house struct {
	t     testing.TB
	store storage.Store
	inv   *inventory.Inventory
	keys  *Keys
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return newHouseIn(t, t.TempDir())
}

func newHouseIn(t testing.TB, dir string) *house {
	t.Helper()
	h := &house{t: t}
	h.open(filepath.Join(dir, "mdserver.db"))
	return h
}

func (h *house) open(path string) {
	h.t.Helper()
	var err error
	if h.store, err = boltstore.Open(path, quiet); err != nil {
		h.t.Fatal(err)
	}
	if h.inv, err = inventory.Open(h.t.Context(), h.store, inventory.Options{Networks: networks}); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = h.inv.Close() })
	h.reopen()
}

// reopen reads the host keys as a new server does.
func (h *house) reopen() {
	h.t.Helper()
	var err error
	if h.keys, err = Open(h.t.Context(), h.store, h.inv.Snapshot, quiet); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) directory() Directory { return Directory{Guests: h.inv.Snapshot(), Networks: networks} }

// start registers a guest on a network. Each n is another machine.
func (h *house) start(n int, name, network string) *instance.Instance {
	h.t.Helper()
	reg, err := h.inv.Register(h.t.Context(), instance.Domain{
		Name: name, UUID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)), Source: instance.ByHook,
		Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, byte(n >> 16), byte(n >> 8), byte(n)}, Network: network}},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return &reg.Instance
}

// release removes a guest and has its keys forgotten.
func (h *house) release(guest *instance.Instance) {
	h.t.Helper()
	feed := h.inv.Subscribe()
	defer feed.Close()
	if _, err := h.inv.Release(h.t.Context(), guest.UUID.String()); err != nil {
		h.t.Fatal(err)
	}
	h.follow(feed)
}

func (h *house) follow(feed *inventory.Subscription) {
	h.t.Helper()
	events, err := feed.Next(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	h.keys.Forget(events)
}

// save writes what is not yet written, as Run does.
func (h *house) save() {
	h.t.Helper()
	if err := h.keys.write(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// hostKey is the n-th of many keys.
func hostKey(t testing.TB, n int) ssh.PublicKey {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, fmt.Sprint(n))
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey()
}
