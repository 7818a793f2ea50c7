//go:build e2e

package faults

import (
	"context"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/test/lab"
)

// TestLogThatNobodyReads has the server log to a FIFO whose reader reads nothing.
// Guests are answered, and a reload and a stop take their usual time.
func TestLogThatNobodyReads(t *testing.T) {
	var reader *os.File
	s := newService(t, func(c lab.Config) lab.Config {
		path := c["mdserver"]["logfile"]
		if err := os.MkdirAll(path[:len(path)-len("/mdserver-file.log")], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if reader, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
			t.Fatal(err)
		}
		return c.Set("loglevels", "file", "debug")
	})
	defer reader.Close()
	if status, body, err := s.Upload(context.Background(), guestXML(1)); err != nil || status != 200 {
		t.Fatal(status, body, err)
	}
	slowest := s.askFor(t, 2*time.Second)
	t.Logf("the slowest of the answers took %s", slowest)
	if slowest > 2*time.Second {
		t.Errorf("an answer took %s", slowest)
	}
	if err := s.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if !s.knows(1) {
		t.Error("the server does not answer after a reload")
	}
	if err := s.Stop(4 * time.Second); err != nil {
		t.Error(err)
	}
}

// askFor asks for metadata as fast as it can for some time, and returns the time
// of the slowest answer.
func (s *service) askFor(t *testing.T, long time.Duration) (slowest time.Duration) {
	t.Helper()
	client := s.Host.HTTPClient(netip.Addr{})
	for end := time.Now().Add(long); time.Now().Before(end); {
		began := time.Now()
		resp, err := client.Get("http://" + lab.MetadataAddr + "/latest/meta-data/")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		slowest = max(slowest, time.Since(began))
	}
	return slowest
}
