package config

import "maps"

// KeepFixed returns c as a server that already runs under another
// configuration can put it in force: what takes a restart stays as running has
// it (see Diff), all else is c's. Neither of the two is changed.
func (c *Config) KeepFixed(running *Config) *Config {
	kept := *c
	kept.effective = maps.Clone(c.effective)
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
	kept.values = c.values.keepFixed(running.values)
	return &kept
}

// keepFixed is the same for the values as files gave them.
func (vs *values) keepFixed(running *values) *values {
	kept := &values{byKey: map[string]*value{}}
	for _, v := range vs.list {
		if v.key != nil && v.key.restart {
			if old := running.byKey[v.full()]; old != nil {
				v = old
			}
		}
		copied := *v
		kept.set(&copied)
	}
	return kept
}
