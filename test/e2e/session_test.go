//go:build e2e

package e2e

import (
	"os"
	"strings"
	"testing"

	"mdserver/test/lab"
)

// A user's own libvirt is followed as the system's is. Its guests are on the
// bridge by qemu's helper; its hook is the user's process, and tells mdserver
// of a guest if the user may use the control socket.
func TestSession(t *testing.T) {
	t.Parallel()
	h := &host{Lab: newLab(t), t: t}
	hookAsUser := h.Path("bin", "mdserver") // where the user may run it
	copyFile(t, suite.binary, hookAsUser)
	if err := h.InstallHook(hookAsUser); err != nil {
		t.Fatal(err)
	}
	v, err := h.StartSession(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	h.libvirt = v
	c := h.Config().Set("libvirt", "uri", v.URI).Set("libvirt", "release_after", "0s")
	h.server = startServer(t, h.Lab, c)
	if err := os.Chown(h.SocketPath(), 0, lab.SessionUser); err != nil { // the user becomes a member of the group
		t.Fatal(err)
	}

	h.virsh("define", h.file(onBridge("web1", 1)))
	h.settles("defined")
	h.virsh("start", "web1")
	contains(t, "what the hook told", command(t, h.server, "instance", "show", "web1", "--json"), `"hook"`)
	h.settles("started")
	h.virsh(setMetadata("web1", "db", "--live")...)
	h.settles("metadata of a running guest")
	h.virsh("destroy", "web1")
	h.virsh("domrename", "web1", "web2")
	h.settles("renamed")
	h.virsh("undefine", "web2")
	h.released("web2")
}

// onBridge is a machine on the lab's bridge.
func onBridge(name string, n int) string {
	return strings.NewReplacer("type='network'", "type='bridge'", "network='mds'", "bridge='"+lab.Bridge+"'").Replace(machine(name, n, 1))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(to[:strings.LastIndex(to, "/")], 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}
