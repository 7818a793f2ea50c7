package config

import (
	"maps"
	"slices"
)

// KeepFixed returns the configuration that a running server can apply: keys that
// need a restart have the values of running (see Diff), and all others those of c.
// It changes neither of the two.
func (c *Config) KeepFixed(running *Config) *Config {
	kept := *c
	kept.effective = make(map[string]string, len(table))
	maps.Copy(kept.effective, c.effective)
	for i := range table {
		k := &table[i]
		if !k.restart || k.copy == nil {
			continue
		}
		k.copy(&kept, running)
		kept.effective[k.full()] = running.effective[k.full()]
	}
	kept.Dnsmasq.Network = running.Dnsmasq.Network
	kept.Dnsmasq.Network6 = running.Dnsmasq.Network6
	kept.keepShortForm(running)
	kept.values = c.values.keepFixed(running.values)
	return &kept
}

// NeedsRestart reports whether a change of a key takes effect only when the
// server starts again, and not when it reloads its configuration.
func NeedsRestart(section, name string) bool {
	k := lookup(section, name)
	return k != nil && k.restart
}

// keepFixed is the same for the values as files gave them.
func (vs *values) keepFixed(running *values) *values {
	if vs == nil || running == nil {
		return vs
	}
	kept := &values{byKey: map[string]*value{}}
	for _, v := range vs.list {
		if v.key != nil && v.key.restart {
			v = running.byKey[v.full()]
		}
		kept.add(v)
	}
	for _, v := range running.list { // what the new files no longer set
		if v.key != nil && v.key.restart && kept.byKey[v.full()] == nil {
			kept.add(v)
		}
	}
	return kept
}

// add appends a copy of v, if there is one.
func (vs *values) add(v *value) {
	if v != nil {
		copied := *v
		vs.set(&copied)
	}
}

// keepShortForm leaves the network of [dnsmasq], or that there is none, as it
// was. The sections [network NAME] are those of the new files.
func (c *Config) keepShortForm(running *Config) {
	var networks []Network
	if running.hasShortForm() {
		networks = append(networks, c.Dnsmasq.short())
	}
	for _, n := range c.Networks {
		if !n.short {
			networks = append(networks, n)
		}
	}
	c.Networks = networks
}

// hasShortForm reports whether [dnsmasq] describes a network that is served.
func (c *Config) hasShortForm() bool {
	return slices.ContainsFunc(c.Networks, func(n Network) bool { return n.short })
}
