//go:build e2e

package e2e

import (
	"context"
	"strings"
	"time"

	"mdserver/test/lab"
)

// certified has guests report, and certifies their host keys.
func certified(_ *lab.Lab, c lab.Config) {
	c.Set("mdserver", "report", "yes").Set("ssh", "host_ca", "yes")
}

// strictSSH connects to the machine as a client that trusts nothing but the
// certificates, and asks no question.
func (v *vm) strictSSH(ctx context.Context) (string, error) {
	trusted, err := v.WriteFile("trusted", command(v.t, v.server, "ssh", "ca"))
	if err != nil {
		v.t.Fatal(err)
	}
	return v.Host.Output(ctx, "ssh", "-F", "none", "-i", v.key, "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile="+trusted, "-o", "GlobalKnownHostsFile=none",
		"debian@"+v.guest.IPv4.String(), "hostname")
}

// isCertified checks that ssh knows the machine by its certificate alone.
func (v *vm) isCertified() {
	v.t.Helper()
	command(v.t, v.server, "wait", "web1", "--timeout", "5m")
	err := lab.Poll(suite.ctx, 2*time.Minute, func(ctx context.Context) error {
		out, err := v.strictSSH(ctx)
		if err == nil {
			equal(v.t, "the host name by ssh", strings.TrimSpace(out), "web1")
		}
		return err // an emulated sshd may take long to read its configuration again
	})
	if err != nil {
		v.t.Fatal(err)
	}
}
