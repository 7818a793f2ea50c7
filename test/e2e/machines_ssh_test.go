//go:build e2e

package e2e

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"mdserver/test/lab"
)

// certified has guests report, and certifies their host keys.
func certified(_ *lab.Lab, c lab.Config) {
	c.Set("mdserver", "report", "yes").Set("ssh", "host_ca", "yes")
}

// strictSSH connects to the machine as a client that trusts what is in a file, and asks
// no question.
func (v *vm) strictSSH(ctx context.Context, trusted string, options ...string) (string, error) {
	args := append([]string{"-F", "none", "-i", v.key, "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + trusted, "-o", "GlobalKnownHostsFile=none"}, options...)
	return v.Host.Output(ctx, "ssh", append(args, "debian@"+v.guest.IPv4.String(), "hostname")...)
}

// trusted has what a command prints in a file.
func (v *vm) trusted(name string, args ...string) string {
	v.t.Helper()
	file, err := v.WriteFile(name, command(v.t, v.server, args...))
	if err != nil {
		v.t.Fatal(err)
	}
	return file
}

// isKnown checks that ssh knows the machine by its certificate alone, and by its keys
// alone. It returns the file with the keys.
func (v *vm) isKnown(keys string) string {
	v.t.Helper()
	command(v.t, v.server, "wait", "web1", "--timeout", "5m")
	keys = v.trusted(keys, "known-hosts", "web1")
	for _, file := range []string{v.trusted("authority", "ssh", "ca"), keys} {
		err := lab.Poll(suite.ctx, 2*time.Minute, func(ctx context.Context) error {
			out, err := v.strictSSH(ctx, file)
			if err == nil {
				equal(v.t, "the host name by ssh", strings.TrimSpace(out), "web1")
			}
			return err // an emulated sshd may take long to read its configuration again
		})
		if err != nil {
			v.t.Fatal(err)
		}
	}
	return keys
}

// isMadeAnew removes the machine and makes another one of its name. ssh knows that one as
// it knew the first one, and a client that trusts the keys of the first one refuses it.
func (v *vm) isMadeAnew(former string) {
	v.t.Helper()
	v.virsh("destroy", "web1")
	v.virsh("undefine", "web1")
	command(v.t, v.server, "wait", "web1", "--for", "gone", "--timeout", "1m")
	again := v.define(lab.Machine{Name: "web1", UUID: uuid.New(), MAC: v.MAC}, "--as", "nocloud")
	bootMachines(v.t, again)
	again.isKnown("keys2")
	if out, err := again.strictSSH(suite.ctx, former, "-o", "HostKeyAlias=web1"); err == nil || !strings.Contains(err.Error(), "Host key verification failed") {
		v.t.Errorf("a machine with other keys: %q, %v", out, err)
	}
}
