// Package original tells what a configuration of the Python mdserver means here and
// did not mean there.
package original

import (
	"log/slog"
	"path/filepath"
	"strings"

	"mdserver/internal/config"
)

// difference is what one key means here, where that is not what it meant to the
// Python mdserver.
type difference struct {
	key     string
	unset   bool // it counts if no file sets the key; else if one does
	applies func(c *config.Config) bool
	text    string
}

// differences are in order of weight: what guests notice, then this host.
var differences = []difference{
	{"dnsmasq.use_dns", false, func(c *config.Config) bool { return !c.Dnsmasq.UseDNS },
		"means no: guests get no DNS server. The Python mdserver's dnsmasq always offered itself; set it to yes to keep that"},
	{"dnsmasq.use_dns", true, func(c *config.Config) bool { return !c.Dnsmasq.UseDNS },
		"is not set, which means no: guests get no DNS server. The Python mdserver's dnsmasq always offered itself; set it to yes to keep that"},
	{"dnsmasq.domain", false, func(c *config.Config) bool { return c.Dnsmasq.Domain != "" },
		"is also sent to guests by DHCP; the Python mdserver only wrote it to its hosts file"},
	{"dnsmasq.lease_len", false, nil, "is the length of a lease in seconds; the Python mdserver stopped when a file set it"},
	{"mdserver.hostname_prefix", false, nil, "is the prefix of host names made for guests without one; it had no effect in the Python mdserver"},
	{"service.ec2_versions", true, nil, "is not set, and has a longer default than in the Python mdserver: guests see more versions"},
	{"dnsmasq.user", false, nil, "is the user that dnsmasq runs as; without it dnsmasq runs as a user of its own, which can read no other files of the server's"},
}

// Differences lists what a configuration of the Python mdserver means here and did
// not mean there, in order of weight.
func Differences(c *config.Config) []config.Warning {
	var list []config.Warning
	for _, d := range differences {
		s, set := setting(c, d.key)
		if set == d.unset || d.applies != nil && !d.applies(c) {
			continue
		}
		list = append(list, config.Warning{File: s.File, Line: s.Line, Key: d.key, Text: d.text, Level: slog.LevelWarn})
	}
	return append(list, outside(c)...)
}

// setting finds out whether a file sets a key, and where.
func setting(c *config.Config, key string) (s config.Setting, set bool) {
	s, err := c.Get(key)
	return s, err == nil && s.File != ""
}

// outside reports paths that the server's unit cannot access.
func outside(c *config.Config) []config.Warning {
	var list []config.Warning
	for _, p := range []struct {
		key, path string
		write     bool
	}{
		{"mdserver.logfile", c.Server.LogFile, true}, {"dnsmasq.base_dir", c.Dnsmasq.BaseDir, true}, {"dnsmasq.run_dir", c.Dnsmasq.RunDir, true},
		{"mdserver.userdata_dir", c.Server.UserdataDir, false}, {"mdserver.default_template", c.Server.DefaultTemplate, false}, {"mdserver.db_file", c.Server.DBFile, false},
	} {
		s, set := setting(c, p.key)
		if !set || p.path == "" {
			continue
		}
		text := ""
		switch {
		case p.write && !below(p.path, "/var/lib/mdserver", "/run/mdserver", "/var/run/mdserver", "/var/log"):
			text = "is where the server's unit may not write; allow it by `systemctl edit mdserver`: ReadWritePaths=" + filepath.Dir(p.path) + " under [Service]"
		case below(p.path, "/home", "/root", "/run/user"):
			text = "is where the server's unit does not look; allow it by `systemctl edit mdserver`: ProtectHome=read-only under [Service]"
		default:
			continue
		}
		list = append(list, config.Warning{File: s.File, Line: s.Line, Key: p.key, Text: text, Level: slog.LevelWarn})
	}
	return list
}

func below(path string, dirs ...string) bool {
	for _, dir := range dirs {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			return true
		}
	}
	return false
}
