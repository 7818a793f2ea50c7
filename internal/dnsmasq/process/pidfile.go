package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"mdserver/internal/dnsmasq/files"
)

// writePIDFile names the child for administrators. dnsmasq may not write where
// the control socket is.
func (c *Child) writePIDFile(pid int) {
	_ = os.Remove(c.host.PIDFile()) // an earlier version's dnsmasq may have made it
	if err := os.WriteFile(c.host.PIDFile(), fmt.Appendln(nil, pid), files.Mode); err != nil {
		c.log.Warn("dnsmasq's pid-file cannot be written", "error", err)
	}
}

// dropPIDFile removes the pid-file if it names the child.
func (c *Child) dropPIDFile(pid int) {
	text, err := os.ReadFile(c.host.PIDFile())
	if err == nil && strings.TrimSpace(string(text)) == fmt.Sprint(pid) {
		_ = os.Remove(c.host.PIDFile()) // a stale one is recognised anyway
	}
}

// fromPIDFile finds the dnsmasq that an administrator or a unit runs with our
// configuration. It returns nil if there is none.
func (h host) fromPIDFile() *found {
	for _, file := range []string{h.ExternalPIDFile(), h.PIDFile()} {
		if p := h.fromFile(file); p != nil {
			return p
		}
	}
	return nil
}

func (h host) fromFile(file string) *found {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return nil
	}
	p, err := find(pid)
	if err != nil {
		return nil
	}
	if !p.mayServe(h.ConfigFile()) || p.ours(h.ConfigFile()) {
		p.release()
		return nil
	}
	return p
}
