package doctor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is one that runs on this host.
type process struct {
	pid  int
	name string
}

// String names a process for a person.
func (p process) String() string {
	return fmt.Sprintf("%s (process %d)", p.name, p.pid)
}

// stop is the command that ends it: by its unit, if it has one.
func (p process) stop() string {
	if service := p.service(); service != "" {
		return command("systemctl disable --now %s", service)
	}
	return command("kill %s", p.pid)
}

// service is the systemd unit that a process belongs to, or empty.
func (p process) service() string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.pid))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		name := filepath.Base(strings.TrimSpace(line))
		if strings.HasSuffix(name, ".service") {
			return name
		}
	}
	return ""
}

// arguments is its command line.
func (p process) arguments() []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
}

// neighbours are the processes in this process's network namespace, as far as
// they can be seen: others do not get into its way.
func neighbours() []process {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil || ns != own {
			continue
		}
		all = append(all, process{pid, commandName(pid)})
	}
	return all
}

func commandName(pid int) string {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "?"
	}
	return string(bytes.TrimSpace(comm))
}

// holders finds who has each of the sockets, by their inodes.
func holders(inodes map[uint32]bool) map[uint32]process {
	found := map[uint32]process{}
	for _, p := range neighbours() {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.pid))
		for _, link := range links {
			target, err := os.Readlink(link)
			if err != nil {
				continue
			}
			var inode uint32
			if _, err := fmt.Sscanf(target, "socket:[%d]", &inode); err == nil && inodes[inode] {
				found[inode] = p
			}
		}
	}
	return found
}

// clockTicks is USER_HZ, in which /proc counts; Linux has had no other.
const clockTicks = 100

// started tells when a process began.
func (p process) started() (time.Time, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return time.Time{}, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // the name may hold anything
	if len(fields) < 20 {
		return time.Time{}, fmt.Errorf("/proc/%d/stat: too few fields", p.pid)
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("/proc/%d/stat: %w", p.pid, err)
	}
	var sinceBoot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &sinceBoot); err != nil {
		return time.Time{}, err
	}
	age := time.Duration(sinceBoot.Nano()) - time.Duration(ticks)*(time.Second/clockTicks)
	return time.Now().Add(-age), nil
}
