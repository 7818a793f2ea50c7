//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"mdserver/test/lab"
)

// bulkXML is the definition of the n-th of many guests: web1's under another
// name, UUID and MAC.
func bulkXML(t *testing.T, n int) (name, xml string) {
	t.Helper()
	name = fmt.Sprintf("bulk%03d", n)
	return name, strings.NewReplacer(
		"<name>web1</name>", "<name>"+name+"</name>",
		"4f2c8f0e-6a0b-4d0e-9d6e-0f6f6f1f7a01", fmt.Sprintf("4f2c8f0e-6a0b-4d0e-9d6e-0000000%05x", n),
		"52:54:00:4a:0c:11", fmt.Sprintf("52:54:00:b0:%02x:%02x", n>>8, n&0xff),
	).Replace(domainXML(t, "web1"))
}

// The server is killed in the midst of 200 uploads. Every upload that was
// answered is still there after the restart, with the address that dnsmasq had
// been told before the answer.
func TestKilledAmidUploads(t *testing.T) {
	t.Parallel()
	const (
		uploads = 200
		killAt  = 80 // answered uploads
	)
	l := newLab(t)
	s := startServer(t, l, l.Config())
	answered := storm(t, l, uploads, func(answered int) {
		if answered == killAt {
			s.Kill()
		}
	})
	if s.Alive() || len(answered) >= uploads {
		t.Fatalf("the server was not killed in the midst: %d of %d uploads were answered", len(answered), uploads)
	}
	t.Logf("killed after %d of %d uploads were answered", len(answered), uploads)
	promised := dhcpHosts(t, l.Path("dnsmasq"))

	start(t, s)
	after := list(t, s)
	owners := map[netip.Addr]string{}
	for name, guest := range after {
		if other, taken := owners[guest.IPv4]; taken {
			t.Errorf("%s and %s both have %s", name, other, guest.IPv4)
		}
		owners[guest.IPv4] = name
	}
	for _, name := range answered {
		guest, there := after[name]
		if !there {
			t.Errorf("%s was answered and is gone", name)
			continue
		}
		equal(t, name+"'s address", guest.IPv4.String(), promised[guest.MAC])
	}

	// And the new dnsmasq serves one of them.
	last := after[answered[len(answered)-1]]
	_, lease := boot(t, l, last)
	equal(t, "the address by DHCP", lease.IP.String(), last.IPv4.String())
}

// storm uploads that many guests, several at a time, and returns the names of
// those that were accepted, in order. It calls progress after each of them.
func storm(t *testing.T, l *lab.Lab, uploads int, progress func(answered int)) []string {
	t.Helper()
	const clients = 8
	type job struct{ name, xml string }
	jobs := make(chan job, uploads)
	for n := range uploads {
		name, xml := bulkXML(t, n)
		jobs <- job{name, xml}
	}
	close(jobs)
	var (
		mu       sync.Mutex
		answered []string
		wg       sync.WaitGroup
	)
	for range clients {
		wg.Go(func() {
			client := l.Host.HTTPClient(netip.Addr{})
			for job := range jobs {
				if postDomain(client, job.xml) != nil {
					continue // nothing was promised
				}
				mu.Lock()
				answered = append(answered, job.name)
				count := len(answered)
				mu.Unlock()
				progress(count)
			}
		})
	}
	wg.Wait()
	return answered
}

var (
	macText  = regexp.MustCompile(`\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b`)
	ipv4Text = regexp.MustCompile(`\b[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+\b`)
)

// dhcpHosts reads out of dnsmasq's files which address belongs to which MAC.
func dhcpHosts(t *testing.T, dir string) map[string]string {
	t.Helper()
	hosts := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if mac := macText.FindString(line); mac != "" {
				hosts[mac] = ipv4Text.FindString(line)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hosts
}

// postDomain uploads a definition and returns nil only if the server has
// accepted it.
func postDomain(client *http.Client, xml string) error {
	resp, err := client.Post("http://"+lab.MetadataAddr+"/instance-upload",
		"application/x-www-form-urlencoded", strings.NewReader(xml))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}
