//go:build e2e

package faults

import (
	"fmt"
	"net/netip"
	"os/exec"
	"testing"

	"mdserver/internal/client"
	"mdserver/test/lab"
)

// subject is a service with what the faults around it need.
type subject struct {
	*service
	control *client.Client
	guest   *lab.Guest // see addGuest
	addr    netip.Addr // the guest's
	libvirt *lab.Libvirt
}

// newSubject starts a server. prepare, which may be nil, changes its host and its
// configuration before.
func newSubject(t *testing.T, prepare func(*subject, lab.Config) lab.Config) *subject {
	t.Helper()
	l := newLab(t)
	s := &subject{service: &service{l, nil, t}, control: client.New(l.SocketPath())}
	c := l.Config()
	if prepare != nil {
		c = prepare(s, c)
	}
	server, err := l.NewServer(binary(t), c)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = server
	s.start()
	return s
}

// command runs a program of the host's.
func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
