//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// convert is what cloud-init makes of a network's description for one of its
// renderers: it prints each file that the renderer would write.
const convert = `
import importlib, json, sys, yaml
from cloudinit.net import network_state
from cloudinit.sources.helpers import openstack
renderer = importlib.import_module("cloudinit.net." + sys.argv[1]).Renderer()
config = yaml.safe_load(sys.stdin)
if "links" in config:
    macs = {link["ethernet_mac_address"]: "eth%d" % i for i, link in enumerate(config["links"])}
    config = openstack.convert_net_json(config, known_macs=macs)
made = renderer._render_content(network_state.parse_net_config_data(config))
print(made if isinstance(made, str) else "\n".join(made.values()))
`

// The guests' DNS servers and search domain reach the resolver with each form of
// network data and each renderer that a vendor's image may use. With a domain to
// search, cloud-init takes an interface's DNS servers from the interface's own
// networks alone.
func TestNetworkDataNamesServers(t *testing.T) {
	t.Parallel()
	roots := map[string]string{"22.4": chroot(t), "25.1": built(t, "../../scripts/build-cloud-init", "trixie")}
	forms := map[string]string{
		"OpenStack": "../../internal/frontend/openstack/testdata/network_data.json",
		"NoCloud":   "../../internal/frontend/nocloud/testdata/network-config.yaml",
	}
	renderers := map[string][]string{
		"netplan":  {"- 10.122.0.1\n", "- fd00:122::1\n", "search:", "- example.net\n"},
		"networkd": {"DNS=10.122.0.1 fd00:122::1\n", "Domains=example.net\n"},
	}
	for version, root := range roots {
		for form, file := range forms {
			for renderer, wants := range renderers {
				t.Run(version+" "+form+" "+renderer, func(t *testing.T) {
					t.Parallel()
					rendered := render(t, root, file, renderer)
					_, servers, found := strings.Cut(rendered, "nameservers:")
					if !found {
						servers = rendered
					}
					contains(t, "the DNS servers for "+renderer, servers, wants...)
				})
			}
		}
	}
}

// render has the cloud-init of a root file system convert a file.
func render(t *testing.T, root, file, renderer string) string {
	t.Helper()
	data, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	cmd := exec.CommandContext(suite.ctx, "chroot", root, "python3", "-c", convert, renderer)
	cmd.Stdin = data
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cloud-init cannot convert it: %v\n%s", err, errs.String())
	}
	return string(out)
}
