package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mdserver/bench/cputime"
	"mdserver/internal/client"
)

// server is a process that answers.
type server struct {
	addr string
	cmd  *exec.Cmd
}

// stop ends the process and tells how it ended.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := s.cmd.Wait()
	if status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGTERM {
		return nil
	}
	return err
}

// cpu is the time that the process has had a processor.
func (s *server) cpu() (time.Duration, error) { return cputime.Of(s.cmd.Process.Pid) }

// startBare starts this program as a net/http server with nothing but one
// answer: its content type and its body.
func startBare(contentType string, body []byte) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, bareRole)
	cmd.Stdin = io.MultiReader(strings.NewReader(contentType+"\n"), bytes.NewReader(body))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	return &server{strings.TrimSpace(addr), cmd}, nil
}

// serveBare is that process. Multipath TCP is off, as with mdserver: it has a
// cost of its own.
func serveBare(stdin io.Reader) error {
	in := bufio.NewReader(stdin)
	contentType, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	lc := net.ListenConfig{}
	lc.SetMultipathTCP(false)
	listener, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", strings.TrimSpace(contentType))
		_, _ = w.Write(body)
	}))
}

// startMdserver starts the program with its log as it is by default, on the
// stream and in the file, and registers two guests with it.
func startMdserver(ctx context.Context, program, dir, listen, settings string) (*server, error) {
	conf := strings.NewReplacer("DIR", dir, "LISTEN", listen, "SETTINGS", settings).Replace(configuration)
	for name, text := range map[string]string{"base.yaml": template, "mdserver.conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	stdout, err := os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	cmd := exec.Command(program, "serve", "--config", filepath.Join(dir, "mdserver.conf"))
	cmd.Stdout, cmd.Stderr = stdout, stdout
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{listen + ":8775", cmd}
	if err := register(ctx, filepath.Join(dir, "sock")); err != nil {
		text, _ := os.ReadFile(stdout.Name())
		return nil, errors.Join(fmt.Errorf("%w; its log:\n%s", err, text), s.stop())
	}
	return s, nil
}

// register waits until the server is there and tells it of the guests.
func register(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client := client.New(socket)
	for {
		if _, err := client.Status(ctx); err == nil {
			break
		} else if ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	for i, addr := range []string{victim, attacker} {
		xml := fmt.Sprintf(domain, i, addr)
		if _, err := client.Register(ctx, []byte(xml)); err != nil {
			return err
		}
	}
	return nil
}

// The guests live on the loopback network: real TCP, and no need for a bridge.
const (
	listen        = "127.8.0.1"
	listenAgainst = "127.8.0.2"
	victim        = "127.9.0.10"
	attacker      = "127.9.0.11"
)

const configuration = `[mdserver]
listen_address = LISTEN
port = 8775
socket = DIR/sock
db_file = DIR/db_file.json
userdata_dir = DIR
default_template = DIR/base.yaml
logfile = DIR/mdserver.log
SETTINGS
[dnsmasq]
run = off
base_dir = DIR/dnsmasq
run_dir = DIR/run
net_address = 127.9.0.0
net_prefix = 24
gateway = 127.9.0.1
[libvirt]
uri = off
`

const domain = `<domain><name>guest-%[1]d</name><uuid>7e5a544d-d555-4133-a443-8229415be7a%[1]d</uuid>
<metadata><m:ipv4 xmlns:m='urn:md_server:domain_metadata'>%[2]s</m:ipv4></metadata>
<devices><interface type='network'><mac address='52:54:00:00:00:0%[1]d'/><source network='mds'/></interface></devices></domain>`

// template is of two kilobytes, as usual ones are.
var template = "#cloud-config\nhostname: {{hostname}}\n" +
	strings.Repeat("# a line of the site's baseline for {{hostname}}\n", 40)
