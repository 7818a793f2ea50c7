//go:build host

package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mdserver/test/lab"
)

const (
	bootTime = 2 * time.Minute
	// restarted is systemd-nspawn's exit status when the host reboots.
	restarted = 133
)

// host is a Debian host that runs.
type host struct {
	t    *testing.T
	name string
	root string // the root that scripts/build-host made
	work string // what the host changed, and its logs
	web  *web

	nspawn *exec.Cmd
	init   int // the host's process 1, as this machine numbers it
}

// newHost boots a fresh host with a release of Debian. It is gone at the end of
// the test, which runs beside one other: hosts wait much of their time.
func newHost(t *testing.T, debian string) *host {
	t.Helper()
	t.Parallel()
	h := &host{t: t, root: built(t, debian)}
	h.name = fmt.Sprintf(namePrefix+"%s-%d", strings.ToLower(t.Name()), os.Getpid())
	h.work = filepath.Join(os.TempDir(), h.name)
	h.web = newWeb(t)
	h.layOut()
	t.Cleanup(h.close)
	h.boot()
	h.must("root", "update-ca-certificates")
	return h
}

// layOut writes what a host of the test has and a fresh Debian has not: the
// sources in alice's home directory, and names for the servers that the
// documentation's blocks ask.
func (h *host) layOut() {
	h.t.Helper()
	h.write("/etc/hostname", "virthost\n")
	h.write("/etc/resolv.conf", "")
	h.write("/usr/local/share/ca-certificates/test.crt", string(h.web.certificate))
	h.write("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 virthost\n"+webAddress+" "+strings.Join(webNames, " ")+"\n")
	home := filepath.Join(h.work, "upper/home/alice")
	if err := os.MkdirAll(filepath.Join(home, ".cache/go-build"), 0o755); err != nil {
		h.t.Fatal(err)
	}
	const script = `cd "$1" && git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$2" && chown -R 1000:1000 "$3"`
	if out, err := exec.CommandContext(suite.ctx, "sh", "-c", "mkdir -p \"$2\" && "+script, "sh", "../..", filepath.Join(home, "mdserver"), home).CombinedOutput(); err != nil {
		h.t.Fatalf("copying the sources: %v\n%s", err, out)
	}
}

// write makes a file before the host's first boot.
func (h *host) write(path, text string) {
	h.t.Helper()
	file := filepath.Join(h.work, "upper", path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// boot starts the host and waits until systemd has started all units.
func (h *host) boot() {
	h.t.Helper()
	began := time.Now()
	h.start()
	if err := lab.Poll(suite.ctx, bootTime, h.running); err != nil {
		h.t.Fatalf("the host did not boot: %v\nMDSERVER_SKIP_HOST=1 skips the tests of whole hosts, where systemd-nspawn cannot run\n%s", err, h.console())
	}
	h.web.serve(h.t, h.init)
	h.t.Logf("the host was up after %s", time.Since(began).Round(time.Second))
}

func (h *host) start() {
	h.t.Helper()
	console, err := os.OpenFile(filepath.Join(h.work, "console.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		h.t.Fatal(err)
	}
	defer console.Close()
	h.nspawn = h.script(suite.ctx, "boot", h.root, h.work, "--bind="+h.web.goCache+":/home/alice/.cache/go-build")
	h.nspawn.Stdout, h.nspawn.Stderr = console, console
	if err := h.nspawn.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.init = 0
}

// script prepares boot.sh. All that it starts ends with this program.
func (h *host) script(ctx context.Context, task string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "boot.sh", task, h.name}, args...)...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	return cmd
}

// running is nil once the host has booted.
func (h *host) running(ctx context.Context) error {
	if h.init == 0 {
		nspawn, err := firstIn(h.nspawn.Process.Pid) // the child of unshare
		if err != nil {
			return err
		}
		pid, err := firstIn(nspawn)
		if err != nil {
			return err
		}
		h.init = pid
	}
	out, err := h.run(ctx, "root", "systemctl is-system-running", "")
	if state := strings.TrimSpace(out); state == "degraded" {
		failed, _ := h.run(ctx, "root", "systemctl --failed --plain --no-legend", "")
		return fmt.Errorf("failed units: %s", failed)
	}
	return err
}

// firstIn returns the child of a process that is process 1 in a namespace.
func firstIn(parent int) (int, error) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", parent))
	if err != nil {
		return 0, err
	}
	for _, child := range strings.Fields(string(children)) {
		status, err := os.ReadFile("/proc/" + child + "/status")
		if err != nil {
			continue // it ended meanwhile
		}
		for line := range strings.Lines(string(status)) {
			if ids := strings.Fields(line); len(ids) > 2 && ids[0] == "NSpid:" && ids[len(ids)-1] == "1" {
				return strconv.Atoi(child)
			}
		}
	}
	return 0, errors.New("systemd has not started yet")
}

