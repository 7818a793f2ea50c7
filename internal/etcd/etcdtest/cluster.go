// Package etcdtest runs real etcd clusters for tests.
package etcdtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"mdserver/internal/config"
	"mdserver/internal/memorytest"
	"mdserver/internal/programtest"
)

// Options say what a cluster is like.
type Options struct {
	Members  int      // 1 if it is 0
	TLS      bool     // with certificates on both sides
	Users    bool     // with authentication, see User
	Isolated bool     // each member in a network namespace of its own; see Cut
	DiskSize int64    // of each member's file system, in bytes; 0 for no limit
	Args     []string // further arguments for etcd
	Dir      string   // an empty directory for all files; one in memory if it is ""
}

// User is the one user who may do what mdserver needs, and nothing else.
const (
	User     = "mdserver"
	Password = "correct horse"
	rootPass = "battery staple"
)

// Cluster is a running cluster.
type Cluster struct {
	Members []*Member

	t       testing.TB
	options Options
	dir     string
	net     network
}

// network is where the members have their addresses.
type network interface {
	addresses(t testing.TB, n int) []string
	// start starts a command where the member of this number lives.
	start(member int, cmd *exec.Cmd) error
	cut(t testing.TB, member int, in, out bool)
}

// Start starts a cluster and waits until it can be used. The test's end ends
// it, and nothing is left. A test fails without the program etcd.
func Start(t testing.TB, options Options) *Cluster {
	t.Helper()
	programtest.Need(t, "etcd", "etcd-server")
	options.Members = max(options.Members, 1)
	c := &Cluster{t: t, options: options, dir: options.Dir, net: loopback{}}
	if c.dir == "" {
		c.dir = memorytest.Dir(t)
	}
	if options.Isolated {
		c.net = newBridge(t, options.Members)
	}
	addresses := c.net.addresses(t, options.Members)
	if options.TLS {
		c.writeCertificates(addresses)
	}
	var peers []string
	for i, address := range addresses {
		peers = append(peers, fmt.Sprintf("%s=%s", name(i), c.url(address, 2380)))
	}
	for i, address := range addresses {
		m := &Member{t: t, number: i, cluster: c, dir: filepath.Join(c.dir, name(i)),
			Endpoint: c.url(address, 2379), peer: c.url(address, 2380), peers: strings.Join(peers, ",")}
		m.makeDir(options.DiskSize)
		c.Members = append(c.Members, m)
		m.Start()
	}
	t.Cleanup(func() {
		for _, m := range c.Members {
			m.Kill()
			if t.Failed() {
				t.Logf("%s:\n%s", name(m.number), m.lastLines())
			}
		}
	})
	c.waitUsable()
	if options.Users {
		c.addUsers()
	}
	return c
}

func name(member int) string { return fmt.Sprintf("m%d", member+1) }

func (c *Cluster) url(address string, port int) string {
	scheme := "http"
	if c.options.TLS {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s:%d", scheme, address, port)
}

// Endpoints are the URLs of all members.
func (c *Cluster) Endpoints() []string {
	var list []string
	for _, m := range c.Members {
		list = append(list, m.Endpoint)
	}
	return list
}

// Config is the section [store] for this cluster.
func (c *Cluster) Config() config.Store {
	s := config.Store{Backend: config.BackendEtcd, Endpoints: c.Endpoints(), Prefix: "/mdserver/"}
	if c.options.TLS {
		s.CAFile, s.CertFile, s.KeyFile = c.file("ca.pem"), c.file("client.pem"), c.file("client-key.pem")
	}
	if c.options.Users {
		s.User, s.PasswordFile = User, c.file("password")
	}
	return s
}

func (c *Cluster) file(name string) string { return filepath.Join(c.dir, name) }

// write makes a file that only this user can read.
func (c *Cluster) write(name string, text []byte) {
	c.t.Helper()
	if err := os.WriteFile(c.file(name), text, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// Root is a client that may do everything. The test's end closes it.
func (c *Cluster) Root() *clientv3.Client {
	c.t.Helper()
	cfg := clientv3.Config{Endpoints: c.Endpoints(), DialTimeout: 5 * time.Second, Logger: zap.NewNop()}
	if c.options.TLS {
		cfg.TLS = c.clientTLS()
	}
	if c.options.Users {
		cfg.Username, cfg.Password = "root", rootPass
	}
	client, err := clientv3.New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { client.Close() })
	return client
}

// waitUsable waits until each member serves a read that needs the others.
func (c *Cluster) waitUsable() {
	c.t.Helper()
	for _, m := range c.Members {
		m.WaitUsable()
	}
}

// Leader returns the member that leads the others, once there is one.
func (c *Cluster) Leader() *Member {
	c.t.Helper()
	root := c.Root()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for _, m := range c.Members {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			reply, err := root.Status(ctx, m.Endpoint)
			cancel()
			if err == nil && reply.Leader == reply.Header.MemberId {
				return m
			}
		}
	}
	c.t.Fatal("no member leads")
	return nil
}

// addUsers adds a user with rights below the prefix alone, and then enables
// authentication.
func (c *Cluster) addUsers() {
	c.t.Helper()
	c.write("password", []byte(Password+"\n"))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	plain := *c
	plain.options.Users = false
	root := plain.Root()
	prefix := c.Config().Prefix
	for _, step := range []func() error{
		func() error { _, err := root.UserAdd(ctx, "root", rootPass); return err },
		func() error { _, err := root.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := root.RoleAdd(ctx, User); return err },
		func() error {
			_, err := root.RoleGrantPermission(ctx, User, prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := root.UserAdd(ctx, User, Password); return err },
		func() error { _, err := root.UserGrantRole(ctx, User, User); return err },
		func() error { _, err := root.AuthEnable(ctx); return err },
	} {
		if err := step(); err != nil {
			c.t.Fatal(err)
		}
	}
}

// loopback has members on addresses of 127.0.0.0/8 that nothing else uses.
type loopback struct{}

func (loopback) addresses(t testing.TB, n int) []string {
	t.Helper()
	for range 100 {
		third, second := rand.IntN(250)+1, rand.IntN(250)+1
		var list []string
		for i := range n {
			address := fmt.Sprintf("127.%d.%d.%d", second, third, i+1)
			if !isFree(address) {
				break
			}
			list = append(list, address)
		}
		if len(list) == n {
			return list
		}
	}
	t.Fatal("no free loopback addresses")
	return nil
}

func isFree(address string) bool {
	l, err := net.Listen("tcp", address+":2379")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func (loopback) start(_ int, cmd *exec.Cmd) error { return cmd.Start() }

func (loopback) cut(t testing.TB, _ int, _, _ bool) {
	t.Helper()
	t.Fatal("only members with Options.Isolated can be cut off")
}
