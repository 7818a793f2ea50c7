//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"mdserver/internal/api"
)

// does waits until a guest is in a state.
func (h *host) does(name string, want api.State) {
	h.t.Helper()
	eventually(h.t, name+" "+string(want), func(context.Context) error {
		var all []api.Guest
		if err := json.Unmarshal([]byte(command(h.t, h.server, "instance", "ls", "--json")), &all); err != nil {
			return err
		}
		for _, guest := range all {
			if guest.Name == name && guest.State == want {
				return nil
			}
		}
		return fmt.Errorf("%+v", all)
	})
}

// A network of libvirt's leads to a bridge of ours under another name. Its guest
// is known before it starts, while it runs and when it is off.
func TestNetworkByAnotherName(t *testing.T) {
	t.Parallel()
	h := newHost(t, true, true)
	if err := h.libvirt.StartNetwork(suite.ctx, "alias", strings.Replace(mdsNetwork, "<name>mds", "<name>alias", 1)); err != nil {
		t.Fatal(err)
	}
	h.virsh("create", h.file(strings.Replace(machine("transient", 1, 1), "network='mds'", "network='alias'", 1)))
	contains(t, "who told of it", source(explained(t, h.server, "transient"), "last told"), "hook")
	h.does("transient", api.Running)
	h.virsh("destroy", "transient")
	h.does("transient", api.Gone)

	h.virsh("define", h.file(strings.Replace(machine("web1", 2, 1), "network='mds'", "network='alias'", 1)))
	h.does("web1", api.Off)
	address := h.ipv4(2)
	h.virsh("start", "web1")
	h.does("web1", api.Running)
	h.virsh("destroy", "web1")
	h.does("web1", api.Off)
	h.state(2, "present")
	equal(t, "the address", h.ipv4(2), address)

	h.virsh("start", "web1")
	h.does("web1", api.Running)
	h.virsh("managedsave", "web1")
	h.does("web1", api.Off)
	equal(t, "the address", h.ipv4(2), address)
}

func (h *host) ipv4(n int) string {
	h.t.Helper()
	records, err := h.records()
	if err != nil {
		h.t.Fatal(err)
	}
	return records[machineUUID(n)].IPv4
}

// Domains that libvirt has and mdserver refuses are known with the reason, until
// they are mended or gone.
func TestRefusedDomains(t *testing.T) {
	t.Parallel()
	h := newHost(t, true, true)
	refusals := func() map[string]api.Refusal {
		byName := map[string]api.Refusal{}
		var all []api.Refusal
		if err := json.Unmarshal([]byte(command(t, h.server, "instance", "ls", "--refused", "--json")), &all); err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			byName[r.Name] = r
		}
		return byName
	}
	until := func(what string, holds func(map[string]api.Refusal) bool) {
		t.Helper()
		eventually(t, what, func(context.Context) error {
			if all := refusals(); !holds(all) {
				return fmt.Errorf("%+v", all)
			}
			return nil
		})
	}
	h.virsh("define", h.file(machine("web1", 1, 1)))
	h.settles("defined")

	h.virsh("define", h.file(machineAt("outside", 2, "192.0.2.1")))
	h.virsh("define", h.file(strings.Replace(machine("other", 3, 1), "network='mds'", "network='lan'", 1)))
	h.virsh("define", h.file(strings.Replace(machine("twin", 4, 1), machineMAC(4, 1), machineMAC(1, 1), 1)))
	until("refused", func(all map[string]api.Refusal) bool {
		return len(all) == 3 && all["outside"].State == api.Refused && all["twin"].State == api.Refused && all["other"].State == api.Unserved
	})
	contains(t, "status", command(t, h.server, "status"), "2 refused, 1 on networks that are not served")
	contains(t, "the list", command(t, h.server, "instance", "ls"), "refused: twin: MAC address in use", "refused: outside: address outside the network")
	contains(t, "explain", command(t, h.server, "explain", "outside"), "192.0.2.1", "change the address in the domain's <metadata>")
	contains(t, "explain", command(t, h.server, "explain", "other"), "[network lan]", "virsh attach-interface other network mds")

	t.Log("mended, gone")
	h.virsh("undefine", "twin")
	h.virsh("define", h.file(machine("outside", 2, 1)))
	h.virsh("define", h.file(machine("other", 3, 1)))
	until("none refused", func(all map[string]api.Refusal) bool { return len(all) == 0 })
}
