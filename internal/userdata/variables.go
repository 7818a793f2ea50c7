package userdata

import (
	"maps"
	"net/netip"
	"strings"

	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/stpl"
)

// siteVariables are the template variables that all guests share. The order of
// precedence is the Python mdserver's: configuration keys first, then public keys;
// template data and _config_items_ fill only names that are still free.
func siteVariables(cfg *config.Config) map[string]any {
	vars := map[string]any{}
	for _, v := range cfg.InForce() {
		vars[v.Key] = v.Value
	}
	addPublicKeys(vars, cfg)
	for _, item := range cfg.TemplateData {
		addFree(vars, item.Key, item.Value)
	}
	for _, key := range cfg.ConfigItems {
		_, name, _ := strings.Cut(key, ".")
		if value, ok := vars[key]; ok && name != "" {
			addFree(vars, name, value)
		}
	}
	if cfg.Server.PasswordSet {
		vars["mdserver_password"] = cfg.Server.Password
	}
	return vars
}

// Names are the variables of every guest's template.
func Names(cfg *config.Config) stpl.Names {
	names := stpl.Names{}
	for name := range guestVariables(siteVariables(cfg), &instance.Instance{}) {
		names[name] = true
	}
	return names
}

// addPublicKeys adds public_keys and public_key_<name>. Where no default key is
// configured the Python mdserver offers a placeholder under its name; so do we,
// since templates name that variable, but it is no member of public_keys.
func addPublicKeys(vars map[string]any, cfg *config.Config) {
	keys := stpl.Dict{} // in the order of the configuration
	vars["public_key_default"] = vars["public-keys.default"]
	for _, key := range cfg.PublicKeys {
		keys = append(keys, stpl.Pair{Key: key.Name, Value: key.Key})
		vars["public_key_"+key.Name] = key.Key
	}
	vars["public_keys"] = keys
}

func addFree(vars map[string]any, name string, value any) {
	if _, taken := vars[name]; !taken {
		vars[name] = value
	}
}

// guestVariables adds what is particular to one guest to a copy of the site's
// variables, so that no render sees anything of another.
func guestVariables(site map[string]any, guest *instance.Instance) map[string]any {
	vars := maps.Clone(site)
	addFree(vars, "instance", describe(guest))
	vars["hostname"] = guest.Hostname
	return vars
}

// describe is the variable "instance".
func describe(guest *instance.Instance) stpl.Record {
	return stpl.Record{
		{Key: "id", Value: guest.ID},
		{Key: "name", Value: guest.Name},
		{Key: "hostname", Value: guest.Hostname},
		{Key: "uuid", Value: guest.UUID.String()},
		{Key: "mac", Value: guest.MAC.String()},
		{Key: "ipv4", Value: addressOrNone(guest.IPv4)},
		{Key: "ipv6", Value: addressOrNone(guest.IPv6)},
		{Key: "location", Value: guest.Location},
		{Key: "metadata", Value: guest.Metadata.Flat()},
		{Key: "tags", Value: guest.Metadata.Tags},
		{Key: "vcpus", Value: guest.VCPUs},
		{Key: "memory", Value: int64(guest.Memory >> 20)}, // MiB, as virsh and cloud flavours count
	}
}

func addressOrNone(addr netip.Addr) any {
	if !addr.IsValid() {
		return nil
	}
	return addr.String()
}
