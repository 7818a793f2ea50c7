package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"mdserver/test/lab"
)

// definition is what libvirt passes to the hook, as far as mdserver reads it.
const definition = `<domain type='kvm'><name>%s</name><uuid>%s</uuid><devices>
  <interface type='network'><mac address='%s'/><source network='mds'/></interface>
</devices></domain>`

func (f *fleet) addGuest(name string) *vm {
	number := len(f.guests) + 1
	g := &vm{name: name, uuid: fmt.Sprintf("7e5a544d-d555-4133-a443-8229415d%04x", number), mac: fmt.Sprintf("52:54:00:5d:00:%02x", number)}
	f.guests = append(f.guests, g)
	return g
}

// guest finds a guest by its name.
func (f *fleet) guest(name string) *vm {
	for _, g := range f.guests {
		if g.name == name {
			return g
		}
	}
	return nil
}

// hook calls a host's hook for a guest, as libvirt does and waits for.
func (g *vm) hook(ctx context.Context, at *host, operation string) error {
	began := time.Now()
	out, err := at.server.Hook(ctx, g.name, operation, fmt.Sprintf(definition, g.name, g.uuid, g.mac))
	if err == nil && out != "" {
		err = fmt.Errorf("the hook prints %q", out)
	}
	if took := time.Since(began); err == nil && took > 5*time.Second { // two, and a busy machine
		err = fmt.Errorf("the hook takes %s", took)
	}
	return err
}

// start starts a guest on a host, as it would be after it was off: it knows nothing but
// its MAC address.
func (g *vm) start(ctx context.Context, at *host) (err error) {
	if err := g.hook(ctx, at, "prepare"); err != nil {
		return err
	}
	if g.net, err = at.AddGuest(ctx, g.name, g.mac); err != nil {
		return err
	}
	if err := g.net.NamePort(ctx); err != nil {
		return err
	}
	g.at = at
	return g.boot(ctx)
}

// boot runs the guest's DHCP client, and checks what it gets.
func (g *vm) boot(ctx context.Context) error {
	lease, err := g.net.StartDHCP(ctx)
	if err != nil {
		return err
	}
	if g.known.Name != "" {
		return g.settles(ctx, lease)
	}
	if g.known, err = g.at.record(ctx, g.name); err != nil {
		return err
	}
	return g.check(ctx, lease)
}

// settles is check for a guest that its host has seen at the uplink before. It closes the
// guest's connections for five seconds after it has seen it at another port, because
// somebody else may use its MAC address. A client tries again, as cloud-init does.
func (g *vm) settles(ctx context.Context, lease lab.Lease) error {
	var refused error
	err := within(ctx, func(ctx context.Context) error {
		err := g.check(ctx, lease)
		if err != nil && strings.Contains(err.Error(), "returned error") { // a client may give up at that
			refused = err
			return nil
		}
		return err
	})
	return errors.Join(err, refused)
}

// check compares what a guest gets with what its host knows, and that with what was known of
// the guest when it started first.
func (g *vm) check(ctx context.Context, lease lab.Lease) error {
	now, err := g.at.record(ctx, g.name)
	if err != nil {
		return err
	}
	errs := []error{
		same("its host", now.Host, g.at.name),
		same("its instance-id", now.InstanceID, g.known.InstanceID),
		same("its host name", now.Hostname, g.name),
		same("its address", now.IPv4, g.known.IPv4),
		same("its address by DHCP", lease.IP.String(), now.IPv4),
	}
	for path, want := range map[string]string{
		"/latest/meta-data/instance-id":    now.InstanceID,
		"/latest/meta-data/local-hostname": now.Hostname,
		"/latest/meta-data/local-ipv4":     now.IPv4,
		zone:                               g.at.name + "a",
	} {
		got, err := g.net.Get(ctx, path)
		errs = append(errs, err, same(path, got, want))
	}
	return errors.Join(errs...)
}

// rowFormat is that of an address, an instance-id and a host.
const rowFormat = "%-15s  %s  %s"

