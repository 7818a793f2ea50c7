package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a program that the lab started and must end.
type Process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid once done is closed
}

// Start runs a command in the namespace in the background. Its output is
// appended to log/NAME.log below the lab's directory. The lab's Close ends it.
func (n *Namespace) Start(name string, env []string, command string, args ...string) (*Process, error) {
	logDir := n.lab.Path("log")
	if err := os.MkdirAll(logDir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(logDir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// The process outlives the context of the call that starts it.
	cmd := n.Command(context.Background(), command, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &Process{name: name, cmd: cmd, done: make(chan struct{})}
	go func() { // ends with the process, which Stop and Close wait for
		p.err = cmd.Wait()
		close(p.done)
	}()
	n.lab.onClose(func(context.Context) error {
		p.Stop(5 * time.Second)
		return nil
	})
	return p, nil
}

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Alive tells whether the process still runs.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %v to %s: %w", sig, p.name, err)
	}
	return nil
}

// Kill ends the process with SIGKILL and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Stop ends the process with SIGTERM, and with SIGKILL if it does not obey in
// time. It returns an error if that was needed or if the process failed.
func (p *Process) Stop(grace time.Duration) error {
	if p.Alive() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM", p.name, grace)
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", p.name, p.err)
	}
	return nil
}

// Children returns the numbers of the process's direct children whose command
// has this name.
func (p *Process) Children(command string) ([]int, error) {
	procs, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, file := range procs {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		text := string(stat)
		open, shut := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
		if open < 0 || shut < open {
			return nil, errors.New(file + ": no command in brackets")
		}
		after := strings.Fields(text[shut+1:])
		if text[open+1:shut] != command || len(after) < 2 || after[0] == "Z" {
			continue
		}
		if ppid, _ := strconv.Atoi(after[1]); ppid != p.Pid() {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(text[:open]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
