package sshhosts

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/hostkeys"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/inventory/storetest"
)

// lifetime is how long certificates are valid in these tests.
const lifetime = 48 * time.Hour

// server opens hosts with notes that other servers may share. Its guests are on the network
// mds.
func server(t *testing.T, lab *inventorytest.Lab, notes hostkeys.Notes) (*Hosts, *strings.Builder) {
	t.Helper()
	cfg, log := &config.Config{SSH: config.SSH{HostCA: true, CertificateLifetime: lifetime, User: "debian"}}, &strings.Builder{}
	h, err := Open(t.Context(), Options{
		Notes: notes, Guests: lab.Snapshot, Networks: func() []instance.Network { return lab.Opts.Networks },
		Config: func() *config.Config { return cfg }, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h, log
}

// run runs hosts until stop is called.
func run(t *testing.T, h *Hosts) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	return sync.OnceFunc(func() { cancel(); running.Wait() })
}

func publicKey(t *testing.T, n byte) ssh.PublicKey {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(append(make([]byte, ed25519.SeedSize-1), n)))
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey()
}

// TestAuthorityOfAnotherServer checks that servers that share a database sign with the newest
// key within a minute, and that clients trust the former key as long as its certificates.
func TestAuthorityOfAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab, notes := inventorytest.New(t), storetest.NewMemory()
		one, oneLog := server(t, lab, notes)
		other, _ := server(t, lab, notes)
		asked, _ := server(t, lab, notes)
		defer run(t, other)()
		before, _ := one.CA()
		rotated := time.Now()
		if err := one.RotateCA(t.Context()); err != nil {
			t.Fatal(err)
		}
		after, on := one.CA()
		if !on || after.Fingerprint == before.Fingerprint || len(after.Former) != 1 || after.Former[0].SSHKey != before.SSHKey {
			t.Fatalf("before %+v, afterwards %+v", before, after)
		}
		if end := after.Former[0].Until; end.Before(rotated.Add(lifetime)) || end.After(rotated.Add(lifetime+24*time.Hour)) {
			t.Errorf("the former key is trusted until %s", end)
		}
		if want := `msg="another key signs ssh host certificates" fingerprint=` + after.Fingerprint; !strings.Contains(oneLog.String(), want) {
			t.Errorf("the log has %s", oneLog)
		}
		if known, _ := other.CA(); known.Fingerprint != before.Fingerprint {
			t.Errorf("another server signs with %+v at once", known)
		}
		time.Sleep(authorityPeriod)
		synctest.Wait()
		if known, _ := other.CA(); !cmp.Equal(known, after) {
			t.Errorf("another server signs with %+v, want %+v", known, after)
		}
		if err := asked.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		if known, _ := asked.CA(); !cmp.Equal(known, after) {
			t.Errorf("a server that was asked signs with %+v, want %+v", known, after)
		}
	})
}

// TestReports checks that what a guest reports is kept when the server stops, and is removed
// with the guest.
func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab, notes := inventorytest.New(t), storetest.NewMemory()
		guest := lab.MustRegister(inventorytest.Domain(1, "Web 1")).Instance
		h, _ := server(t, lab, notes)
		want := api.SSHGuest{Name: "Web 1", UUID: guest.UUID, Hostname: "Web-1", Names: []string{"web-1"}, Addresses: []netip.Addr{guest.IPv4}, User: "debian", Keys: []api.SSHKey{}}
		check := func(h *Hosts, when string) {
			t.Helper()
			if diff := cmp.Diff(want, h.Describe(&guest), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		check(h, "before a report")

		first, second := publicKey(t, 1), publicKey(t, 2)
		stop := run(t, h)
		h.Keep(guest.UUID, []ssh.PublicKey{first})
		began := time.Now()
		time.Sleep(time.Hour)
		h.Keep(guest.UUID, []ssh.PublicKey{first})
		again := time.Now()
		want.Keys, want.Since, want.Reported = []api.SSHKey{sshKey(first)}, &began, &again
		check(h, "after two reports")

		time.Sleep(time.Hour)
		h.Keep(guest.UUID, []ssh.PublicKey{second})
		changed := time.Now()
		want.Keys, want.Since, want.Reported = []api.SSHKey{sshKey(second)}, &changed, &changed
		want.Changes = []api.SSHKeysChange{{At: changed, Added: []string{ssh.FingerprintSHA256(second)}, Removed: []string{ssh.FingerprintSHA256(first)}}}
		check(h, "after another key")
		stop()
		restarted, _ := server(t, lab, notes)
		check(restarted, "after a restart")

		restarted.Forget([]instance.Event{{Old: &guest}})
		want.Keys, want.Since, want.Reported, want.Changes = []api.SSHKey{}, nil, nil, nil
		check(restarted, "after its release")
	})
}

var errBroken = errors.New("the disk is broken")

// broken stands in for notes in a database that fails.
type broken struct {
	*storetest.Memory
	down bool
}

func (b *broken) Note(ctx context.Context, key string) (string, error) {
	if b.down {
		return "", errBroken
	}
	return b.Memory.Note(ctx, key)
}

func (b *broken) SetNote(ctx context.Context, key, text string) error {
	if b.down {
		return errBroken
	}
	return b.Memory.SetNote(ctx, key, text)
}

// TestBrokenDatabase checks that a failing database is reported and changes no key.
func TestBrokenDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab, notes := inventorytest.New(t), &broken{Memory: storetest.NewMemory()}
		guest := lab.MustRegister(inventorytest.Domain(1, "web")).Instance
		h, log := server(t, lab, notes)
		before, _ := h.CA()
		notes.down = true
		if err := h.RotateCA(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("a rotation: %v", err)
		}
		if after, _ := h.CA(); !cmp.Equal(after, before) || strings.Contains(log.String(), "another key") {
			t.Errorf("the key is %+v, was %+v: %s", after, before, log)
		}
		if got := h.Certify(t.Context(), guest.UUID, []ssh.PublicKey{publicKey(t, 1)}); len(got) > 0 {
			t.Errorf("a guest got %d certificates whose end is not recorded", len(got))
		}
		stop := run(t, h)
		time.Sleep(authorityPeriod)
		synctest.Wait()
		stop()
		for _, want := range []string{
			fmt.Sprintf(`level=ERROR msg="a guest got no ssh host certificates" guest=web uuid=%s error=`, guest.UUID),
			`level=WARN msg="the keys that sign ssh host certificates cannot be read again" error=`,
		} {
			if n := strings.Count(log.String(), want); n != 1 {
				t.Errorf("%d lines are %s: %s", n, want, log)
			}
		}
		if _, err := Open(t.Context(), h.opts); !errors.Is(err, errBroken) {
			t.Errorf("another start: %v", err)
		}
	})
}
