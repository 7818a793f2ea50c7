package lab

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const dhcpScriptName = "udhcpc.sh"

//go:embed udhcpc.sh
var dhcpScript []byte

func (l *Lab) writeDHCPScript() error {
	return os.WriteFile(l.Path(dhcpScriptName), dhcpScript, 0o755)
}

// Guest stands for a virtual machine: a namespace with an interface, eth0, in a
// bridge of the host. For one with more interfaces see [Guest.AddInterface].
type Guest struct {
	*Namespace
	// Label is the guest's name within the lab.
	Label string
	MAC   string

	dev  string // the interface
	port string // its other end, in the bridge
	host *Lab   // that has the bridge
	dhcp *Process
}

// Lease is what the DHCP server gave.
type Lease struct {
	IP      netip.Addr
	Mask    string
	Router  string
	DNS     []string
	Domain  string
	Name    string            // option 12
	Seconds int               // lease time
	Server  string            // option 54
	Routes  map[string]string // option 121: destination to router
	Event   string            // bound, renew, …

	count int
}

// AddGuest makes a guest with an interface in the mds bridge. The label is for
// the lab alone; it need not be the name of the libvirt domain.
func (l *Lab) AddGuest(ctx context.Context, label, mac string) (*Guest, error) {
	return l.AddGuestOn(ctx, Bridge, label, mac)
}

// AddGuestOn makes a guest with an interface in another bridge of the host.
func (l *Lab) AddGuestOn(ctx context.Context, bridge, label, mac string) (*Guest, error) {
	n, err := l.addNamespace(ctx, label)
	if err != nil {
		return nil, err
	}
	return l.connect(ctx, &Guest{Namespace: n, Label: label, MAC: mac, dev: "eth0"}, bridge)
}

// AddInterface gives the guest a further interface. What it returns is the same
// guest as seen by that interface: its DHCP client works there.
func (g *Guest) AddInterface(ctx context.Context, bridge, dev, mac string) (*Guest, error) {
	return g.lab.connect(ctx, &Guest{Namespace: g.Namespace, Label: g.Label + "-" + dev, MAC: mac, dev: dev}, bridge)
}

func (l *Lab) connect(ctx context.Context, g *Guest, bridge string) (*Guest, error) {
	n, label := g.Namespace, g.Label
	g.host = l
	g.port = fmt.Sprintf("tap%d", l.ports.Add(1)) // no name that libvirt gives, as in recorded definitions
	steps := [][]string{
		{"-n", l.Host.Name, "link", "add", g.port, "type", "veth",
			"peer", "name", g.dev, "address", g.MAC, "netns", n.Name},
		{"-n", l.Host.Name, "link", "set", g.port, "master", bridge, "up"},
		{"-n", n.Name, "link", "set", g.dev, "up"},
	}
	for _, step := range steps {
		if err := run(ctx, "ip", step...); err != nil {
			return nil, fmt.Errorf("connecting guest %s: %w", label, err)
		}
	}
	return g, nil
}

// Remove takes the guest away, with all that runs in it. Closing the lab does
// the same for those that are left.
func (g *Guest) Remove(ctx context.Context) error {
	return errors.Join(removeNamespace(ctx, g.Name), removeNetnsEtc(g.Name))
}

// StartDHCP runs a DHCP client in the guest and waits for its first lease. The
// client goes on until the lab closes or [Guest.StopDHCP] is called.
func (g *Guest) StartDHCP(ctx context.Context) (Lease, error) {
	if err := os.Remove(g.leaseFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return Lease{}, err
	}
	env := []string{"LAB_LEASE=" + g.leaseFile()}
	args := []string{"-i", g.dev, "-f", "-t", "5", "-T", "1", "-A", "1",
		"-O", "3", "-O", "6", "-O", "121", "-s", g.lab.Path(dhcpScriptName)}
	dhcp, err := g.Start("dhcp-"+g.Label, env, "udhcpc", args...)
	if err != nil {
		return Lease{}, err
	}
	g.dhcp = dhcp
	return g.waitLease(ctx, 0, "bound")
}

// Renew makes the DHCP client renew its lease and waits for the answer.
func (g *Guest) Renew(ctx context.Context) (Lease, error) {
	before, err := g.readLease()
	if err != nil {
		return Lease{}, err
	}
	if err := g.dhcp.Signal(syscall.SIGUSR1); err != nil {
		return Lease{}, err
	}
	return g.waitLease(ctx, before.count, "renew", "bound")
}

// StopDHCP ends the DHCP client without releasing the lease, as a guest that
// is switched off does.
func (g *Guest) StopDHCP() {
	if g.dhcp != nil {
		g.dhcp.Kill()
	}
}

