//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"mdserver/test/lab"
)

// newModularHost has virtqemud and virtnetworkd in place of libvirtd, with
// libvirt's own network, and mdserver with its hook beside them: it finds each
// where it usually listens.
func newModularHost(t *testing.T) (h *host, network *lab.Libvirt) {
	t.Helper()
	daemons := builtImage(t, "modular")
	h = &host{Lab: newLab(t), t: t}
	if err := h.InstallHook(suite.binary); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.libvirt, network, err = h.StartModular(suite.ctx, daemons); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = network.Virsh(context.Background(), "net-destroy", "default") })
	if err := network.StartNetwork(suite.ctx, "default", stock); err != nil {
		t.Fatal(err)
	}
	c := h.Config().Set("libvirt", "uri", "qemu:///system").Set("libvirt", "release_after", "0s")
	serveStock(t, h.Lab, c)
	binary, err := h.BesideLibvirt(suite.binary)
	if err != nil {
		t.Fatal(err)
	}
	if h.server, err = h.NewServer(binary, c); err != nil {
		t.Fatal(err)
	}
	start(t, h.server)
	return h, network
}

// onStock is a machine on libvirt's own network.
func onStock(name string, n int) string {
	return strings.ReplaceAll(machine(name, n, 1), "network='mds'", "network='default'")
}

// entries counts what virtnetworkd has of a guest, in both of its definitions.
func entries(ctx context.Context, network *lab.Libvirt, mac string) (int, error) {
	live, err := network.Virsh(ctx, "net-dumpxml", "default")
	if err != nil {
		return 0, err
	}
	stored, err := network.Virsh(ctx, "net-dumpxml", "default", "--inactive")
	return strings.Count(live+stored, mac), err
}

func (h *host) hasEntries(network *lab.Libvirt, mac string, want int) {
	h.t.Helper()
	eventually(h.t, "entries of the network", func(ctx context.Context) error {
		got, err := entries(ctx, network, mac)
		if err == nil && got != want {
			err = fmt.Errorf("%s is in %d definitions, want %d", mac, got, want)
		}
		return err
	})
}

// With one daemon for each driver all is as with libvirtd: guests are followed
// by virtqemud's events and its hook, and served on the network of
// virtnetworkd. Each may be killed.
func TestModularDaemons(t *testing.T) {
	t.Parallel()
	h, network := newModularHost(t)
	contains(t, "status", command(t, h.server, "status"), "virtqemud-sock")
	mac := machineMAC(1, 1)
	h.virsh("define", h.file(onStock("web1", 1)))
	h.settles("defined")
	h.hasEntries(network, mac, 2)
	h.virsh("start", "web1")
	contains(t, "what the hook told", command(t, h.server, "instance", "show", "web1", "--json"), `"hook"`)
	h.virsh(setMetadata("web1", "db", "--live")...)
	h.settles("metadata of a running guest")
	h.virsh("destroy", "web1")

	h.libvirt.Kill()
	network.Kill()
	var err error
	if h.libvirt, network, err = h.StartModular(suite.ctx, builtImage(t, "modular")); err != nil {
		t.Fatal(err)
	}
	h.virsh("domrename", "web1", "web2")
	h.settles("renamed after a restart of the daemons")
	h.virsh("define", h.file(onStock("late", 2)))
	h.hasEntries(network, machineMAC(2, 1), 2)

	h.virsh("undefine", "web2")
	h.released("web2")
	h.hasEntries(network, mac, 0)
}
