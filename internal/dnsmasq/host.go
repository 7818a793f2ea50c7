package dnsmasq

import (
	"os"
	"path/filepath"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/files"
)

// host is dnsmasq on this host: its settings, and what the host says of them.
type host struct {
	files.Place
	linesErr error // why ConfFile cannot be read
}

// newHost completes settings by what this host has.
func newHost(s content.Settings) host {
	h := host{Place: files.Place{Settings: s.Complete(), Account: files.Lookup(s.User)}}
	h.BaseDir, h.RunDir = absolute(h.BaseDir), absolute(h.RunDir)
	h.RunsAs, h.RunsAsGroup = h.runsAs()
	h.Lines, h.linesErr = readFurther(h.ConfFile)
	return h
}

// runsAs is the user and group to name in the configuration. dnsmasq becomes them
// when it is started as root. dnsmasq requires that they exist even if it cannot
// change its user. So an unprivileged child without a user of its own gets the
// name of its current user.
func (h host) runsAs() (user, group string) {
	switch {
	case h.Account != nil:
		return h.Account.Name, h.Account.Group
	case h.Mode == content.Child && os.Geteuid() != 0:
		if own := files.LookupID(os.Geteuid()); own != nil {
			return own.Name, own.Group
		}
	}
	return h.User, ""
}

// absolute makes a path independent of the working directory, which a dnsmasq
// that mdserver does not start may not share.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path // the working directory is gone
}
