package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"
)

// The two bridges of a site.
const (
	hostsBridge  = "hosts"  // with an address for each host and each member of etcd
	guestsBridge = "guests" // with an uplink of each host's mds bridge
)

// Site is what several hosts, each a [Lab], have in common: a network of the hosts with an
// etcd cluster on it, and an Ethernet segment that the bridges of their guests are part
// of.
//
//	site, err := lab.NewSite(ctx)
//	defer site.Close()
//	err = site.StartEtcd(ctx, 3)
//	kvm1, err := lab.New(ctx)
//	addr, err := site.Join(ctx, kvm1)
//	srv, err := kvm1.NewServer(binary, site.Config(kvm1, "kvm1"))
type Site struct {
	// Members are the members of etcd.
	Members []*Member

	lab   *Lab
	hosts int
}

// Member is one member of a site's etcd cluster.
type Member struct {
	*Process
	Name, URL string

	site *Site
}

// NewSite makes a site without hosts.
func NewSite(ctx context.Context) (*Site, error) {
	l, err := newLab(ctx, "site", func(l *Lab) error {
		if err := l.AddBridge(ctx, hostsBridge, siteAddress(254)); err != nil {
			return err
		}
		return l.AddBridge(ctx, guestsBridge)
	})
	if err != nil {
		return nil, err
	}
	return &Site{lab: l}, nil
}

// siteAddress is an address, with its prefix, in the network of the hosts.
func siteAddress(last int) string { return fmt.Sprintf("192.0.2.%d/24", last) }

// Close removes the site. Its hosts have a Close of their own.
func (s *Site) Close() error { return s.lab.Close() }

// Logs returns what the members of etcd wrote.
func (s *Site) Logs() string { return s.lab.Logs() }

// Join connects a host to the site: the host itself, and its guests by an uplink of the
// mds bridge. It returns the host's address.
func (s *Site) Join(ctx context.Context, host *Lab) (netip.Addr, error) {
	s.hosts++
	addr := netip.MustParsePrefix(siteAddress(10 + s.hosts))
	if err := s.plug(ctx, hostsBridge, host.Host, "eth0"); err != nil {
		return netip.Addr{}, err
	}
	if err := host.Host.IP(ctx, "addr", "add", addr.String(), "dev", "eth0"); err != nil {
		return netip.Addr{}, err
	}
	if err := s.plug(ctx, guestsBridge, host.Host, "uplink"); err != nil {
		return netip.Addr{}, err
	}
	return addr.Addr(), host.Host.IP(ctx, "link", "set", "uplink", "master", Bridge)
}

// plug connects a namespace to a bridge of the site by an interface of this name.
func (s *Site) plug(ctx context.Context, bridge string, to *Namespace, dev string) error {
	port := fmt.Sprintf("port%d", s.lab.ports.Add(1))
	for _, step := range [][]string{
		{"-n", s.lab.Host.Name, "link", "add", port, "type", "veth", "peer", "name", dev, "netns", to.Name},
		{"-n", s.lab.Host.Name, "link", "set", port, "master", bridge, "up"},
		{"-n", to.Name, "link", "set", dev, "up"},
	} {
		if err := run(ctx, "ip", step...); err != nil {
			return fmt.Errorf("connecting %s to the site: %w", to.Name, err)
		}
	}
	return nil
}

// Config is [Lab.Config] for a host of this name with the inventory of the site.
func (s *Site) Config(host *Lab, name string) Config {
	var urls []string
	for _, m := range s.Members {
		urls = append(urls, m.URL)
	}
	return host.Config().Set("store", "backend", "etcd").
		Set("store", "endpoints", strings.Join(urls, ", ")).
		Set("store", "host", name)
}

// StartEtcd starts an etcd cluster with this many members, and waits until it can be
// used.
func (s *Site) StartEtcd(ctx context.Context, members int) error {
	var cluster []string
	for i := range members {
		m := &Member{Name: fmt.Sprint("etcd", i+1), site: s}
		addr := netip.MustParsePrefix(siteAddress(i + 1)).Addr().String()
		m.URL = "http://" + addr + ":2379"
		cluster = append(cluster, m.Name+"=http://"+addr+":2380")
		s.Members = append(s.Members, m)
	}
	for i, m := range s.Members {
		if err := m.start(ctx, siteAddress(i+1), cluster); err != nil {
			return err
		}
	}
	for _, m := range s.Members {
		if err := Poll(ctx, 60*time.Second, m.healthy); err != nil {
			return fmt.Errorf("starting %s: %w", m.Name, err)
		}
	}
	return nil
}

func (m *Member) start(ctx context.Context, address string, cluster []string) error {
	l := m.site.lab
	space, err := l.addNamespace(ctx, m.Name)
	if err != nil {
		return err
	}
	if err := m.site.plug(ctx, hostsBridge, space, "eth0"); err != nil {
		return err
	}
	if err := space.IP(ctx, "addr", "add", address, "dev", "eth0"); err != nil {
		return err
	}
	data, err := l.memory(m.Name)
	if err != nil {
		return err
	}
	peer := strings.Replace(m.URL, ":2379", ":2380", 1)
	m.Process, err = space.Start(m.Name, nil, "env", "-i", "PATH="+os.Getenv("PATH"), "etcd", "--name", m.Name, "--data-dir", data,
		"--listen-client-urls", m.URL, "--advertise-client-urls", m.URL,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", strings.Join(cluster, ","), "--logger", "zap", "--log-level", "warn")
	return err
}

// memoryDir is a file system in memory.
const memoryDir = "/dev/shm"

// memory makes a directory on a file system in memory if there is one: etcd syncs each
// write, and a lab outlives no crash of its machine.
func (l *Lab) memory(name string) (string, error) {
	dir, err := os.MkdirTemp(memoryDir, l.id+"-"+name+"-")
	if err != nil {
		return l.Path(name), nil
	}
	l.onClose(func(context.Context) error { return os.RemoveAll(dir) })
	return dir, nil
}

// healthy asks for a read that needs a majority of the members.
func (m *Member) healthy(ctx context.Context) error {
	if !m.Alive() {
		return errors.New("it ended by itself")
	}
	var health struct{ Health string }
	if err := m.ask(ctx, http.MethodGet, "/health", &health); err != nil {
		return err
	}
	if health.Health != "true" {
		return fmt.Errorf("its health is %q", health.Health)
	}
	return nil
}

// Leader returns the member that leads the others.
func (s *Site) Leader(ctx context.Context) (*Member, error) {
	for _, m := range s.Members {
		var status struct {
			Header struct {
				ID string `json:"member_id"`
			}
			Leader string
		}
		if !m.Alive() {
			continue
		}
		if err := m.ask(ctx, http.MethodPost, "/v3/maintenance/status", &status); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		if status.Leader != "" && status.Leader == status.Header.ID {
			return m, nil
		}
	}
	return nil, errors.New("no member of etcd leads")
}

// ask makes a request of etcd's interface in JSON.
func (m *Member) ask(ctx context.Context, method, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, m.URL+path, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	resp, err := m.site.lab.Host.HTTPClient(netip.Addr{}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s%s: %w: %q", m.URL, path, err, text)
	}
	return nil
}

// Crash ends the host at once, as the loss of its power does, with all that runs on it.
// Its guests remain until they are removed, and are connected to nothing.
func (l *Lab) Crash(ctx context.Context) error { return removeNamespace(ctx, l.Host.Name) }
