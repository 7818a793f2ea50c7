package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"mdserver/test/lab"
)

// zone is where a guest reads which host answers it.
const zone = "/latest/meta-data/placement/availability-zone"

// fleet is a showing of several hosts with one inventory.
type fleet struct {
	*page
	binary string
	site   *lab.Site
	key    string // file with the key that seals what the hosts share
	hosts  []*host
	guests []*vm
}

// host is a hypervisor of the fleet.
type host struct {
	*lab.Lab
	name   string
	server *lab.Server
}

// vm is a guest of the fleet. known is what mdserver said of it at its first start.
type vm struct {
	name, uuid, mac string
	at              *host
	net             *lab.Guest
	known           guest
}

// showFleet shows three members of etcd, three hosts and their guests.
func showFleet(ctx context.Context, p *page, binary string) (err error) {
	f := &fleet{page: p, binary: binary}
	defer func() {
		if err != nil {
			fmt.Fprint(os.Stderr, f.logs())
		}
		err = errors.Join(err, f.close())
	}()
	for _, step := range []func(context.Context) error{
		f.startEtcd, f.startHosts, f.startGuests, f.resolve, f.migrate, f.restart, f.loseMember, f.loseHost, f.compare,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) logs() string {
	var b strings.Builder
	if f.site != nil {
		b.WriteString(f.site.Logs())
	}
	for _, h := range f.hosts {
		fmt.Fprintf(&b, "=== %s\n%s", h.name, h.Logs())
	}
	return b.String()
}

func (f *fleet) close() error {
	var errs []error
	for _, h := range f.hosts {
		errs = append(errs, h.Close())
	}
	if f.site != nil {
		errs = append(errs, f.site.Close())
	}
	return errors.Join(errs...)
}

func (f *fleet) startEtcd(ctx context.Context) (err error) {
	f.heading("Three members of etcd")
	f.text("They keep one inventory for all hosts, and go on as long as two of them run.")
	if f.site, err = lab.NewSite(ctx); err != nil {
		return err
	}
	if err := f.site.StartEtcd(ctx, 3); err != nil {
		return err
	}
	var rows [][2]string
	for _, m := range f.site.Members {
		rows = append(rows, [2]string{m.Name, fmt.Sprintf("pid %d, %s", m.Pid(), m.URL)})
	}
	f.table(rows)
	return nil
}

func (f *fleet) startHosts(ctx context.Context) error {
	f.heading("Three hosts")
	f.text("Each has mdserver and dnsmasq. The bridges of their guests are one network: %s/%s.", lab.Network, lab.Prefix)
	var rows [][2]string
	for _, name := range []string{"kvm1", "kvm2", "kvm3"} {
		what, err := f.startHost(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, [2]string{name, what})
	}
	f.table(rows)
	first := f.hosts[0]
	if err := within(ctx, func(ctx context.Context) error { return f.states(ctx, first, "alive alive alive") }); err != nil {
		return err
	}
	return f.hostList(ctx, first)
}

// startHost starts a host and returns what to tell of it.
func (f *fleet) startHost(ctx context.Context, name string) (string, error) {
	l, err := lab.New(ctx)
	if err != nil {
		return "", err
	}
	h := &host{Lab: l, name: name}
	f.hosts = append(f.hosts, h)
	addr, err := f.site.Join(ctx, l)
	if err != nil {
		return "", err
	}
	if err := copyTemplates(l); err != nil {
		return "", err
	}
	if f.key == "" {
		f.key = l.Path("store.key")
	}
	config := f.site.Config(l, name).Set("store", "key", f.key).
		Set("dnsmasq", "port_security", "yes").
		Set("mdserver", "template_escape", "none").
		Set("service", "location", name)
	if h.server, err = l.NewServer(f.binary, config); err != nil {
		return "", err
	}
	if len(f.hosts) == 1 {
		if _, err := h.server.Run(ctx, nil, "store", "key", f.key); err != nil {
			return "", err
		}
	}
	if err := h.server.Start(ctx); err != nil {
		return "", err
	}
	child, err := h.server.DnsmasqChild(ctx)
	return fmt.Sprintf("%s, mdserver pid %d, dnsmasq pid %d", addr, h.server.Pid(), child), err
}

// hostList shows the hosts as one of them knows them.
func (f *fleet) hostList(ctx context.Context, at *host) error {
	return f.commandAt(at.name, "mdserver host ls", func() (string, error) {
		return at.server.Run(ctx, nil, "host", "ls")
	})
}

// states checks the states of all hosts, in the order of their names.
func (f *fleet) states(ctx context.Context, at *host, want string) error {
	out, err := at.server.Run(ctx, nil, "host", "ls", "--json")
	if err != nil {
		return err
	}
	var hosts []struct{ Name, State string }
	if err := json.Unmarshal([]byte(out), &hosts); err != nil {
		return fmt.Errorf("host ls --json: %w", err)
	}
	slices.SortFunc(hosts, func(a, b struct{ Name, State string }) int { return strings.Compare(a.Name, b.Name) })
	var states []string
	for _, h := range hosts {
		states = append(states, h.State)
	}
	return same("the states of the hosts", strings.Join(states, " "), want)
}

// record is what a host knows of a guest.
func (h *host) record(ctx context.Context, name string) (guest, error) {
	var g guest
	out, err := h.server.Run(ctx, nil, "instance", "show", name, "--json")
	if err != nil {
		return g, err
	}
	if err := json.Unmarshal([]byte(out), &g); err != nil {
		return g, fmt.Errorf("instance show %s --json: %w", name, err)
	}
	return g, nil
}

// within waits for what other hosts have to hear of first.
func within(ctx context.Context, f func(context.Context) error) error {
	return lab.Poll(ctx, 30*time.Second, f)
}

// same checks one thing that is shown.
func same(what, got, want string) error {
	if got != want {
		return fmt.Errorf("%s: %q, and must be %q", what, got, want)
	}
	return nil
}
