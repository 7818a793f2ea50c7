package install

import (
	"path"
	"slices"
	"strings"

	"mdserver/internal/config"
)

// stockNetwork is the network that libvirt's packages define.
const stockNetwork = "default"

// ownBridge is the bridge of the network that Install defines in libvirt.
const ownBridge = "br-mds"

// served is a network that start brings into service.
type served struct {
	name        string
	libvirt     bool // libvirt serves it itself
	otherBridge bool // its bridge is not that of mdserver's own network
}

// chooseNetworks lists the networks to start, at least one: the one that was
// asked for, else those that the configuration has, else libvirt's default.
func chooseNetworks(asked string, cfg *config.Config) []served {
	if asked == "" && !setsNetwork(cfg) {
		asked = stockNetwork
	}
	if asked != "" {
		n, configured := networkOf(cfg, asked)
		if !configured {
			return []served{{name: asked, libvirt: asked != ownNetwork}}
		}
		return []served{servedAs(n)}
	}
	var all []served
	for _, n := range cfg.Networks {
		all = append(all, servedAs(n))
	}
	return all
}

func servedAs(n config.Network) served {
	libvirt := n.Backend == config.BackendLibvirt
	return served{name: n.Name, libvirt: libvirt, otherBridge: !libvirt && (n.Name != ownNetwork || n.Interface != ownBridge)}
}

// setsNetwork reports whether the configuration describes a network. The sample
// describes none, and sets two keys that hold for any. A file that does not
// include the directory of the sample's drop-ins is the Python mdserver's, whose
// guests are on the network of the defaults unless it says otherwise.
func setsNetwork(cfg *config.Config) bool {
	includes := slices.ContainsFunc(cfg.Files.Directories, func(d config.Directory) bool {
		return strings.HasSuffix(d.Path, path.Dir(dropIn))
	})
	if cfg.Files.Main != "" && !includes {
		return true
	}
	general := []string{"dnsmasq.use_dns", "dnsmasq.port_security"}
	return slices.ContainsFunc(cfg.Effective(), func(s config.Setting) bool {
		own := strings.HasPrefix(s.Key, "network ") || strings.HasPrefix(s.Key, "dnsmasq.")
		return own && s.File != "" && !slices.Contains(general, s.Key)
	})
}

func networkOf(cfg *config.Config, name string) (config.Network, bool) {
	i := slices.IndexFunc(cfg.Networks, func(n config.Network) bool { return n.Name == name })
	if i < 0 {
		return config.Network{}, false
	}
	return cfg.Networks[i], true
}
