package dnsmasq

import (
	"os"
	"path/filepath"
)

// host is dnsmasq on this host: its settings, and what the host says of them.
type host struct {
	Settings
	account  *account // of User; nil if there is none
	linesErr error    // why ConfFile cannot be read
}

// newHost completes settings by what this host has.
func newHost(s Settings) host {
	h := host{Settings: s.complete(), account: lookup(s.User)}
	h.BaseDir, h.RunDir = absolute(h.BaseDir), absolute(h.RunDir)
	h.RunsAs, h.RunsAsGroup = h.runsAs()
	h.Lines, h.linesErr = readFurther(h.ConfFile)
	return h
}

// runsAs is the user and group to name in the configuration. dnsmasq becomes
// them when it is started as root. It insists that they exist even when it
// cannot become another user: an unprivileged child without a user of its own
// is told the server's.
func (h host) runsAs() (user, group string) {
	switch {
	case h.account != nil:
		return h.account.name, h.account.group
	case h.Mode == Child && os.Geteuid() != 0:
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
