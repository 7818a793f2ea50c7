//go:build e2e

package e2e

import (
	"context"
	"strings"

	"mdserver/test/lab"
)

// certified has guests report, and certifies their host keys.
func certified(_ *lab.Lab, c lab.Config) {
	c.Set("mdserver", "report", "yes").Set("ssh", "host_ca", "yes")
}

// strictSSH connects to the machine as a client that trusts nothing but the
// certificates, and asks no question.
func (v *vm) strictSSH(ctx context.Context, options ...string) (string, error) {
	trusted, err := v.WriteFile("trusted", command(v.t, v.server, "ssh", "ca"))
	if err != nil {
		v.t.Fatal(err)
	}
	args := append([]string{"-F", "none", "-i", v.key, "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + trusted, "-o", "GlobalKnownHostsFile=none"}, options...)
	return v.Host.Output(ctx, "ssh", append(args, "debian@"+v.guest.IPv4.String(), "hostname")...)
}

// isCertified checks that ssh knows the machine at the first try, also with new host
// keys under a new instance-id, as those of a machine that was made again under the
// same name are. It does not know an impostor at the machine's address.
func (v *vm) isCertified() {
	t := v.t
	t.Helper()
	command(t, v.server, "wait", "web1", "--timeout", "5m")
	out, err := v.strictSSH(suite.ctx)
	if err != nil {
		t.Fatal("the first connection: ", err)
	}
	equal(t, "the host name by the first connection", strings.TrimSpace(out), "web1")
	before := v.says("cat /etc/ssh/ssh_host_ed25519_key.pub")

	command(t, v.server, "instance", "reprovision", "web1")
	if out, _ := v.server.Run(suite.ctx, nil, "known-hosts", "web1"); strings.Contains(out, "ssh-ed25519") {
		t.Errorf("the former machine's keys are known still:\n%s", out)
	}
	v.root("rm /etc/ssh/ssh_host_*", "ssh-keygen -A", "systemctl restart ssh")
	if out, err := v.strictSSH(suite.ctx); err == nil || !strings.Contains(err.Error(), "Host key verification failed") {
		t.Errorf("ssh accepts a machine that has not reported its keys: %v %s", err, out)
	}
	v.root("systemctl start mdserver-host-keys.service")
	eventually(t, "ssh accepts the machine with its new keys", func(ctx context.Context) error {
		_, err := v.strictSSH(ctx)
		return err
	})
	if after := v.says("cat /etc/ssh/ssh_host_ed25519_key.pub"); after == before {
		t.Error("the machine has its former host key")
	}

	v.root("ssh-keygen -q -t ed25519 -N '' -f /root/impostor", "/usr/sbin/sshd -f /dev/null -o Port=2222 -o HostKey=/root/impostor -o PidFile=none")
	if out, err := v.strictSSH(suite.ctx, "-p", "2222"); err == nil || !strings.Contains(err.Error(), "Host key verification failed") {
		t.Errorf("ssh accepts an impostor: %v %s", err, out)
	}
}
