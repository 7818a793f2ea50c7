package etcdtest

import (
	"os/exec"
	"testing"
)

// Host is a network namespace whose programs reach the members.
type Host struct {
	t      testing.TB
	net    *bridge
	number int
}

// AddHost adds a host to a cluster with Options.Isolated.
func (c *Cluster) AddHost() *Host {
	c.t.Helper()
	net, ok := c.net.(*bridge)
	if !ok {
		c.t.Fatal("only a cluster with Options.Isolated has hosts")
	}
	return &Host{c.t, net, net.addSpace(c.t)}
}

// Start starts a command on the host.
func (h *Host) Start(cmd *exec.Cmd) error { return h.net.start(h.number, cmd) }

// Cut drops all packets to the host, or from it, or both. Cut(false, false) lets
// them pass again.
func (h *Host) Cut(in, out bool) {
	h.t.Helper()
	h.net.cut(h.t, h.number, in, out)
}
