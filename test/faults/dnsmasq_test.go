//go:build e2e

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"mdserver/test/lab"
)

// dnsmasqFaults happen to a dnsmasq that the server runs. recover bounds, with
// much room, the time until guests have their names and addresses again.
var dnsmasqFaults = []struct {
	name    string
	recover time.Duration
	fault   func(s *service, pid int)
}{
	{"killed", 5 * time.Second, func(s *service, pid int) { s.signal(pid, syscall.SIGKILL) }},
	{"hung", 30 * time.Second, func(s *service, pid int) { s.signal(pid, syscall.SIGSTOP) }},
	{"configuration removed, then killed", 5 * time.Second, func(s *service, pid int) {
		s.must(os.Remove(s.Path("dnsmasq", "mds.conf")))
		s.signal(pid, syscall.SIGKILL)
	}},
	{"base_dir removed, then reloaded", 10 * time.Second, func(s *service, pid int) {
		s.must(os.RemoveAll(s.Path("dnsmasq")))
		s.signal(pid, syscall.SIGHUP)
	}},
	{"base_dir removed, then killed", 5 * time.Second, func(s *service, pid int) {
		s.must(os.RemoveAll(s.Path("dnsmasq")))
		s.signal(pid, syscall.SIGKILL)
	}},
	{"host files unreadable, then reloaded", 10 * time.Second, func(s *service, pid int) {
		for _, file := range s.hostFiles() {
			s.must(os.Chmod(file, 0))
		}
		s.signal(pid, syscall.SIGHUP)
	}},
	{"host files altered, then reloaded", 10 * time.Second, func(s *service, pid int) {
		for _, file := range s.hostFiles() {
			text, err := os.ReadFile(file)
			s.must(err)
			s.must(os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "10.122.", "10.123.")), 0o644))
		}
		s.signal(pid, syscall.SIGHUP)
	}},
	{"small files removed, then reloaded", 10 * time.Second, func(s *service, pid int) {
		for _, dir := range []string{"dhcp.d", "dns.d"} {
			s.must(os.RemoveAll(s.Path("dnsmasq", dir)))
		}
		s.signal(pid, syscall.SIGHUP)
	}},
	{"run_dir's pid-file removed, then killed", 5 * time.Second, func(s *service, pid int) {
		s.must(os.RemoveAll(s.Path("run", "mds.pid")))
		s.signal(pid, syscall.SIGKILL)
	}},
}

// TestDnsmasqFaults: after each fault a guest has its name and address again,
// without any command, status has no trouble, and a new guest is served at once.
func TestDnsmasqFaults(t *testing.T) {
	for _, c := range dnsmasqFaults {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, nil)
			old := s.addServed(1)
			pid, err := s.DnsmasqChild(t.Context())
			s.must(err)
			c.fault(s, pid)
			began := time.Now()
			s.eventuallyWell(c.recover)
			old.eventuallyServed(c.recover)
			t.Logf("back in %v", time.Since(began).Round(time.Millisecond))
			s.addServed(2).eventuallyServed(time.Second)
		})
	}
}

