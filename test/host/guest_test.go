//go:build host

package host

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
)

// TestDebian12 follows README.md on a fresh host, from its packages to a shell
// in a guest on libvirt's network and in one on mdserver's own. Then the host
// goes through what hosts go through.
func TestDebian12(t *testing.T) {
	blocks := shellBlocks(t, "A first guest")
	if len(blocks) != 3 {
		t.Fatalf("README.md has %d blocks for a first guest, want 3: what it needs, a guest, a guest on another network", len(blocks))
	}
	h := newHost(t, "bookworm")
	h.must("alice", blocks[0])

	h.firstGuest("web1", blocks[1])
	h.doctor("after the first guest")
	h.firstGuest("web2", blocks[2])
	h.doctor("after the second guest")

	for _, service := range []string{"mdserver", "libvirtd"} {
		h.must("root", "systemctl restart "+service)
		h.settles("after a restart of "+service, guestsOfReadme)
	}
	h.must("root", "virsh autostart web1 && virsh autostart web2")
	before := h.addresses(guestsOfReadme)
	h.reboot()
	h.settles("after a reboot of the host", guestsOfReadme)
	if after := h.addresses(guestsOfReadme); after != before {
		t.Errorf("the guests' addresses after a reboot are %s, and were %s", after, before)
	}
	for _, g := range guestsOfReadme {
		began := time.Now()
		h.must("alice", "ssh -o ConnectionAttempts=300 debian@"+h.address(g)+" hostname")
		t.Logf("%s let alice in %s after the host was up, without a question", g.name, time.Since(began).Round(time.Second))
	}
}

// guest is a guest and where its name is served.
type guest struct{ name, server string }

var guestsOfReadme = []guest{{"web1", "192.168.122.1"}, {"web2", "10.122.0.1"}}

// address asks for a guest's address as README.md does.
func (h *host) address(g guest) string {
	h.t.Helper()
	return strings.TrimSpace(h.must("alice", "dig +short "+g.name+" @"+g.server))
}

func (h *host) addresses(guests []guest) string {
	h.t.Helper()
	var all []string
	for _, g := range guests {
		all = append(all, g.name+" "+h.address(g))
	}
	return strings.Join(all, ", ")
}

// settles waits until the server knows all guests as running, and asks doctor then.
func (h *host) settles(when string, guests []guest) {
	h.t.Helper()
	began := time.Now()
	err := lab.Poll(suite.ctx, time.Minute, func(ctx context.Context) error {
		known, err := h.states(ctx)
		if err != nil {
			return err
		}
		for _, g := range guests {
			out, err := h.run(ctx, "root", "dig +short "+g.name+" @"+g.server, "")
			if known[g.name] != "running" || err != nil || strings.TrimSpace(out) == "" {
				return fmt.Errorf("%s is %q, and its name has the address %q (%v)", g.name, known[g.name], out, err)
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatalf("%s: %v", when, err)
	}
	h.t.Logf("%s all guests were known and served within %s", when, time.Since(began).Round(100*time.Millisecond))
	h.doctor(when)
}

// firstGuest runs a block that ends with a shell in the guest.
func (h *host) firstGuest(name, block string) {
	h.t.Helper()
	began := time.Now()
	out, err := h.run(suite.ctx, "alice", "cd mdserver\n"+block, "cloud-init status --wait\necho I am $(hostname)\n")
	if err != nil || !strings.Contains(out, "status: done") || !strings.Contains(out, "I am "+name+"\n") {
		h.t.Fatalf("README.md's block did not lead to a shell in %s: %v\n%s\n\n%s", name, err, block, out)
	}
	h.t.Logf("from the block to a shell in %s: %s\n%s", name, time.Since(began).Round(time.Second), out)
}

// expected are the warnings that a test's host cannot be without: it has no time
// server, and Debian's definition of libvirt's network turns spanning tree on.
var expected = regexp.MustCompile(`^warning +(clock: the clock is not synchronised|port security: the bridge virbr0 has spanning tree on)`)

// doctor fails the test if doctor finds something wrong or warns of what is not expected.
func (h *host) doctor(when string) {
	h.t.Helper()
	out := h.must("root", "mdserver doctor")
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "warning") && !expected.MatchString(line) {
			h.t.Errorf("doctor %s:\n%s", when, out)
			return
		}
	}
}

// states are those of the guests that the server knows.
func (h *host) states(ctx context.Context) (map[string]string, error) {
	out, err := h.run(ctx, "root", "mdserver instance ls --json", "")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var list []struct{ Name, State string }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	states := map[string]string{}
	for _, g := range list {
		states[g.Name] = g.State
	}
	return states, nil
}
