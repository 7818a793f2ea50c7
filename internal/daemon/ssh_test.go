package daemon

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/instance"
)

const sshConfiguration = `
[mdserver]
db_file = %s/db_file.json
socket = %[1]s/sock
logfile =

[dnsmasq]
run = off
base_dir = %[1]s/dnsmasq
run_dir = %[1]s/run
net_address = 10.122.0.0
domain = vm.example.net

[libvirt]
uri = off

[ssh]
user = debian
certificate_lifetime = 2
host_ca = %s
`

// What a guest reports is what SSH clients are told, also after a restart.
func TestSSHHosts(t *testing.T) {
	for _, ca := range []string{"yes", "no"} {
		t.Run("host_ca = "+ca, func(t *testing.T) {
			dir := t.TempDir()
			cfg := load(t, fmt.Sprintf(sshConfiguration, dir, ca))
			d, end := openDaemon(t, cfg, io.Discard)
			reg, err := d.inventory.Register(t.Context(), instance.Domain{
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
			d.ssh.Keep(reg.Instance.UUID, keys)
			certificates := d.ssh.Certify(t.Context(), reg.Instance.UUID, keys)
			if len(d.ssh.Certify(t.Context(), uuid.New(), keys)) > 0 {
				t.Error("a stranger gets a certificate")
			}
			authority, on := d.ssh.CA()
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
			d.ssh.keys.Run(ended)
			end()

			d, end = openDaemon(t, cfg, io.Discard)
			defer end()
			guest, ok := d.ssh.Find("web-1.vm.example.net")
			if !ok {
				t.Fatal("the guest is not found by its name")
			}
			got := d.ssh.Describe(guest)
			if len(got.Keys) != 1 || got.Keys[0].Fingerprint != ssh.FingerprintSHA256(keys[0]) || got.Reported == nil || got.User != "core" ||
				fmt.Sprint(got.Names) != "[web-1 web-1.vm.example.net]" || len(got.Addresses) != 1 {
				t.Errorf("%+v", got)
			}
			if again, _ := d.ssh.CA(); again.Key != authority.Key {
				t.Error("the authority is another one after a restart")
			}
		})
	}
}
