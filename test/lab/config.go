package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Config is an mdserver.conf: section, key, value.
type Config map[string]map[string]string

// Set sets one key and returns the configuration for the next call.
func (c Config) Set(section, key, value string) Config {
	if c[section] == nil {
		c[section] = map[string]string{}
	}
	c[section][key] = value
	return c
}

// String writes the configuration in the INI form, in a stable order.
func (c Config) String() string {
	var b strings.Builder
	for _, section := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(&b, "[%s]\n", section)
		for _, key := range slices.Sorted(maps.Keys(c[section])) {
			fmt.Fprintf(&b, "%s = %s\n", key, c[section][key])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Two keys that cannot log in anywhere: nobody has their private halves.
const (
	KeyAlice = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmBsuAE8PiXbqJEQgFxRLPC9SmMjRGw3Zs1m2cE6fWp alice@laptop"
	KeyBob   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIlXk0XVhYKQSYrvU0dqRr2TqWzvXbM1fPqvC3hKcYzE bob@desk"
)

// Config returns the configuration of a server for this lab: everything below
// the lab's directory, dnsmasq as a child on the bridge, DNS offered to guests,
// two public keys. Callers change what they test.
func (l *Lab) Config() Config {
	return Config{
		"mdserver": {
			"listen_address":   MetadataAddr,
			"port":             "80",
			"userdata_dir":     l.Path("userdata"),
			"default_template": l.Path("userdata", "base.yaml"),
			"db_file":          l.Path("state", "db_file.json"),
			"logfile":          l.Path("log", "mdserver-file.log"),
			"socket":           l.SocketPath(),
		},
		"loglevels": {"base": "debug", "stream": "info", "file": "debug"},
		"public-keys": {
			"alice": KeyAlice,
			"bob":   KeyBob,
		},
		"dnsmasq": {
			"run":         "child",
			"user":        "nobody",
			"base_dir":    l.Path("dnsmasq"),
			"run_dir":     l.Path("run"),
			"net_name":    "mds",
			"net_address": Network,
			"net_prefix":  Prefix,
			"gateway":     Gateway,
			"interface":   Bridge,
			"use_dns":     "yes",
			"domain":      "example.net",
			"entry_order": "base,domain",
		},
		// the machine's own libvirt is none of the lab's business
		"libvirt": {"uri": "off"},
		"service": {"name": "lab", "location": "lab-host"},
	}
}

// DatabasePath is the database in the configuration that [Lab.Config] gives.
func (l *Lab) DatabasePath() string { return l.Path("state", "mdserver.db") }

// SocketPath is the control socket in the configuration that [Lab.Config] gives.
func (l *Lab) SocketPath() string { return l.Path("run", "mdserver.sock") }
