//go:build host

package host

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDebian12 follows README.md on a fresh host, from its packages to a shell
// in a guest on libvirt's network and in one on mdserver's own.
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
