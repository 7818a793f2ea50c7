//go:build e2e

package faults

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"mdserver/test/lab"
)

const libvirtsNetwork = `<network><name>default</name><forward mode='nat'/><bridge name='virbr0' stp='off' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip>
</network>`

const libvirtsGateway = "192.168.122.1"

// newServiceOnLibvirt is a server whose network libvirt runs.
func newServiceOnLibvirt(t *testing.T) (*service, *lab.Libvirt) {
	t.Helper()
	l := newLab(t)
	v, err := l.StartLibvirt(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = v.Virsh(context.Background(), "net-destroy", "default") })
	if err := v.StartNetwork(context.Background(), "default", libvirtsNetwork); err != nil {
		t.Fatal(err)
	}
	c := l.Config().Set("network default", "backend", "libvirt").Set("libvirt", "uri", v.URI)
	for _, key := range []string{"net_name", "net_address", "net_prefix", "gateway", "interface"} {
		delete(c["dnsmasq"], key)
	}
	return serveIn(t, l, c), v
}

// TestLibvirtsNetworkFaults: what others remove from libvirt's network comes
// back, and a dnsmasq or libvirtd that hangs is told of. What status says of
// dnsmasq mends it.
func TestLibvirtsNetworkFaults(t *testing.T) {
	s, v := newServiceOnLibvirt(t)
	virsh := func(args ...string) {
		t.Helper()
		if out, err := v.Virsh(context.Background(), args...); err != nil {
			t.Fatal(err, out)
		}
	}
	if status, body, err := s.Upload(context.Background(), strings.ReplaceAll(guestXML(1), "network='mds'", "network='default'")); err != nil || status != 200 {
		t.Fatalf("upload: %d %s %v", status, body, err)
	}
	addr := s.shown("guest1").IPv4
	served := func() error {
		addrs, err := s.lookupAt(libvirtsGateway, "guest1")
		if err != nil || strings.Join(addrs, " ") != addr {
			return fmt.Errorf("DNS: %v %v, want %s", addrs, err, addr)
		}
		return nil
	}
	s.eventually("the name is served", 10*time.Second, served)

	for _, side := range []string{"--live", "--config"} {
		virsh("net-update", "default", "delete", "ip-dhcp-host", "<host ip='"+addr+"'/>", side)
		virsh("net-update", "default", "delete", "dns-host", "<host ip='"+addr+"'/>", side)
	}
	if err := served(); err == nil {
		t.Error("the name is still served without its entry")
	}
	began := time.Now()
	s.eventually("the entries come back", 20*time.Second, served)
	t.Logf("entries are back in %v", time.Since(began).Round(time.Millisecond))
	s.eventuallyWell(20 * time.Second)

	pids, err := s.Pids(context.Background(), "dnsmasq")
	s.must(err)
	for _, pid := range pids {
		s.signal(pid, syscall.SIGSTOP)
	}
	s.eventuallyTold("does not answer", "kill -9")
	for _, pid := range pids {
		s.signal(pid, syscall.SIGKILL)
	}
	v.Kill()
	v, err = s.StartLibvirt(context.Background())
	s.must(err)
	s.eventually("the name is served by another dnsmasq", 10*time.Second, served)
	s.eventuallyWell(20 * time.Second)

	s.must(v.Signal(syscall.SIGSTOP))
	s.eventuallyTold("libvirt")
	v.Kill()
	v, err = s.StartLibvirt(context.Background())
	s.must(err)
	s.eventuallyWell(30 * time.Second)
}

// eventuallyTold waits until status has trouble with those words.
func (s *service) eventuallyTold(words ...string) {
	s.t.Helper()
	s.eventually("status tells", 30*time.Second, func() error {
		trouble := s.trouble()
		for _, word := range words {
			if !strings.Contains(trouble, word) {
				return fmt.Errorf("trouble: %q", trouble)
			}
		}
		return nil
	})
	s.t.Log(s.trouble())
}
