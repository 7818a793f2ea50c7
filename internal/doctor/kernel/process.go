package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"mdserver/internal/boottime"
)

// Process is one that runs on this host. The PID is 0 if it cannot be seen.
type Process struct {
	PID     int
	Name    string
	Service string // the systemd unit that it belongs to, if any
	Args    []string
}

// String names a process for a person.
func (p Process) String() string { return fmt.Sprintf("%s (process %d)", p.Name, p.PID) }

// Process reads what is known of a process.
func (r Reader) Process(pid int) Process {
	return Process{PID: pid, Name: r.CommandName(pid), Service: r.service(pid), Args: r.arguments(pid)}
}

// procFile reads a file of a process; see proc(5).
func (r Reader) procFile(pid int, name string) ([]byte, error) {
	text, err := fs.ReadFile(r.Root, fmt.Sprintf("proc/%d/%s", pid, name))
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("/%s: %w", failed.Path, failed.Err)
	}
	return text, err
}

// CommandName is the name of a process, or "?".
func (r Reader) CommandName(pid int) string {
	comm, err := r.procFile(pid, "comm")
	if err != nil {
		return "?"
	}
	return string(bytes.TrimSpace(comm))
}

func (r Reader) service(pid int) string {
	text, err := r.procFile(pid, "cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		name := path.Base(strings.TrimSpace(line))
		if strings.HasSuffix(name, ".service") {
			return name
		}
	}
	return ""
}

func (r Reader) arguments(pid int) []string {
	text, err := r.procFile(pid, "cmdline")
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
}

// Neighbours are the processes in this process's network namespace, as far as
// they can be seen: others do not get into its way.
func (r Reader) Neighbours() []int {
	own, err := fs.ReadLink(r.Root, "proc/self/ns/net")
	if err != nil {
		return nil
	}
	entries, err := fs.ReadDir(r.Root, "proc")
	if err != nil {
		return nil
	}
	var all []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if ns, err := fs.ReadLink(r.Root, fmt.Sprintf("proc/%d/ns/net", pid)); err == nil && ns == own {
			all = append(all, pid)
		}
	}
	return all
}

// holders finds the processes that have each of the sockets, by their inodes.
func (r Reader) holders(inodes map[uint32]bool) map[uint32]int {
	found := map[uint32]int{}
	for _, pid := range r.Neighbours() {
		dir := fmt.Sprintf("proc/%d/fd", pid)
		descriptors, _ := fs.ReadDir(r.Root, dir) // of others only root can read them
		for _, fd := range descriptors {
			target, err := fs.ReadLink(r.Root, path.Join(dir, fd.Name()))
			if err != nil {
				continue
			}
			var inode uint32
			if _, err := fmt.Sscanf(target, "socket:[%d]", &inode); err == nil && inodes[inode] {
				found[inode] = pid
			}
		}
	}
	return found
}

// clockTicks is USER_HZ, in which /proc counts; Linux has had no other.
const clockTicks = 100

// Started returns when a process began.
func (r Reader) Started(pid int) (time.Time, error) {
	text, err := r.procFile(pid, "stat")
	if err != nil {
		return time.Time{}, err
	}
	ticks, err := startTicks(string(text))
	if err != nil {
		return time.Time{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return time.Now().Add(ticks*(time.Second/clockTicks) - boottime.Now()), nil
}

// startTicks reads the start in /proc/PID/stat, in ticks since the host's boot.
func startTicks(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // the name may have spaces
	const start = 19
	if len(fields) <= start {
		return 0, fmt.Errorf("too few fields")
	}
	ticks, err := strconv.ParseInt(fields[start], 10, 64)
	return time.Duration(ticks), err
}
