//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// The rules follow what libvirt runs: they come with a start, by events alone, also
// for an interface that is plugged in, and go with a stop.
func TestPortSecurityFollowsLibvirt(t *testing.T) {
	t.Parallel()
	h := newHost(t, false, true, "dnsmasq", "port_security", "yes")
	h.virsh("define", h.file(machine("web", 1, 1)))
	h.ports("defined", "web", 0)
	h.virsh("start", "web")
	h.ports("started", "web", 1)
	h.virsh("attach-interface", "web", "network", "mds", "--mac", machineMAC(1, 2), "--model", "usb-net", "--live")
	h.ports("plugged", "web", 2)
	h.virsh("detach-interface", "web", "bridge", "--mac", machineMAC(1, 2), "--live")
	h.ports("unplugged", "web", 1)
	h.virsh("destroy", "web")
	h.ports("stopped", "web", 0)
}

// ports waits until a guest is enforced at so many ports, and returns their names.
func (h *host) ports(when, name string, want int) []string {
	h.t.Helper()
	var names []string
	eventually(h.t, name+" "+when, func(ctx context.Context) error {
		out, err := h.server.Run(ctx, nil, "explain", name, "--json")
		if err != nil {
			return err
		}
		var e portState
		if err := json.Unmarshal([]byte(out), &e); err != nil {
			return err
		}
		names = nil
		for _, p := range e.PortSecurity {
			if p.State == "on" {
				names = append(names, p.Port)
			}
		}
		if len(names) != want {
			return fmt.Errorf("it is enforced at %+v, want %d ports", e.PortSecurity, want)
		}
		return nil
	})
	return names
}

// rules tells whether the kernel's table lets a MAC send by a port.
func (h *host) rules(port, mac string) bool {
	h.t.Helper()
	out, err := h.Host.Output(suite.ctx, "nft", "list", "set", "bridge", "mdserver", "macs")
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.Contains(out, `"`+port+`" . `+mac)
}
