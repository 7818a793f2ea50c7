//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// convert is what cloud-init makes of network_data.json for netplan.
const convert = `
import json, sys
from cloudinit.net import netplan, network_state
from cloudinit.sources.helpers import openstack
data = json.load(sys.stdin)
macs = {link["ethernet_mac_address"]: "eth%d" % i for i, link in enumerate(data["links"])}
v1 = openstack.convert_net_json(data, known_macs=macs)
print(netplan.Renderer()._render_content(network_state.parse_net_config_data(v1)))
`

// With a domain to search, cloud-init 22.4 takes an interface's DNS servers from
// its own networks alone.
func TestNetworkDataNamesServers(t *testing.T) {
	t.Parallel()
	data, err := os.Open("../../internal/face/openstack/testdata/network_data.json")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	cmd := exec.CommandContext(suite.ctx, "chroot", chroot(t), "python3", "-c", convert)
	cmd.Stdin = data
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cloud-init cannot convert it: %v\n%s", err, errs.String())
	}
	_, servers, _ := strings.Cut(string(out), "nameservers:")
	contains(t, "the DNS servers for netplan", servers, "- 10.122.0.1\n", "- fd00:122::1\n", "search:", "- example.net\n")
}
