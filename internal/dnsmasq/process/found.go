package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mdserver/internal/dnsmasq/content"
)

// found is a dnsmasq that is not our child, held by a pidfd where the
// kernel has them: the pid cannot come to mean another process.
type found struct {
	pid  int
	args []string
	os   *os.Process
}

// find returns the process with that pid if it is a dnsmasq.
func find(pid int) (*found, error) {
	handle, _ := os.FindProcess(pid) // which always succeeds on Unix
	p := &found{pid: pid, os: handle}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || strings.TrimSpace(string(comm)) != "dnsmasq" {
		p.release()
		return nil, fmt.Errorf("process %d is not a dnsmasq", pid)
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(cmdline) == 0 || !p.alive() {
		p.release()
		return nil, fmt.Errorf("process %d has ended", pid)
	}
	p.args = strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")
	return p, nil
}

func (p *found) alive() bool {
	return p.os.Signal(syscall.Signal(0)) != os.ErrProcessDone && !zombie(p.pid)
}

func (p *found) release() { _ = p.os.Release() }

// zombie reports whether the process has ended and its parent has not yet
// taken note.
func zombie(pid int) bool {
	_, state := parentAndState(pid)
	return state == 'Z' || state == 'X'
}

// parentAndState reads the fields 4 and 3 of /proc/<pid>/stat.
func parentAndState(pid int) (parent int, state byte) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 'X'
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, 'X'
	}
	parent, _ = strconv.Atoi(string(fields[1]))
	return parent, fields[0][0]
}

// confFiles are the configuration files named on the command line.
func (p *found) confFiles() []string {
	var files []string
	for i, arg := range p.args[1:] {
		switch {
		case strings.HasPrefix(arg, "--conf-file="):
			files = append(files, strings.TrimPrefix(arg, "--conf-file="))
		case strings.HasPrefix(arg, "-C") && len(arg) > 2:
			files = append(files, strings.TrimPrefix(arg[2:], "="))
		case (arg == "-C" || arg == "--conf-file") && i+2 < len(p.args):
			files = append(files, p.args[i+2])
		}
	}
	return files
}

// mayServe reports whether this dnsmasq can be the one that the pid-file
// meant: one that names another configuration file got the pid by chance.
func (p *found) mayServe(conf string) bool {
	files := p.confFiles()
	if len(files) == 0 {
		return true
	}
	return slices.ContainsFunc(files, func(file string) bool { return p.sameFile(file, conf) })
}

func (p *found) sameFile(file, conf string) bool {
	if !filepath.IsAbs(file) {
		cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", p.pid))
		if err != nil {
			return filepath.Base(file) == filepath.Base(conf)
		}
		file = filepath.Join(cwd, file)
	}
	a, _ := os.Stat(file)
	b, _ := os.Stat(conf)
	return filepath.Clean(file) == conf || os.SameFile(a, b)
}

// ours reports whether an mdserver started it, for this configuration.
func (p *found) ours(conf string) bool {
	return slices.Contains(p.args, content.ChildRecord) && p.mayServe(conf)
}

// stop ends the process by SIGTERM, and by SIGKILL if that does not.
func (p *found) stop(grace time.Duration) error {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := p.os.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stopping dnsmasq, process %d: %w", p.pid, err)
		}
		for end := time.Now().Add(grace); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if !p.alive() {
				return nil
			}
		}
	}
	return fmt.Errorf("dnsmasq, process %d, does not end", p.pid)
}

// orphans finds children of an mdserver that was killed. One whose mdserver
// lives is an error: two of them must not fight over one network.
func (h host) orphans() ([]*found, error) {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("looking for dnsmasq processes: %w", err)
	}
	var orphans []*found
	for _, proc := range procs {
		pid, err := strconv.Atoi(proc.Name())
		if err != nil {
			continue
		}
		p, err := find(pid)
		if err != nil {
			continue
		}
		if !p.ours(h.ConfigFile()) {
			p.release()
			continue
		}
		if parent, _ := parentAndState(pid); sameProgram(parent) && parent != os.Getpid() {
			p.release()
			return orphans, fmt.Errorf("dnsmasq, process %d, belongs to another mdserver that is running, process %d", pid, parent)
		}
		orphans = append(orphans, p)
	}
	return orphans, nil
}

// sameProgram reports whether the process runs the program that we are.
func sameProgram(pid int) bool {
	own, _ := os.Stat("/proc/self/exe")
	other, _ := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	return os.SameFile(own, other) // false if one of them cannot be read
}
