package networks

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"mdserver/internal/config"
	"mdserver/internal/instance"
)

// TestBackendsAreToldInTurn checks that the lock is held during each call of a backend,
// and then released.
func TestBackendsAreToldInTurn(t *testing.T) {
	for name, work := range map[string]func(*testing.T, *Networks, *config.Config) error{
		"a change":        func(t *testing.T, s *Networks, _ *config.Config) error { return s.apply(t.Context(), nil) },
		"a look":          func(t *testing.T, s *Networks, _ *config.Config) error { s.catchUpOnce(t.Context()); return nil },
		"a configuration": func(t *testing.T, s *Networks, cfg *config.Config) error { return s.Reconfigure(t.Context(), cfg) },
	} {
		t.Run(name, func(t *testing.T) {
			s, backends, cfg := newLab(t, twoNetworks)
			backends[0].calls.during = func() {
				if s.turn.TryLock() {
					s.turn.Unlock()
					t.Error("other work may call the backends meanwhile")
				}
			}
			must(t, work(t, s, cfg))
			if told := backends[0].calls.take(); len(told) != 2 {
				t.Errorf("backends were told %q", told)
			}
			if !s.turn.TryLock() {
				t.Error("the lock is still held afterwards")
			}
		})
	}
}

// TestRetiredBeforeAnotherStarts checks that a network that is gone is retired before a
// new one starts, since the new one may take its bridge or addresses.
func TestRetiredBeforeAnotherStarts(t *testing.T) {
	s, backends, _ := newLab(t, twoNetworks)
	s.make = func(_ *config.Config, n config.Network) member {
		return member{n, &recorder{name: n.Name, calls: backends[0].calls}}
	}
	if err := s.Reconfigure(t.Context(), load(t, "[dnsmasq]\nnet_name = other\nrun = off\n")); err != nil {
		t.Fatal(err)
	}
	told := backends[0].calls.take()
	if len(told) != 3 || told[2] != "other: start with 0" || !slices.Contains(told, "mds: retire") || !slices.Contains(told, "default: retire") {
		t.Errorf("backends were told %q", told)
	}
}

// TestCloseWaitsForAChange checks that Close waits for the change that is under way.
func TestCloseWaitsForAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, backends, _ := newLab(t, twoNetworks)
		must(t, s.Start(t.Context()))
		backends[1].holds = make(chan struct{})
		register(t, s, 1)
		synctest.Wait()
		backends[0].calls.take()
		done := make(chan error, 1)
		go func() { done <- s.Close() }()
		synctest.Wait()
		if told := backends[0].calls.take(); len(told) > 0 {
			t.Errorf("meanwhile, backends were told %q", told)
		}
		close(backends[1].holds)
		must(t, <-done)
		expect(t, backends[0].calls, "mds: close", "default: close")
		_ = s.inventory.Close()
	})
}

// TestMessagesOfDHCPClients checks that the server reports DHCP messages with the
// network's name.
func TestMessagesOfDHCPClients(t *testing.T) {
	me, err := user.Current()
	must(t, err)
	dir := t.TempDir()
	binary := filepath.Join(dir, "dnsmasq")
	must(t, os.WriteFile(binary, []byte("#!/bin/sh\n[ \"$1\" = --test ] && exit\n"+
		"echo 'dnsmasq-dhcp: DHCPACK(br-none) 10.122.0.9 02:00:00:00:00:01 web1' >&2\nexec sleep 60\n"), 0o755))
	heard := make(chan string, 10)
	s := New(load(t, strings.NewReplacer("BINARY", binary, "USER", me.Username, "DIR", dir).Replace(
		"[dnsmasq]\nnet_name = mds\ninterface = br-none\nbinary = BINARY\nuser = USER\nbase_dir = DIR/base\nrun_dir = DIR/run\n")),
		newInventory(t), nil, func(network string, mac instance.MAC, message string) {
			heard <- fmt.Sprint(network, " ", mac, " ", message)
		}, discard)
	must(t, s.Start(t.Context()))
	if got, want := <-heard, "mds 02:00:00:00:00:01 DHCPACK"; got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	must(t, s.Close())
}
