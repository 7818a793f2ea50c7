//go:build e2e

package host

import "testing"

func TestDebian12(t *testing.T) {
	h := newHost(t, "bookworm")
	t.Log(h.must("alice", "pwd; id; ls; sudo id; cat /etc/hosts; ls ~/mdserver"))
	h.reboot()
	t.Log(h.must("alice", "curl -sS https://proxy.golang.org/github.com/google/uuid/@v/list || true"))
}
