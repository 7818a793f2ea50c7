package dnsmasq

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/instance"
)

const helperJob = "MDSERVER_TEST_HELPER"

func init() {
	if os.Getenv(helperJob) != "" {
		os.Exit(helper())
	}
}

func (l *lab) runDnsmasq(args ...string) *exec.Cmd {
	l.t.Helper()
	cmd := exec.Command("dnsmasq", args...)
	must(l.t, cmd.Start())
	l.t.Cleanup(func() { kill(cmd) })
	return cmd
}

// lives reports whether a process is a dnsmasq that has not ended.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), " (dnsmasq) ") && !strings.Contains(string(stat), " (dnsmasq) Z ")
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func (l *lab) eventually(what string, ok func() bool) {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	l.t.Fatalf("it never came true that %s", what)
}

type order struct {
	Settings content.Settings
	Guests   []instance.Instance
}

func helper() int {
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(helperJob)), &o); err != nil {
		return 1
	}
	s := New(o.Settings, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err := s.Start(context.Background(), o.Guests); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	st := s.Status()
	fmt.Printf("%d %v\n", st.PID, st.Live)
	ctx, stop := context.WithCancel(context.Background())
	var caring sync.WaitGroup
	caring.Go(func() {
		for ctx.Err() == nil {
			s.CatchUp(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	caring.Wait()
	_ = s.Close()
	return 0
}

func (l *lab) runHelper(attr *syscall.SysProcAttr, guests ...instance.Instance) (cmd *exec.Cmd, stop io.Closer, pid int) {
	l.t.Helper()
	job, err := json.Marshal(order{l.Settings, guests})
	must(l.t, err)
	cmd = exec.Command(selfCopy(l))
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), helperJob+"="+string(job))
	var errs strings.Builder
	cmd.Stderr = &errs
	cmd.SysProcAttr = attr
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	must(l.t, err)
	stdout, err := cmd.StdoutPipe()
	must(l.t, err)
	must(l.t, cmd.Start())
	l.t.Cleanup(func() { kill(cmd) })
	var live bool
	if _, err := fmt.Fscan(stdout, &pid, &live); err != nil || !live {
		l.t.Fatalf("the helper did not bring up dnsmasq (pid %d, live %v): %v\n%s", pid, live, err, errs.String())
	}
	return cmd, stdin, pid
}

// selfCopy is this program where anybody may run it.
func selfCopy(l *lab) string {
	path := l.BaseDir + "-helper"
	if _, err := os.Stat(path); err == nil {
		return path // and may be running
	}
	data, err := os.ReadFile("/proc/self/exe")
	must(l.t, err)
	must(l.t, os.WriteFile(path, data, 0o755))
	return path
}
