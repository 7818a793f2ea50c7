package config

import (
	"maps"
	"reflect"
	"slices"
)

// Diff names the keys whose meaning differs between two configurations: those
// that can change while the server runs, and those that take a restart.
func Diff(old, new *Config) (live, restart []string) {
	for i := range table {
		k := &table[i]
		switch {
		case k.get == nil || reflect.DeepEqual(k.get(old), k.get(new)):
		case k.restart:
			restart = append(restart, k.full())
		default:
			live = append(live, k.full())
		}
	}
	if old.hasShortForm() != new.hasShortForm() {
		restart = append(restart, "[dnsmasq]") // its network comes or goes
	}
	live = append(live, diffNames("public-keys.", publicKeyMap(old), publicKeyMap(new))...)
	live = append(live, diffNetworks(old, new)...)
	live = append(live, diffNames("template-data.", templateDataMap(old), templateDataMap(new))...)
	return live, restart
}

func diffNames(prefix string, old, new map[string]string) []string {
	names := maps.Clone(old)
	maps.Copy(names, new)
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, had := old[name]
		after, has := new[name]
		if before != after || had != has {
			changed = append(changed, prefix+name)
		}
	}
	return changed
}

func publicKeyMap(c *Config) map[string]string {
	m := make(map[string]string, len(c.PublicKeys))
	for _, k := range c.PublicKeys {
		m[k.Name] = k.Key
	}
	return m
}

func templateDataMap(c *Config) map[string]string {
	m := make(map[string]string, len(c.TemplateData))
	for _, kv := range c.TemplateData {
		m[kv.Key] = kv.Value
	}
	return m
}

// diffNetworks names the sections [network NAME] that came, went or changed.
func diffNetworks(old, new *Config) []string {
	before, after := sectionMap(old), sectionMap(new)
	names := maps.Clone(before)
	maps.Copy(names, after)
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !reflect.DeepEqual(before[name], after[name]) {
			changed = append(changed, "network "+name)
		}
	}
	return changed
}

func sectionMap(c *Config) map[string]Network {
	m := map[string]Network{}
	for _, n := range c.Networks {
		if !n.short {
			m[n.Name] = n
		}
	}
	return m
}
