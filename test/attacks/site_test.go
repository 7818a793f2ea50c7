//go:build e2e

package attacks

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mdserver/internal/client"
	"mdserver/internal/instance"
	"mdserver/test/lab"
	"mdserver/test/wire"
)

// protection says whether a bridge has port security.
type protection bool

const (
	plain   protection = false
	secured protection = true
)

func (p protection) String() string {
	if p {
		return "port security"
	}
	return "plain bridge"
}

func (p protection) key() string {
	if p {
		return "yes"
	}
	return "no"
}

// site is a host with a server on it.
type site struct {
	protection
	*lab.Lab
	server *lab.Server
	admin  *client.Client
	bridge net.HardwareAddr
	guests atomic.Int32 // made so far
	lone   bool         // it is one test's

	uplinkOnce sync.Once
}

// hostSecret is in what the host alone may see.
const hostSecret = "secret-of-the-host"

// base is the template of guests that have none of their own.
const base = "#cloud-config\nhostname: {{hostname}}\n"

// newSite makes a lab and starts a server in it. The caller closes it.
func newSite(p protection, edit func(*lab.Lab, lab.Config)) (*site, error) {
	l, err := lab.New(suite.ctx)
	if err != nil {
		return nil, err
	}
	s := &site{protection: p, Lab: l, admin: client.New(l.SocketPath())}
	if err := s.start(edit); err != nil {
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, l.Logs()), l.Close())
	}
	return s, nil
}

func (s *site) start(edit func(*lab.Lab, lab.Config)) error {
	if err := s.AddIPv6(suite.ctx); err != nil {
		return err
	}
	config := s.Config()
	config.Set("dnsmasq", "net_address6", lab.Network6).Set("dnsmasq", "port_security", s.key())
	config.Set("mdserver", "template_escape", "none")
	config.Set("mdserver", "vendordata_template", s.Path("userdata", "vendor.yaml"))
	config.Set("template-data", "apikey", hostSecret)
	for name, text := range map[string]string{
		"base.yaml":   base,
		"vendor.yaml": "#cloud-config\n# {{instance['metadata'].get('secret', '')}}\n",
	} {
		if _, err := s.WriteFile("userdata/"+name, text); err != nil {
			return err
		}
	}
	if edit != nil {
		edit(s.Lab, config)
	}
	var err error
	if s.server, err = s.NewServer(suite.binary, config); err != nil {
		return err
	}
	// Without a MAC of its own, as libvirt gives it, the bridge takes its ports'.
	s.bridge = net.HardwareAddr{0x52, 0x54, 0x00, 0x01, 0x22, 0x01}
	if err := s.Host.IP(suite.ctx, "link", "set", lab.Bridge, "address", s.bridge.String()); err != nil {
		return err
	}
	return s.server.Start(suite.ctx)
}

// shared is the site of all attacks that leave no trace on it, and a pair of
// guests for those that do no more than ask.
type shared struct {
	once sync.Once
	site *site
	err  error

	pairOnce sync.Once
	pair     *arena
	pairErr  error
}

