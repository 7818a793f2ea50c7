package dnsmasq

import (
	"os"
	"path/filepath"

	"mdserver/internal/dnsmasq/content"
)

// host is dnsmasq on this host: its settings, and what the host says of them.
type host struct {
	content.Settings
	account  *account // of User; nil if there is none
	linesErr error    // why ConfFile cannot be read
}

// newHost completes settings by what this host has.
func newHost(s content.Settings) host {
	h := host{Settings: s.Complete(), account: lookup(s.User)}
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
	case h.account != nil:
		return h.account.name, h.account.group
	case h.Mode == content.Child && os.Geteuid() != 0:
		if own := lookupID(os.Geteuid()); own != nil {
			return own.name, own.group
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
