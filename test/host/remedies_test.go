//go:build host

package host

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/internal/doctor"
	"mdserver/internal/doctor/finding"
	"mdserver/test/lab"
	"mdserver/test/remedies"
)

// ward is a host with mdserver, on which doctor is asked.
type ward struct {
	*host
	remedies *remedies.Exercised
}

// examine is what doctor finds, but for what is well.
func (w *ward) examine(ctx context.Context) ([]finding.Finding, error) {
	out, err := w.run(ctx, "root", "mdserver doctor --json || true", "")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var report doctor.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return slices.DeleteFunc(report.Findings, func(f finding.Finding) bool { return f.State != finding.Wrong && f.State != finding.Warning }), nil
}

// sees waits until doctor finds something with these words.
func (w *ward) sees(words ...string) finding.Finding {
	w.t.Helper()
	var found finding.Finding
	w.eventually(func(all []finding.Finding) bool {
		i := slices.IndexFunc(all, func(f finding.Finding) bool { return has(f, words) })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	}, "doctor does not find %q", words)
	return found
}

// gone waits until doctor finds nothing with these words.
func (w *ward) gone(words ...string) {
	w.t.Helper()
	w.eventually(func(all []finding.Finding) bool {
		return !slices.ContainsFunc(all, func(f finding.Finding) bool { return has(f, words) })
	}, "doctor still finds %q", words)
}

func has(f finding.Finding, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(f.Text, word) })
}

func (w *ward) eventually(good func([]finding.Finding) bool, format string, args ...any) {
	w.t.Helper()
	err := lab.Poll(suite.ctx, 45*time.Second, func(ctx context.Context) error {
		all, err := w.examine(ctx)
		if err == nil && !good(all) {
			err = fmt.Errorf(format+" in %+v", append(args, all)...)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// cure makes a fault, types the commands that doctor names for it, and sees
// that doctor finds it no more. undo, if any, is what the advice has one do.
func (w *ward) cure(fault, undo string, words ...string) {
	w.t.Helper()
	w.t.Logf("%s: %q", fault, words)
	w.must("root", fault)
	f := w.sees(words...)
	if undo != "" {
		w.must("root", undo)
	}
	w.remedies.Run(w.t, f, func(command string) { w.must("root", command) })
	w.gone(words...)
}

const (
	dropInFile = "/etc/mdserver/mdserver.conf.d/90-fault.conf"
	removeIt   = "rm " + dropInFile
	hookFile   = "/etc/libvirt/hooks/qemu.d/mdserver"
	stopAll    = "systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd.service && rm -f /run/libvirt/libvirt-sock"
)

// set is the command that writes lines into a file of the configuration.
func set(lines ...string) string {
	return "install -m 640 -g mdserver /dev/stdin " + dropInFile + " <<'END'\n" + strings.Join(lines, "\n") + "\nEND"
}

// service is the command that starts a service, which is written for it.
func service(name, command string) string {
	return "cat >/etc/systemd/system/" + name + ".service <<'END'\n[Service]\nExecStart=" + command +
		"\n[Install]\nWantedBy=multi-user.target\nEND\nsystemctl daemon-reload && systemctl enable --now " + name + " && sleep 1"
}

// Each remedy that needs systemd, a user of mdserver's own or an installed
// mdserver is run as doctor prints it.
func TestRemediesOnHost(t *testing.T) {
	r := remedies.Covers(t)
	w := &ward{newHost(t, "bookworm"), r}
	w.must("alice", readBlock(t, "README.md#First guest#1"))
	w.bring(sources, "/root/mdserver")
	w.must("root", "./mdserver install --start --network mds || true")
	w.gone("does not run")
	w.resolved()

	w.cure("systemctl disable --now mdserver", "", "the unit mdserver.service is inactive")
	w.cure("kill -STOP $(systemctl show --property MainPID --value mdserver)", "", "the unit mdserver.service is active")
	w.cure("kill -STOP $(systemctl show --property MainPID --value mdserver)", "", "it runs, but does not answer")
	w.cure(set("[mdserver]", "port = 8080"), "", "does not listen on 169.254.169.254:8080")
	w.cure(removeIt, "", "does not listen on 169.254.169.254:80")

	const dnsmasq = "/usr/sbin/dnsmasq --no-daemon --user=root --pid-file= "
	w.cure("systemctl stop mdserver && "+service("thief", dnsmasq+"--conf-file=/dev/null --port=80"), "", "169.254.169.254:80 is used by dnsmasq")
	w.cure(service("squatter", `/usr/bin/perl -MSocket -e 'socket(S,PF_INET,SOCK_DGRAM,0);bind(S,sockaddr_in(53,inet_aton("10.122.0.1")))||die;sleep 600'`),
		"", "perl", "uses udp 10.122.0.1:53")
	w.cure("mkdir -p /etc/dnsmasq.d && "+service("other", dnsmasq+"--conf-file=/dev/null --conf-dir=/etc/dnsmasq.d --dhcp-range=192.0.2.10,192.0.2.20 --dhcp-leasefile=/tmp/leases"),
		"", "dnsmasq", "runs without bind-dynamic")
	w.must("root", "systemctl start mdserver")
	w.gone("does not run")
	w.must("root", "systemctl disable --now other")

	w.cure(set("[dnsmasq]", "binary = /does/not/exist"), removeIt, "there is no dnsmasq at /does/not/exist")
	w.cure(set("[dnsmasq]", "interface = br-other"), removeIt, `network "mds" has the bridge br-mds, but the configuration says br-other`)
	w.cure(set("[dnsmasq]", "run = external")+"\nsystemctl restart mdserver", "", "no dnsmasq runs with the server's files")
	w.must("root", removeIt+" && systemctl disable --now mdserver-dnsmasq && systemctl restart mdserver")

	const undefine = "virsh net-destroy mds && virsh net-undefine mds"
	w.cure(undefine, "", `libvirt has no network "mds", and there is no bridge br-mds`)
	w.cure(undefine, "", `the bridge br-mds of the network "mds" does not exist`)

	w.cure("usermod --append --groups libvirt mdserver && systemctl restart mdserver", "", "the server is in the group libvirt")
	w.cure("systemctl stop mdserver && userdel mdserver-dnsmasq && systemctl start mdserver", "", `network "mds":`)

	w.cure("rm "+hookFile, "", "libvirt has no hook")
	w.cure("chmod 644 "+hookFile, "", "is not executable")
	w.cure("sleep 2 && cp "+hookFile+" /tmp/hook && rm "+hookFile+" && install -m 755 /tmp/hook "+hookFile, "", "looks for hooks only when it starts or reloads")

	w.cure(stopAll, "", "its socket is missing")
	w.cure(stopAll+` && perl -MSocket -e 'socket(S,PF_UNIX,SOCK_STREAM,0);bind(S,sockaddr_un("/run/libvirt/libvirt-sock"))||die'`, "", "its daemon does not run")
	w.must("root", "systemctl start libvirtd.socket && virsh list")
	w.cure("kill -STOP $(systemctl show --property MainPID --value libvirtd)", "", "libvirt does not answer")

	w.must("root", "mdserver install --start --network default || true")
	const leave = "gpasswd --delete mdserver libvirt && systemctl restart mdserver"
	w.cure(leave, "", "may not use libvirt's socket")
	w.cure(leave+" && usermod --append --groups libvirt mdserver", "", "may not use libvirt's socket")
}
