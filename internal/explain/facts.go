package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/instance"
)

const (
	domainXML = "the domain's definition"
	imported  = "the Python mdserver's database"
)

func fact(name, value, source string) api.Fact {
	return api.Fact{Name: name, Value: value, Source: source}
}

func (s Subject) facts() []api.Fact {
	g := s.Guest
	facts := []api.Fact{
		fact("name", g.Name, domainXML),
		fact("UUID", g.UUID.String(), domainXML),
		fact("instance-id", g.ID, s.idSource()),
		fact("host name", g.Hostname, s.hostnameSource()),
		fact("MAC", g.MAC.String(), domainXML+", its interface on a served network"),
		fact("location", g.Location, s.set("service.location")),
		fact("SSH keys", strings.Join(s.Keys, ", "), "the section [public-keys] of the configuration"),
	}
	for _, h := range g.Hardware.Facts() {
		facts = append(facts, fact(h.Name, h.Value, domainXML))
	}
	for _, nic := range g.Interfaces {
		facts = append(facts, fact("interface", strings.TrimSpace(nic.MAC.String()+" "+nic.Network), domainXML))
	}
	flat := g.Metadata.Flat()
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		facts = append(facts, fact("metadata "+key, flat[key], domainXML+", <metadata>"))
	}
	for _, w := range g.Metadata.Warnings {
		facts = append(facts, fact("warning", w, domainXML+", <metadata>"))
	}
	if s.Found {
		facts = append(facts, fact("state", "running since before the server started", "libvirt"))
	}
	facts = append(facts, s.mode(), fact("first seen", g.FirstSeen.Format(time.RFC3339), s.firstSource()))
	for _, source := range slices.Sorted(maps.Keys(g.Seen)) {
		facts = append(facts, fact("last told", g.Seen[source].Format(time.RFC3339), sources[source]))
	}
	return facts
}

// sources in words, for those who register guests.
var sources = map[string]string{
	instance.ByHook:    "libvirt's hook",
	instance.ByUpload:  "an upload by root, by the Python mdserver's hook or by hand",
	instance.ByLocal:   "an upload by another user of this host",
	instance.ByCommand: "mdserver instance add",
	instance.ByLibvirt: "libvirt's events",
}

func (s Subject) isImported() bool { return s.Guest.ID != instance.DeriveID(s.Guest.UUID) }

func (s Subject) idSource() string {
	if s.isImported() {
		return imported + ", or set by `mdserver instance reprovision`"
	}
	return "derived from the UUID"
}

func (s Subject) hostnameSource() string {
	g := s.Guest
	switch {
	case g.Metadata.Hostname() != "":
		return domainXML + ", <metadata> hostname"
	case strings.EqualFold(g.Hostname, g.Name):
		return "the domain's name"
	}
	if why := instance.ReservedName(g.Name); why != "" {
		return "derived from the domain's name, which is reserved: " + why
	}
	return "derived from the domain's name, to be valid, a single label, and different from other guests' and this host's names"
}

func (s Subject) mode() api.Fact {
	if mode, own := s.Guest.Metadata.IMDS(); own {
		return fact("IMDS tokens", string(mode), domainXML+", <metadata> imds")
	}
	for _, setting := range s.Settings {
		if setting.Key == "mdserver.imds" {
			return fact("IMDS tokens", setting.Value, s.set(setting.Key))
		}
	}
	return fact("IMDS tokens", "", "mdserver.imds")
}

func (s Subject) firstSource() string {
	if s.isImported() {
		return imported
	}
	return "its first registration"
}

func place(s config.Setting) string { return fmt.Sprintf("%s:%d", s.File, s.Line) }