// reboot restarts the host from within.
func (h *host) reboot() {
	h.t.Helper()
	_, _ = h.run(suite.ctx, "root", "systemctl reboot", "") // ends with the host
	var exit *exec.ExitError
	if err := h.nspawn.Wait(); !errors.As(err, &exit) || exit.ExitCode() != restarted {
		h.t.Fatalf("the host did not reboot: %v\n%s", err, h.console())
	}
	h.web.stop()
	h.boot()
}

// run runs a shell script as a user of the host with that user's environment,
// and returns all that it printed. It stops at the first command that fails.
func (h *host) run(ctx context.Context, user, script, stdin string) (string, error) {
	cmd := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(h.init), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
		"env", "-i", "TERM=dumb", "LANG=C.UTF-8", "su", "-", user, "-c", `exec bash -eo pipefail -c "$0"`, "--", script)
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &out
	cmd.WaitDelay = 5 * time.Second // for what a script leaves in the background
	err := cmd.Run()
	return out.String(), err
}

// block runs a block of the documentation that must succeed, in alice's copy of
// the sources. What it starts last, such as a shell in a guest, reads the input.
func (h *host) block(place, user string, input ...string) string {
	h.t.Helper()
	began := time.Now()
	text := readBlock(h.t, place)
	out, err := h.run(suite.ctx, user, "cd ~alice/mdserver\n"+text, strings.Join(append(input, ""), "\n"))
	if err != nil {
		h.t.Fatalf("%s: %v\n%s\n\n%s", place, err, text, out)
	}
	h.t.Logf("%s: %s\n%s", place, time.Since(began).Round(time.Second), out)
	return out
}

// must runs a script that must succeed.
func (h *host) must(user, script string) string {
	h.t.Helper()
	out, err := h.run(suite.ctx, user, script, "")
	if err != nil {
		h.t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return out
}

// console returns the last of what the host wrote while it booted.
func (h *host) console() string {
	const most = 4000
	text, _ := os.ReadFile(filepath.Join(h.work, "console.log"))
	return string(text[max(0, len(text)-most):])
}

// close ends the host, and with its process 1 all others in it.
func (h *host) close() {
	if h.t.Failed() && h.init != 0 {
		out, _ := h.run(context.Background(), "root", "journalctl --boot --no-pager --lines 150; ls -l /home/alice; tail -n 20 /var/log/libvirt/qemu/*.log || true", "")
		h.t.Log(out)
	}
	h.web.stop()
	if h.nspawn != nil && h.nspawn.Process != nil {
		_ = h.nspawn.Process.Kill()
		_ = h.nspawn.Wait()
	}
	// The last processes may still be on their way out.
	err := lab.Poll(context.Background(), 20*time.Second, func(ctx context.Context) error {
		out, err := h.script(ctx, "clear").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
	if err != nil {
		h.t.Error("clearing the host away:", err)
	}
	if err := os.RemoveAll(h.work); err != nil {
		h.t.Error("clearing the host away:", err)
	}
}
