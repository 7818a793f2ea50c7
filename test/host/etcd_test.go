//go:build host

package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/internal/memorytest"
)

// member is a host of the guide to etcd: namespaces with directories of their own.
type member struct {
	t             *testing.T
	name, address string
	dir           string // of what the host has changed
	pid           int    // of the process that holds the namespaces
}

// memberSetup makes the directories private that the guide writes to. systemctl is a
// stand-in for systemd, which does not run here: it starts etcd as Debian's unit does.
const memberSetup = `set -e
cd "$1"
mkdir -p etc.u etc.w lib.u lib.w backups bin
mount -t overlay overlay -o lowerdir=/etc,upperdir=etc.u,workdir=etc.w /etc
mount -t overlay overlay -o lowerdir=/var/lib,upperdir=lib.u,workdir=lib.w /var/lib
mount --bind backups /var/backups
mkdir -p /etc/etcd /var/lib/etcd
chown etcd: /var/lib/etcd
cat >bin/systemctl <<'END'
#!/bin/bash
dir=${0%/bin/*}
stop() { [ ! -e "$dir/pid" ] || { kill "$(cat "$dir/pid")"; tail -s 0.05 --pid="$(cat "$dir/pid")" -f /dev/null; rm "$dir/pid"; }; }
start() {
	set -a; . /etc/default/etcd; set +a
	setsid setpriv --reuid=etcd --regid=etcd --clear-groups etcd >>"$dir/log" 2>&1 </dev/null &
	echo $! >"$dir/pid"
}
case $1 in start) start ;; stop) stop ;; restart) stop; start ;; *) exit 1 ;; esac
END
chmod 755 bin/systemctl
touch ready
exec sleep infinity
`