// row is what to tell of a guest, with the host that answers it.
func (g *vm) row(ctx context.Context) ([2]string, error) {
	where, err := g.net.Get(ctx, zone)
	return [2]string{g.name, fmt.Sprintf(rowFormat, g.known.IPv4, g.known.InstanceID, "by "+strings.TrimSuffix(where, "a"))}, err
}

func (f *fleet) startGuests(ctx context.Context) error {
	f.heading("Six guests start")
	f.text("libvirt's hook registers each on its host. Then its DHCP client asks for an address,\n"+
		"and it asks %s for its metadata. It gets both from its own host.", lab.MetadataAddr)
	for _, name := range []string{"web1", "web2", "db1", "db2", "mail1", "mail2"} {
		f.addGuest(name)
	}
	var starting sync.WaitGroup
	errs := make([]error, len(f.guests))
	for i, g := range f.guests {
		starting.Go(func() {
			if err := g.start(ctx, f.hosts[i/2]); err != nil {
				errs[i] = fmt.Errorf("%s: %w", g.name, err)
			}
		})
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var rows [][2]string
	for _, g := range f.guests {
		row, err := g.row(ctx)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	f.table(rows)
	return nil
}

// resolve has each guest look up all others.
func (f *fleet) resolve(ctx context.Context) error {
	f.heading("Names resolve across hosts")
	for _, g := range f.guests {
		for _, other := range f.guests {
			if err := within(ctx, func(ctx context.Context) error { return g.finds(ctx, other) }); err != nil {
				return fmt.Errorf("%s looks up %s: %w", g.name, other.name, err)
			}
		}
	}
	for _, pair := range [][2]string{{"web1", "db1"}, {"db1", "mail2"}, {"mail2", "web1"}} {
		if err := f.lookUp(ctx, f.guest(pair[0]), f.guest(pair[1])); err != nil {
			return err
		}
	}
	f.text("\nSo do all %d names on all guests, and their addresses.", len(f.guests))
	return nil
}

// finds checks that a guest's resolver finds another guest by its name and by its
// address.
func (g *vm) finds(ctx context.Context, other *vm) error {
	addrs, err := g.net.Resolve(ctx, other.name)
	if err != nil {
		return err
	}
	names, err := g.net.Reverse(ctx, other.known.IPv4)
	if err != nil {
		return err
	}
	return errors.Join(same("its address", strings.Join(addrs, " "), other.known.IPv4),
		same("its name", strings.Join(names, " "), other.name+".example.net"))
}

func (f *fleet) lookUp(ctx context.Context, g, other *vm) error {
	return f.commandAt(g.name, "getent hosts "+other.name, func() (string, error) {
		return g.net.Output(ctx, "getent", "hosts", other.name)
	})
}

// connection is a TCP connection from one guest to another, which sends all back.
type connection struct {
	net.Conn
	listener net.Listener
	echoes   chan struct{}
}

func (g *vm) connect(to *vm) (c *connection, err error) {
	c = &connection{echoes: make(chan struct{})}
	address := netip.AddrPortFrom(netip.MustParseAddr(to.known.IPv4), 7).String()
	err = to.net.Do(func() (err error) {
		c.listener, err = net.Listen("tcp", address)
		return err
	})
	if err != nil {
		return nil, err
	}
	go func() { // ends with the listener and the connection, which close waits for
		defer close(c.echoes)
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(conn, conn)
		_ = conn.Close()
	}()
	err = g.net.Do(func() (err error) {
		c.Conn, err = net.DialTimeout("tcp", address, 10*time.Second)
		return err
	})
	if err != nil {
		err = errors.Join(err, c.listener.Close())
		<-c.echoes
		return nil, err
	}
	return c, nil
}

func (c *connection) close() {
	_, _ = c.Conn.Close(), c.listener.Close()
	<-c.echoes
}

// echo sends a text and waits until it comes back.
func (c *connection) echo(text string) error {
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	back := make([]byte, len(text))
	if _, err := io.ReadFull(c, back); err != nil {
		return err
	}
	return same("what comes back", string(back), text)
}