func (s *shared) get(t *testing.T, p protection) *site {
	t.Helper()
	s.once.Do(func() { s.site, s.err = newSite(p, nil) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.site
}

func (s *shared) close() error {
	if s.site == nil {
		return nil
	}
	return s.site.Close()
}

// guest is a guest of the lab and what the server knows of it.
type guest struct {
	*lab.Guest
	site *site
	inst instance.Instance
	// secret is in its user-data, vendor-data, tags and password.
	secret string
	mac    net.HardwareAddr
	index  int // of its interface
}

// form is how a guest is defined; the zero form is an ordinary one.
type form struct {
	name     string // a new one if it is empty
	metadata string // further elements
	template string // in place of one that tells its secret
}

// newMAC is one that no other guest of the site has.
func (s *site) newMAC() string {
	n := s.guests.Add(1)
	return fmt.Sprintf("52:54:00:77:%02x:%02x", n>>8&0xff, n&0xff)
}

// addGuest defines a guest, plugs it into the bridge and gives it its
// addresses.
func (s *site) addGuest(f form) (*guest, error) {
	mac := s.newMAC()
	id := strings.ReplaceAll(mac[len("52:54:00:77:"):], ":", "")
	g := &guest{site: s, secret: "secret-" + id + "-" + rand.Text()[:12]}
	if f.name == "" {
		f.name = "guest-" + id
	}
	if f.template == "" {
		f.template = base + "# " + g.secret + "\n"
	}
	if _, err := s.WriteFile("userdata/"+f.name+".yaml", f.template); err != nil {
		return nil, err
	}
	var err error
	if g.mac, err = net.ParseMAC(mac); err != nil {
		return nil, err
	}
	if g.Guest, err = s.AddGuest(suite.ctx, f.name, mac); err != nil {
		return nil, err
	}
	if err := g.register(domain{name: f.name, mac: mac, port: g.Port(), metadata: fmt.Sprintf(
		"<m:secret>%s</m:secret><m:tags>hidden=%s</m:tags>%s", g.secret, g.secret, f.metadata)}); err != nil {
		return nil, err
	}
	return g, g.settle()
}

func (g *guest) register(d domain) error {
	result, err := g.site.admin.Register(suite.ctx, []byte(d.XML()))
	if err != nil {
		return fmt.Errorf("registering %s: %w", d.name, err)
	}
	g.inst = result.Instance
	return nil
}

// settle gives the guest its addresses and waits until it is served as itself.
func (g *guest) settle() error {
	linkLocal := g.linkLocal().String() + "/64"
	for _, step := range [][]string{
		{"-6", "address", "flush", "dev", "eth0"},
		{"-6", "address", "add", linkLocal, "dev", "eth0", "nodad"}, // not to wait for others to object
		{"-6", "address", "add", g.inst.IPv6.String() + "/64", "dev", "eth0", "nodad"},
		{"-6", "route", "replace", "default", "via", lab.Gateway6, "dev", "eth0"},
		{"address", "replace", g.inst.IPv4.String() + "/" + lab.Prefix, "dev", "eth0"},
		{"route", "replace", "default", "via", lab.Gateway},
	} {
		if err := g.IP(suite.ctx, step...); err != nil {
			return err
		}
	}
	err := g.Do(func() error {
		nic, err := net.InterfaceByName("eth0")
		if err == nil {
			g.index = nic.Index
		}
		return err
	})
	if err != nil {
		return err
	}
	return g.site.waitSecured(g)
}

// linkLocal is the guest's link-local address. Source: RFC 4291, appendix A.
func (g *guest) linkLocal() netip.Addr { return linkLocal(g.mac) }

func linkLocal(m net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// addr is the guest's address on a way.
func (g *guest) addr(w way) netip.Addr {
	switch w {
	case byIPv4:
		return g.inst.IPv4
	case byIPv6:
		return g.inst.IPv6
	default:
		return g.linkLocal()
	}
}

func mustMAC(t *testing.T, text string) net.HardwareAddr {
	t.Helper()
	mac, err := net.ParseMAC(text)
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

// remove takes the guest away and has the server forget it.
func (g *guest) remove() error {
	_, err := g.site.admin.Release(suite.ctx, g.inst.UUID.String())
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == 404 {
		err = nil // a test released it
	}
	return errors.Join(err, g.Remove(suite.ctx))
}

// link opens the guest's interface for raw frames.
func (g *guest) link(t *testing.T) *wire.Link {
	t.Helper()
	l, err := wire.Open(g.Namespace, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// host makes a host out of frames at the guest's interface, with the guest's
// own MAC and address.
func (g *guest) host(t *testing.T, w way) *wire.Host {
	l := g.link(t)
	return &wire.Host{Link: l, MAC: l.MAC, Addr: g.addr(w)}
}

// eventually waits for a condition with a generous deadline.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	if err := poll(f); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

const patience = 30 * time.Second