// newMembers makes three hosts on a bridge, which is in a namespace of its own.
func newMembers(t *testing.T) []*member {
	t.Helper()
	dir := memorytest.Dir(t)
	if err := os.Chmod(dir, 0o755); err != nil { // etcd has another user
		t.Fatal(err)
	}
	hub := &member{t: t, dir: dir}
	hub.hold("--net", "sleep", "infinity")
	hub.inNet("ip link add name hub type bridge && ip link set hub up")
	var list []*member
	for i := 1; i <= 3; i++ {
		m := &member{t: t, name: fmt.Sprintf("etcd%d", i), address: fmt.Sprintf("192.0.2.%d", i)}
		m.dir = filepath.Join(dir, m.name)
		if err := os.Mkdir(m.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		m.hold("--net", "--mount", "--propagation", "private", "bash", "-c", memberSetup, "bash", m.dir)
		hub.inNet(fmt.Sprintf("ip link add v%d master hub type veth peer name eth0 netns %d && ip link set v%d up", i, m.pid, i))
		m.inNet("ip link set lo up && ip link set eth0 up && ip address add " + m.address + "/24 dev eth0")
		m.wait("[ -e " + m.dir + "/ready ]")
		list = append(list, m)
	}
	return list
}

// hold starts the process that holds a member's namespaces until the test ends.
// All processes in the mount namespace end before.
func (m *member) hold(args ...string) {
	m.t.Helper()
	cmd := exec.Command("unshare", args...)
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.pid = cmd.Process.Pid
	m.t.Cleanup(func() {
		if m.name != "" {
			m.run("systemctl stop")
			if log, err := os.ReadFile(m.dir + "/log"); err == nil && m.t.Failed() {
				m.t.Logf("%s:\n%s", m.name, log[max(0, len(log)-3000):])
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	m.wait(fmt.Sprintf("! [ /proc/%d/ns/net -ef /proc/self/ns/net ]", m.pid))
}

func (m *member) wait(condition string) {
	m.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); exec.Command("bash", "-c", condition).Run() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: never: %s", m.name, condition)
		}
	}
}

func (m *member) inNet(script string) {
	m.t.Helper()
	if out, err := exec.Command("nsenter", "-n", "-t", fmt.Sprint(m.pid), "bash", "-ec", script).CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// run runs a script on the host and returns its output.
func (m *member) run(script string) (string, error) {
	cmd := exec.CommandContext(suite.ctx, "nsenter", "-n", "-m", "-t", fmt.Sprint(m.pid), "bash", "-ec", script)
	cmd.Env = []string{"HOME=" + m.dir, "PATH=" + m.dir + "/bin:" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (m *member) must(script string) string {
	m.t.Helper()
	out, err := m.run(script)
	if err != nil {
		m.t.Fatalf("%s: %s\n%v: %s", m.name, script, err, out)
	}
	return out
}

// eventually repeats a script that may have to wait for the other members.
func (m *member) eventually(script string) string {
	m.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(300 * time.Millisecond) {
		out, err := m.run(script)
		if err == nil {
			return out
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: %s\n%v: %s", m.name, script, err, out)
		}
	}
}

// guide returns a block of the guide for this host: its first line names the
// first member.
func (m *member) guide(place string) string {
	m.t.Helper()
	text := readBlock(m.t, "docs/howto/fleet.md#"+place)
	return strings.Replace(text, "name=etcd1 address=192.0.2.1", "name="+m.name+" address="+m.address, 1)
}

const (
	asRoot = ". /etc/etcd/root.env; "
	asUser = asRoot + "export ETCDCTL_CERT=/etc/etcd/mdserver.pem ETCDCTL_KEY=/etc/etcd/mdserver-key.pem; "
)

// TestEtcdGuide sets up three members as docs/howto/fleet.md says, loses data and
// members, and gets everything back.
func TestEtcdGuide(t *testing.T) {
	members := newMembers(t)
	first, third := members[0], members[2]
	authority := first.dir + "/etcd-ca"
	first.must(first.guide("Make certificates#1"))
	for _, m := range members {
		m.must(fmt.Sprintf("cd %s; cp ca.pem root.pem root-key.pem mdserver.pem mdserver-key.pem /etc/etcd; cp %s.pem /etc/etcd/member.pem; cp %s-key.pem /etc/etcd/member-key.pem", authority, m.name, m.name))
		m.must(m.guide("Start the members#1"))
	}
	first.eventually(first.guide("Start the members#2"))
	first.must(first.guide("Create the user#1"))
	third.must(asUser + "etcdctl put /mdserver/key before")
	for _, denied := range []string{asUser + "etcdctl put /other/key x", asUser + "etcdctl user list", asRoot + "unset ETCDCTL_CERT ETCDCTL_KEY; etcdctl --command-timeout 1s get /mdserver/key"} {
		if out, err := third.run(denied); err == nil {
			t.Errorf("%s is allowed: %s", denied, out)
		}
	}

	first.must(first.guide("Back up etcd#1"))
	third.must(asUser + "etcdctl put /mdserver/key after")
	for _, m := range members {
		m.must("systemctl stop")
		if m != first {
			m.must("cp " + first.dir + "/backups/etcd.snapshot /var/backups")
		}
	}
	for _, m := range members {
		m.must(m.guide("Restore etcd#1"))
	}
	if out := first.eventually(asUser + "etcdctl get /mdserver/key --print-value-only"); out != "before\n" {
		t.Errorf("restored: %q", out)
	}

	third.eventually(asUser + "etcdctl put /mdserver/key more")
	third.must("systemctl stop; rm -rf /var/lib/etcd/mdserver")
	first.must(first.guide("Replace a member#1"))
	third.must(third.guide("Replace a member#2"))
	third.eventually(asUser + "ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 etcdctl get /mdserver/key --print-value-only | grep -q more")

	for _, m := range members[1:] {
		m.must("systemctl stop; rm -rf /var/lib/etcd/mdserver")
	}
	if out, err := first.run(asUser + "etcdctl --command-timeout 2s put /mdserver/key lost"); err == nil {
		t.Errorf("a change without a majority: %s", out)
	}
	first.must(first.guide("Recover from the loss of the majority#1"))
	out := first.eventually(asUser + "ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 etcdctl get /mdserver/key --print-value-only")
	if out != "more\n" {
		t.Errorf("after the loss of the majority: %q", out)
	}
	first.eventually(asRoot + "ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 etcdctl member list | [ $(wc -l) = 1 ]")
}