// TestDnsmasqThatCannotStart: status tells why while it lasts, and no longer.
func TestDnsmasqThatCannotStart(t *testing.T) {
	var program string
	put := func(script string) {
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := newService(t, func(c lab.Config) lab.Config {
		program = filepath.Join(filepath.Dir(c["dnsmasq"]["base_dir"]), "dnsmasq.sh")
		put("echo 'dnsmasq: out of luck' >&2; exit 1")
		return c.Set("dnsmasq", "binary", program)
	})
	guest := s.addServed(1)
	s.eventually("status tells why", 20*time.Second, func() error {
		if trouble := s.trouble(); !strings.Contains(trouble, "times in succession") || !strings.Contains(trouble, "out of luck") {
			return fmt.Errorf("trouble: %q", trouble)
		}
		return nil
	})
	put(`exec dnsmasq "$@"`)
	guest.eventuallyServed(60 * time.Second) // the pause between two starts has grown
	s.eventuallyWell(20 * time.Second)
}

// served is a guest that DHCP and DNS should serve.
type served struct {
	*lab.Guest
	s          *service
	name, addr string
}

// addServed registers guest number n and plugs it in.
func (s *service) addServed(n int) served {
	s.t.Helper()
	ctx := context.Background()
	if status, body, err := s.Upload(ctx, guestXML(n)); err != nil || status != 200 {
		s.t.Fatalf("upload: %d %s %v", status, body, err)
	}
	name := fmt.Sprint("guest", n)
	known := s.shown(name)
	guest, err := s.AddGuest(ctx, name, known.MAC)
	s.must(err)
	return served{guest, s, name, known.IPv4}
}

// shown is what `instance show` tells of a guest.
type shown struct {
	MAC  string `json:"mac"`
	IPv4 string `json:"ipv4"`
}

func (s *service) shown(name string) (known shown) {
	s.t.Helper()
	text, err := s.Run(context.Background(), nil, "instance", "show", name, "--json")
	s.must(err)
	s.must(json.Unmarshal([]byte(text), &known))
	return known
}

// eventuallyServed waits until the guest has its name and its address.
func (g served) eventuallyServed(limit time.Duration) {
	g.s.t.Helper()
	g.s.eventually(g.name+" is served", limit, func() error {
		addrs, err := g.s.lookup(g.name)
		if err != nil || !slices.Equal(addrs, []string{g.addr}) {
			return fmt.Errorf("DNS: %v %v, want %s", addrs, err, g.addr)
		}
		return nil
	})
	lease, err := g.StartDHCP(context.Background())
	g.s.must(err)
	if lease.IP.String() != g.addr {
		g.s.t.Errorf("%s got %v, want %s", g.name, lease.IP, g.addr)
	}
	g.StopDHCP()
}

// lookup asks the network's DNS server, as guests do.
func (s *service) lookup(name string) ([]string, error) { return s.lookupAt(lab.Gateway, name) }

func (s *service) lookupAt(server, name string) ([]string, error) {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	var answer *dns.Msg
	err := s.Host.Do(func() (err error) {
		answer, _, err = (&dns.Client{Timeout: 300 * time.Millisecond}).Exchange(query, net.JoinHostPort(server, "53"))
		return err
	})
	if err != nil {
		return nil, err
	}
	var addrs []string
	for _, record := range answer.Answer {
		if a, ok := record.(*dns.A); ok {
			addrs = append(addrs, a.A.String())
		}
	}
	return addrs, nil
}

// trouble is what status says is wrong.
func (s *service) trouble() string {
	text, _ := s.Run(context.Background(), nil, "status") // it fails if there is trouble
	for line := range strings.Lines(text) {
		if what, ok := strings.CutPrefix(line, "trouble:"); ok {
			return strings.TrimSpace(what)
		}
	}
	return ""
}

// eventuallyWell waits until status has no trouble.
func (s *service) eventuallyWell(limit time.Duration) {
	s.t.Helper()
	s.eventually("status has no trouble", limit, func() error {
		_, err := s.Run(context.Background(), nil, "status")
		return err
	})
}

func (s *service) eventually(what string, limit time.Duration, try func() error) {
	s.t.Helper()
	if err := lab.Poll(context.Background(), limit, func(context.Context) error { return try() }); err != nil {
		s.t.Errorf("%s: not within %v: %v", what, limit, err)
	}
}

func (s *service) signal(pid int, signal syscall.Signal) { s.must(syscall.Kill(pid, signal)) }

// hostFiles are the files with the guests, for DHCP and for DNS.
func (s *service) hostFiles() []string {
	s.t.Helper()
	files, err := filepath.Glob(s.Path("dnsmasq", "d*", "*"))
	s.must(err)
	if len(files) < 4 {
		s.t.Fatalf("host files: %q", files)
	}
	return files
}

func (s *service) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
