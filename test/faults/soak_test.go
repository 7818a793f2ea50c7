//go:build e2e

package faults

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/test/lab"
)

// soakEnv names how long TestSoak takes, such as 12m.
const soakEnv = "MDSERVER_FAULTS_SOAK"

// What may be in use more at the end of a soak than after its first quarter.
const (
	moreHeap        = 4 << 20 // bytes
	moreGoroutines  = 10
	moreDescriptors = 5
	moreFiles       = 2 // the first snapshot, after ten minutes, and its directory
)

// TestSoak registers guests, lets them ask for what a boot asks for, and releases
// them. What the server takes stays the same.
func TestSoak(t *testing.T) {
	lasts := 2 * time.Minute
	if text := os.Getenv(soakEnv); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("%s: %v", soakEnv, err)
		}
		lasts = d
	}
	s := newSubject(t, func(_ *subject, c lab.Config) lab.Config {
		// One namespace stands for all guests, one after the other.
		return c.Set("mdserver", "verify_mac", "no").Set("dnsmasq", "quarantine", "0s")
	})
	s.addGuest()
	began := time.Now()
	var early api.Usage
	var files int
	guests := 0
	for n := firstOfLoad; time.Since(began) < lasts; n++ {
		s.live(n)
		guests++
		if early.HeapBytes == 0 && time.Since(began) > lasts/4 {
			early, files = s.usage(), s.files()
		}
	}
	late, filesLate := s.usage(), s.files()
	t.Logf("%d guests in %s: heap %d → %d kB, goroutines %d → %d, descriptors %d → %d, files %d → %d", guests, lasts,
		early.HeapBytes/1000, late.HeapBytes/1000, early.Goroutines, late.Goroutines, early.Descriptors, late.Descriptors, files, filesLate)
	if late.HeapBytes > early.HeapBytes+moreHeap || late.Goroutines > early.Goroutines+moreGoroutines ||
		late.Descriptors > early.Descriptors+moreDescriptors || filesLate > files+moreFiles {
		t.Error("what the server takes grows")
	}
}

// live registers a guest, boots it and releases it.
func (s *subject) live(n int) {
	s.t.Helper()
	ctx := context.Background()
	registered, err := s.control.Register(ctx, []byte(guestXML(n)))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.guest.UseAddress(ctx, registered.Instance.IPv4); err != nil {
		s.t.Fatal(err)
	}
	client := s.guest.HTTPClient(netip.Addr{})
	for _, path := range []string{"instance-id", "hostname", "local-ipv4", "public-keys/", "placement/availability-zone", fmt.Sprint("nothing-", n)} {
		resp, err := client.Get("http://" + lab.MetadataAddr + "/latest/meta-data/" + path)
		if err != nil {
			s.t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if _, err := s.control.Release(ctx, registered.Instance.Name); err != nil {
		s.t.Fatal(err)
	}
}

func (s *subject) usage() api.Usage {
	s.t.Helper()
	use, err := s.control.Usage(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return use
}

// files counts what is below the server's directories, but for its logs.
func (s *subject) files() (count int) {
	s.t.Helper()
	for _, dir := range []string{"state", "run", "dnsmasq"} {
		err := filepath.WalkDir(s.Path(dir), func(string, os.DirEntry, error) error {
			count++
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return count
}