// TryDHCP asks once for a lease and tells whether one was offered. It changes
// nothing in the guest.
func (g *Guest) TryDHCP(ctx context.Context) (bool, error) {
	_, err := g.Output(ctx, "udhcpc", "-i", g.dev, "-f", "-q", "-n", "-t", "3", "-T", "1", "-s", "/bin/true")
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &exit) && ctx.Err() == nil:
		return false, nil
	default:
		return false, err
	}
}

// Get fetches a path from the metadata server with curl.
func (g *Guest) Get(ctx context.Context, path string) (string, error) {
	return g.Output(ctx, "curl", "--silent", "--show-error", "--fail", "--max-time", "10",
		"http://"+MetadataAddr+path)
}

// Resolve returns the IPv4 addresses that the guest's own resolver finds for a
// name.
func (g *Guest) Resolve(ctx context.Context, name string) ([]string, error) {
	out, err := g.Output(ctx, "getent", "ahostsv4", name)
	seen := map[string]bool{}
	var addrs []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 0 && !seen[f[0]] {
			seen[f[0]] = true
			addrs = append(addrs, f[0])
		}
	}
	return addrs, err
}

// Reverse returns the names that the guest's own resolver finds for an address.
func (g *Guest) Reverse(ctx context.Context, addr string) ([]string, error) {
	out, err := g.Output(ctx, "getent", "hosts", addr)
	if err != nil {
		return nil, err
	}
	return strings.Fields(out)[1:], nil
}

// Routes returns the guest's IPv4 routes as ip prints them.
func (g *Guest) Routes(ctx context.Context) (string, error) {
	return g.Output(ctx, "ip", "-4", "route", "show")
}

func (g *Guest) leaseFile() string { return g.lab.Path("lease-" + g.Label) }

func (g *Guest) waitLease(ctx context.Context, after int, events ...string) (Lease, error) {
	var lease Lease
	err := Poll(ctx, 30*time.Second, func(context.Context) (err error) {
		if lease, err = g.readLease(); err != nil {
			return err
		}
		for _, e := range events {
			if lease.Event == e && lease.count > after {
				return nil
			}
		}
		return fmt.Errorf("the last event was %s", lease.Event)
	})
	if err != nil {
		return Lease{}, fmt.Errorf("waiting for the lease of %s: %w", g.Label, err)
	}
	return lease, nil
}

func (g *Guest) readLease() (Lease, error) {
	text, err := os.ReadFile(g.leaseFile())
	if err != nil {
		return Lease{}, err
	}
	v := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		v[key] = value
	}
	lease := Lease{
		Mask: v["mask"], Router: v["router"], DNS: strings.Fields(v["dns"]),
		Domain: v["domain"], Name: v["hostname"], Server: v["serverid"],
		Event: v["event"], Routes: maps.Collect(pairs(strings.Fields(v["staticroutes"]))),
	}
	lease.IP, _ = netip.ParseAddr(v["ip"])
	lease.Seconds, _ = strconv.Atoi(v["lease"])
	lease.count, _ = strconv.Atoi(v["count"])
	return lease, nil
}

func pairs(words []string) func(func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for i := 0; i+1 < len(words); i += 2 {
			if !yield(words[i], words[i+1]) {
				return
			}
		}
	}
}

// Attach connects the guest's interface to a bridge that was made anew.
func (g *Guest) Attach(ctx context.Context, bridge string) error {
	return g.host.Host.IP(ctx, "link", "set", g.port, "master", bridge, "up")
}

// Migrate moves the guest to the mds bridge of another host. All goes on in the guest;
// its link is down for a moment.
func (g *Guest) Migrate(ctx context.Context, to *Lab) error {
	from, port := g.host.Host, fmt.Sprintf("tap%d", to.ports.Add(1))
	for _, step := range [][]string{
		{"-n", from.Name, "link", "set", g.port, "down", "nomaster"},
		{"-n", from.Name, "link", "set", g.port, "netns", to.Host.Name, "name", port},
		{"-n", to.Host.Name, "link", "set", port, "master", Bridge, "up"},
	} {
		if err := run(ctx, "ip", step...); err != nil {
			return fmt.Errorf("migrating guest %s: %w", g.Label, err)
		}
	}
	g.host, g.port = to, port
	return nil
}

// NamePort gives the guest's port the address that libvirt gives to a tap device, by
// which port security knows it.
func (g *Guest) NamePort(ctx context.Context) error {
	return g.host.Host.IP(ctx, "link", "set", g.port, "address", "fe"+g.MAC[2:])
}
