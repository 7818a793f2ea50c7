package sshhosts

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/networks"
)

const configuration = `
[dnsmasq]
run = off
net_address = 10.122.0.0
domain = vm.example.net

[ssh]
user = debian
certificate_lifetime = 2
host_ca = %s
`

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// open opens what a database has, as a start of the server does, until end is called.
func open(t *testing.T, database string, cfg *config.Config) (h *Hosts, inv *inventory.Inventory, end func()) {
	t.Helper()
	log, all := slog.New(slog.DiscardHandler), networks.Configured(cfg)
	store, err := boltstore.Open(database, log)
	if err != nil {
		t.Fatal(err)
	}
	inv, err = inventory.Open(t.Context(), store, inventory.Options{MaxGuests: 10, Networks: all, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	h, err = Open(t.Context(), Options{
		Notes: store, Guests: inv.Snapshot, Log: log,
		Networks: func() []instance.Network { return all }, Config: func() *config.Config { return cfg },
	})
	if err != nil {
		t.Fatal(err)
	}
	return h, inv, func() {
		if err := inv.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What a guest reports is what SSH clients are told, also after a restart.
func TestHosts(t *testing.T) {
	for _, ca := range []string{"yes", "no"} {
		t.Run("host_ca = "+ca, func(t *testing.T) {
			database := filepath.Join(t.TempDir(), "mdserver.db")
			cfg := load(t, fmt.Sprintf(configuration, ca))
			h, inv, end := open(t, database, cfg)
			reg, err := inv.Register(t.Context(), instance.Domain{
				Name: "Web 1", UUID: uuid.New(), Metadata: instance.Metadata{Values: map[string]string{"ssh_user": "core"}},
				Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, 0, 0, 1}, Network: cfg.Networks[0].Name}},
			})
			if err != nil {
				t.Fatal(err)
			}
			signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
			if err != nil {
				t.Fatal(err)
			}
			keys := []ssh.PublicKey{signer.PublicKey()}
			h.Keep(reg.Instance.UUID, keys)
			certificates := h.Certify(t.Context(), reg.Instance.UUID, keys)
			if len(h.Certify(t.Context(), uuid.New(), keys)) > 0 {
				t.Error("a stranger gets a certificate")
			}
			authority, on := h.CA()
			if on != (ca == "yes") || on != (len(certificates) == 1) {
				t.Fatalf("the authority is on: %v; %d certificates", on, len(certificates))
			}
			if on {
				left := time.Until(time.Unix(int64(certificates[0].ValidBefore), 0))
				if got := ssh.FingerprintSHA256(certificates[0].SignatureKey); got != authority.Fingerprint || left < 47*time.Hour || left > 48*time.Hour {
					t.Errorf("signed by %s for %v, want %s for 2 days", got, left, authority.Fingerprint)
				}
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			h.keys.Run(ended)
			end()

			h, _, end = open(t, database, cfg)
			defer end()
			guest, ok := h.Find("web-1.vm.example.net")
			if !ok {
				t.Fatal("the guest is not found by its name")
			}
			got := h.Describe(guest)
			if len(got.Keys) != 1 || got.Keys[0].Fingerprint != ssh.FingerprintSHA256(keys[0]) || got.Reported == nil || got.User != "core" ||
				fmt.Sprint(got.Names) != "[web-1 web-1.vm.example.net]" || len(got.Addresses) != 1 {
				t.Errorf("%+v", got)
			}
			if again, _ := h.CA(); again.Key != authority.Key {
				t.Error("the authority is another one after a restart")
			}
		})
	}
}
