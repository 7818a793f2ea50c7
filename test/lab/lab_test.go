//go:build e2e

package lab_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mdserver/test/lab"
)

func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	if os.Getenv("MDSERVER_SKIP_E2E") == "1" {
		t.Skip("MDSERVER_SKIP_E2E=1")
	}
	if err := lab.Check(); err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.Logs())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// A guest of the lab gets an address, routes and names from any DHCP server:
// here from dnsmasq with a configuration written by hand.
func TestGuestOfAPlainDnsmasq(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	conf, err := l.WriteFile("dnsmasq.conf", `user=root
no-daemon
leasefile-ro
bind-dynamic
interface=br-mds
except-interface=lo
pid-file=
dhcp-authoritative
dhcp-range=10.122.0.0,static,255.255.0.0
dhcp-host=52:54:00:00:00:0a,10.122.7.8,plain,1h
dhcp-option=option:router,10.122.0.1
dhcp-option=option:dns-server,10.122.0.1
dhcp-option=option:classless-static-route,169.254.169.254/32,10.122.0.1,0.0.0.0/0,10.122.0.1
domain=example.net
host-record=plain,plain.example.net,10.122.7.8
`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Host.Start("dnsmasq", nil, "dnsmasq", "--conf-file="+conf); err != nil {
		t.Fatal(err)
	}
	guest, err := l.AddGuest(ctx, "plain", "52:54:00:00:00:0a")
	if err != nil {
		t.Fatal(err)
	}
	lease, err := guest.StartDHCP(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := lease.IP.String(); got != "10.122.7.8" {
		t.Errorf("address %s, want 10.122.7.8", got)
	}
	if via := lease.Routes["169.254.169.254/32"]; via != lab.Gateway {
		t.Errorf("routes %v, want 169.254.169.254/32 via %s", lease.Routes, lab.Gateway)
	}
	if lease.Seconds != 3600 || lease.Domain != "example.net" {
		t.Errorf("lease %+v, want 3600 s in example.net", lease)
	}
	if addrs, err := guest.Resolve(ctx, "plain"); err != nil || len(addrs) != 1 || addrs[0] != "10.122.7.8" {
		t.Errorf("plain resolves to %v (%v)", addrs, err)
	}
	if names, err := guest.Reverse(ctx, "10.122.7.8"); err != nil || names[0] != "plain" {
		t.Errorf("10.122.7.8 is %v (%v), want plain", names, err)
	}
	renewed, err := guest.Renew(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if renewed.IP != lease.IP {
		t.Errorf("renewal changed the address from %s to %s", lease.IP, renewed.IP)
	}
	stranger, err := l.AddGuest(ctx, "stranger", "52:54:00:00:00:0b")
	if err != nil {
		t.Fatal(err)
	}
	if offered, err := stranger.TryDHCP(ctx); err != nil || offered {
		t.Errorf("an unknown guest was offered an address (%v)", err)
	}
}

// Closing a lab ends its processes and removes its namespaces and files, and
// leaves another lab alone.
func TestCloseRemovesEverything(t *testing.T) {
	first, second := newLab(t), newLab(t)
	guest, err := first.AddGuest(t.Context(), "g", "52:54:00:00:00:01")
	if err != nil {
		t.Fatal(err)
	}
	p, err := guest.Start("sleep", nil, "sleep", "600")
	if err != nil {
		t.Fatal(err)
	}
	// A grandchild that nobody waits for.
	if _, err := guest.Output(t.Context(), "sh", "-c", "sleep 601 >/dev/null 2>&1 & echo $!"); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if p.Alive() {
		t.Error("the process outlived the lab")
	}
	id := strings.TrimSuffix(first.Host.Name, "host")
	for _, pattern := range []string{"/run/netns/" + id + "*", "/etc/netns/" + id + "*", first.Dir} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	if _, err := second.Host.Output(t.Context(), "ip", "link", "show", lab.Bridge); err != nil {
		t.Errorf("the other lab was harmed: %v", err)
	}
}

// The lab of a program that was killed is cleared away by the next lab.
func TestSweepAfterAKilledOwner(t *testing.T) {
	l := newLab(t)
	child, err := l.Host.Start("sleep", nil, "sleep", "600")
	if err != nil {
		t.Fatal(err)
	}
	err = lab.Poll(t.Context(), time.Minute, func(context.Context) error {
		return within(child) // only then is it to be seen in there
	})
	if err != nil {
		t.Fatal(err)
	}
	// As if another program, which is gone, had made this lab.
	owner := l.Path("owner")
	if err := os.WriteFile(owner, []byte(strconv.Itoa(child.Pid())+" 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	newLab(t)
	if _, err := os.Stat(l.Dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", l.Dir, err)
	}
	err = lab.Poll(t.Context(), time.Minute, func(context.Context) error {
		if child.Alive() {
			return syscall.EBUSY
		}
		return nil
	})
	if err != nil {
		t.Errorf("the process of the abandoned lab: %v", err)
	}
}

// within tells whether ip(8) has entered the namespace and become the command.
func within(p *lab.Process) error {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.Pid()))
	if err == nil && strings.TrimSpace(string(comm)) != "sleep" {
		err = fmt.Errorf("process %d is %q yet", p.Pid(), comm)
	}
	return err
}
