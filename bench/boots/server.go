package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mdserver/bench/cputime"
	"mdserver/internal/client"
)

const configuration = `[mdserver]
listen_address = 127.8.0.3
port = 8775
socket = DIR/sock
db_file = DIR/db_file.json
userdata_dir = DIR
logfile = DIR/mdserver.log
request_rate = 1000000
[dnsmasq]
run = off
base_dir = DIR/dnsmasq
run_dir = DIR/run
net_address = 127.9.0.0
net_prefix = 16
gateway = 127.9.0.1
[libvirt]
uri = off
`

const address = "127.8.0.3:8775"

// server is the process that is measured.
type server struct {
	cmd *exec.Cmd
	dir string
}

func start(program, dir string) (*server, error) {
	file := filepath.Join(dir, "mdserver.conf")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(configuration, "DIR", dir)), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "serve", "--config", file)
	out, err := os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	return &server{cmd, dir}, cmd.Start()
}

// stop ends the process, and adds its log to an error.
func (s *server) stop(err error) error {
	err = errors.Join(err, s.cmd.Process.Signal(syscall.SIGTERM), s.cmd.Wait())
	if err != nil {
		text, _ := os.ReadFile(filepath.Join(s.dir, "stdout"))
		err = fmt.Errorf("%w; the server's log:\n%s", err, text[max(0, len(text)-4000):])
	}
	return err
}

// ready waits until the server answers.
func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		_, err := client.New(filepath.Join(s.dir, "sock")).Status(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// memory is what the process has in memory, in MB.
func (s *server) memory() (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var size, resident int
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0, err
	}
	return resident * os.Getpagesize() >> 20, nil
}

// cpu is the time that the process has had a processor.
func (s *server) cpu() (time.Duration, error) { return cputime.Of(s.cmd.Process.Pid) }
