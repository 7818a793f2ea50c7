//go:build e2e

package faults

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
)

// fault is something that breaks around a server.
type fault struct {
	name string
	// prepare changes the host and the configuration before the server starts.
	prepare func(s *subject, c lab.Config) lab.Config
	// harm makes the fault, and returns what ends it.
	harm func(s *subject) (heal func())
	// served is whether guests are to get their metadata meanwhile.
	served bool
	// said is what the log is to say, as a regular expression. It is empty
	// where nothing outlives the fault that could say it.
	said string
}

// TestFaults makes each fault while guests are registered and released. What was
// answered is so afterwards, and after a restart; no two guests have one
// address, and the server recovers by itself.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			s := newSubject(t, f.prepare)
			s.addGuest()
			l := s.startLoad()
			time.Sleep(200 * time.Millisecond)
			heal := f.harm(s)
			time.Sleep(time.Second)
			if f.served {
				if err := s.ask(context.Background()); err != nil {
					t.Errorf("the guest is not served: %v", err)
				}
			}
			heal()
			began := time.Now()
			s.recovers()
			took := time.Since(began)
			time.Sleep(200 * time.Millisecond)
			l.stop()
			lost, duplicate := l.verify()
			if err := s.Stop(10 * time.Second); err != nil {
				t.Error(err)
			}
			s.start()
			lostLater, duplicateLater := l.verify()
			results.add(row{f.name, len(l.told), lost + lostLater, duplicate + duplicateLater, took, s.said(f.said)})
		})
	}
}

// addGuest adds a guest that can be served: guest1.
func (s *subject) addGuest() {
	s.t.Helper()
	ctx := context.Background()
	registered, err := s.control.Register(ctx, []byte(guestXML(1)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.guest, err = s.AddGuest(ctx, "guest1", registered.Instance.MAC.String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = registered.Instance.IPv4
	if err := s.guest.UseAddress(ctx, s.addr); err != nil {
		s.t.Fatal(err)
	}
}

// ask asks for the guest's metadata, as the guest.
func (s *subject) ask(ctx context.Context) error {
	client := s.guest.HTTPClient(netip.Addr{})
	client.Timeout = 5 * time.Second
	resp, err := client.Get("http://" + lab.MetadataAddr + "/latest/meta-data/local-hostname")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return fmt.Errorf("the guest's metadata: %s", resp.Status)
	}
	return nil
}

// recovers waits until the guest is served, a further guest is registered and in
// DHCP and DNS, and the guest gets its lease.
func (s *subject) recovers() {
	s.t.Helper()
	err := lab.Poll(context.Background(), 20*time.Second, func(ctx context.Context) error {
		if err := s.ask(ctx); err != nil {
			return err
		}
		status, body, err := s.Upload(ctx, guestXML(2))
		if err == nil && (status != 200 || body != "") {
			err = fmt.Errorf("a registration is answered %d: %s", status, body)
		}
		return err
	})
	if err != nil {
		s.t.Fatalf("the server does not recover: %v", err)
	}
	s.guest.StopDHCP()
	if lease, err := s.guest.StartDHCP(context.Background()); err != nil || lease.IP != s.addr {
		s.t.Errorf("the guest's lease: %s, %v, want %s", lease.IP, err, s.addr)
	}
}

// said returns the first message of the log that matches.
func (s *subject) said(pattern string) string {
	s.t.Helper()
	if pattern == "" {
		return ""
	}
	var text strings.Builder
	files, _ := filepath.Glob(s.Path("log", "mdserver*.log"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		text.Write(data)
	}
	said := regexp.MustCompile(pattern).FindString(text.String())
	if said == "" {
		s.t.Errorf("the log says nothing of it: %s", pattern)
	}
	return said
}
