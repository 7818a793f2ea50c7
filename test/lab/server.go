package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Server is mdserver in the host namespace.
type Server struct {
	*Process
	// ConfigFile is the file that the server and the commands read.
	ConfigFile string

	lab    *Lab
	binary string
	url    string
}

// NewServer writes the configuration and its directories; [Server.Start] runs
// it.
func (l *Lab) NewServer(binary string, config Config) (*Server, error) {
	listen, port := config["mdserver"]["listen_address"], config["mdserver"]["port"]
	s := &Server{lab: l, binary: binary, url: "http://" + net.JoinHostPort(listen, port)}
	for _, dir := range []string{"state", "run", "log", "userdata"} {
		if err := os.MkdirAll(l.Path(dir), 0o755); err != nil {
			return nil, err
		}
	}
	file, err := l.WriteFile("mdserver.conf", config.String())
	s.ConfigFile = file
	return s, err
}

// ServerFor runs mdserver with a configuration file that is already there and
// listens at the URL.
func (l *Lab) ServerFor(binary, configFile, url string) *Server {
	return &Server{lab: l, binary: binary, ConfigFile: configFile, url: url}
}

// Start runs the server and waits until it answers requests.
func (s *Server) Start(ctx context.Context) error {
	p, err := s.lab.Host.Start("mdserver", nil, s.binary, "serve", "--config", s.ConfigFile)
	if err != nil {
		return err
	}
	s.Process = p
	client := s.lab.Host.HTTPClient(netip.Addr{})
	err = Poll(ctx, 30*time.Second, func(ctx context.Context) error {
		if !p.Alive() {
			return nil
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	if err == nil && !p.Alive() {
		err = errors.New("it ended by itself")
	}
	if err != nil {
		return fmt.Errorf("starting mdserver: %w", err)
	}
	return nil
}

// Upload sends domain XML to /instance-upload from the host, as the hook of
// older installations does, and returns the status and the body.
func (s *Server) Upload(ctx context.Context, xml string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/instance-upload", strings.NewReader(xml))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.lab.Host.HTTPClient(netip.Addr{}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// Run runs an mdserver command with the server's configuration and returns what
// it printed. The standard input is empty if stdin is nil.
func (s *Server) Run(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := s.lab.Host.Command(ctx, s.binary, append([]string{"--config", s.ConfigFile}, args...)...)
	cmd.Stdin = stdin
	return output(cmd)
}

// Hook calls the hook for a guest, as libvirt does with the guest's definition, and returns
// what it printed. The operation is "prepare" before each start, and also "migrate"
// before it if the guest is received.
func (s *Server) Hook(ctx context.Context, guest, operation, xml string) (string, error) {
	cmd := s.lab.Host.Command(ctx, s.binary, "hook", guest, operation, "begin", "-")
	cmd.Env = append(os.Environ(), "MDSERVER_SOCKET="+s.lab.SocketPath())
	cmd.Stdin = strings.NewReader(xml)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("the hook for %s, %s: %w", guest, operation, err)
	}
	return string(out), err
}

// DnsmasqChild waits until the server has exactly one dnsmasq child and
// returns its number.
func (s *Server) DnsmasqChild(ctx context.Context) (int, error) {
	var pid int
	err := Poll(ctx, 30*time.Second, func(context.Context) error {
		pids, err := s.Children("dnsmasq")
		if err != nil {
			return err
		}
		if len(pids) != 1 {
			return fmt.Errorf("mdserver has %d dnsmasq children", len(pids))
		}
		pid = pids[0]
		return nil
	})
	return pid, err
}

// Pids returns the numbers of all processes in the host namespace whose
// command has this name.
func (l *Lab) Pids(ctx context.Context, command string) ([]int, error) {
	out, err := l.Host.Output(ctx, "ip", "netns", "pids", l.Host.Name)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, word := range strings.Fields(out) {
		comm, err := os.ReadFile(filepath.Join("/proc", word, "comm"))
		if err != nil || strings.TrimSpace(string(comm)) != command {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(word, &pid); err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
