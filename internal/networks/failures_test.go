package networks

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/instance"
)

// What a network's backend fails at is said with its name, and keeps no other network
// from being served.
func TestFailuresOfBackends(t *testing.T) {
	for name, tt := range map[string]struct {
		work func(*testing.T, *Networks) error
		told []string
	}{
		"start": {func(t *testing.T, s *Networks) error { return s.Start(t.Context()) },
			[]string{"mds: start with 0", "default: start with 0"}},
		"reconfigure": {func(t *testing.T, s *Networks) error { return s.Reconfigure(t.Context(), load(t, twoNetworks)) },
			[]string{"mds: reconfigure as  with 0", "default: reconfigure as  with 0"}},
		"retire": {func(t *testing.T, s *Networks) error {
			return s.Reconfigure(t.Context(), load(t, "[dnsmasq]\nnet_name = mds\nrun = off\n"))
		}, []string{"mds: reconfigure as  with 0", "default: retire"}},
		"close": {func(_ *testing.T, s *Networks) error { return s.Close() },
			[]string{"mds: close", "default: close"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, backends, _ := newLab(t, twoNetworks)
			backends[1].fails = errors.New("libvirt is busy")
			err := tt.work(t, s)
			if err == nil || err.Error() != "network default: libvirt is busy" {
				t.Errorf("the error is %v", err)
			}
			expect(t, backends[0].calls, tt.told...)
			backends[1].fails = nil
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A new network that cannot be served is an error, too, and so is an old one that cannot
// be served any more.
func TestNetworksWithoutFiles(t *testing.T) {
	occupied := filepath.Join(t.TempDir(), "occupied")
	if err := os.WriteFile(occupied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"mds", "new"} {
		s := New(load(t, "[dnsmasq]\nnet_name = mds\nrun = off\n"), newInventory(t), nil, nil, discard)
		next := load(t, "[dnsmasq]\nnet_name = "+network+"\nrun = external\nbase_dir = "+filepath.Join(occupied, "below")+"\n")
		err := s.Reconfigure(t.Context(), next)
		if err == nil || !strings.HasPrefix(err.Error(), "network "+network+": ") {
			t.Errorf("the error is %v", err)
		}
		if st := s.Status(); len(st) != 1 || st[0].Network.Name != network || st[0].Dnsmasq == nil || st[0].Libvirt != nil || st[0].Trouble == "" {
			t.Errorf("the state is %+v", st)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The backends catch up from time to time, until Close, which leaves nothing running.
func TestCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, backends, _ := newLab(t, twoNetworks)
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		backends[0].calls.take()
		for range 2 {
			time.Sleep(catchUpPeriod)
			synctest.Wait()
			expect(t, backends[0].calls, "mds: catch up", "default: catch up")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		expect(t, backends[0].calls, "mds: close", "default: close")
		register(t, s, 1)
		time.Sleep(2 * catchUpPeriod)
		expect(t, backends[0].calls)
		_ = s.inventory.Close()
	})
}

// dnsmasq's messages are kept for guests.
func TestGuestsAreKnownByMAC(t *testing.T) {
	s, _, _ := newLab(t, twoNetworks)
	register(t, s, 1)
	for mac, want := range map[instance.MAC]bool{{2, 5: 1}: true, {2, 5: 2}: false} {
		if got := s.isGuest(mac); got != want {
			t.Errorf("%s is a guest: %v", mac, got)
		}
	}
}
