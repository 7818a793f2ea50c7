package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"mdserver/test/lab"
)

const tokenHeader = "X-aws-ec2-metadata-token"

// migrate moves a running guest to another host.
func (f *fleet) migrate(ctx context.Context) error {
	g, to := f.guest("web1"), f.hosts[1]
	f.heading(fmt.Sprintf("%s migrates from %s to %s", g.name, g.at.name, to.name))
	f.text("It goes on while it moves: its connection to mail1 on %s stays, and so does its IMDSv2 token.\n"+
		"(For up to five seconds it gets no metadata; docs/howto/fleet.md says why.)", f.hosts[2].name)
	token, err := g.net.Output(ctx, "curl", "-sSf", "-m", "10", "-X", "PUT", "-H", tokenHeader+"-ttl-seconds: 600", "http://"+lab.MetadataAddr+"/latest/api/token")
	if err != nil {
		return err
	}
	conn, err := g.connect(f.guest("mail1"))
	if err != nil {
		return err
	}
	defer conn.close()
	if err := conn.echo("before"); err != nil {
		return err
	}
	for _, operation := range []string{"migrate", "prepare"} { // as libvirt calls them where a guest arrives
		if err := g.hook(ctx, to, operation); err != nil {
			return err
		}
	}
	if err := g.net.Migrate(ctx, to.Lab); err != nil {
		return err
	}
	g.at = to
	if err := g.net.NamePort(ctx); err != nil {
		return err
	}
	lease, err := g.net.Renew(ctx)
	if err != nil {
		return err
	}
	if err := g.settles(ctx, lease); err != nil {
		return err
	}
	if err := conn.echo("after"); err != nil {
		return fmt.Errorf("the connection of %s to mail1: %w", g.name, err)
	}
	err = f.commandAt(g.name, `curl -H "`+tokenHeader+`: $TOKEN" `+lab.MetadataAddr+"/latest/meta-data/instance-id", func() (string, error) {
		return g.net.Output(ctx, "curl", "-sSf", "-m", "10", "-H", tokenHeader+": "+strings.TrimSpace(token), "http://"+lab.MetadataAddr+"/latest/meta-data/instance-id")
	})
	if err != nil {
		return err
	}
	return f.tell(ctx, g)
}

// restart starts a guest again where it is.
func (f *fleet) restart(ctx context.Context) error {
	g := f.guest("web1")
	f.heading(fmt.Sprintf("%s reboots on %s", g.name, g.at.name))
	g.net.StopDHCP()
	if err := g.net.Remove(ctx); err != nil {
		return err
	}
	if err := g.start(ctx, g.at); err != nil {
		return err
	}
	return f.tell(ctx, g)
}

// tell shows a guest that has kept what it had, and that all others find it.
func (f *fleet) tell(ctx context.Context, g *vm) error {
	for _, other := range f.guests {
		if err := within(ctx, func(ctx context.Context) error { return other.finds(ctx, g) }); err != nil {
			return fmt.Errorf("%s looks up %s: %w", other.name, g.name, err)
		}
	}
	row, err := g.row(ctx)
	if err != nil {
		return err
	}
	f.table([][2]string{row})
	return nil
}

// loseMember kills a member of etcd and starts a guest that nobody knew.
func (f *fleet) loseMember(ctx context.Context) error {
	leader, err := f.site.Leader(ctx)
	if err != nil {
		return err
	}
	at := f.hosts[2]
	f.heading("A member of etcd dies")
	f.text("%s, which leads the others, is killed. A new guest starts on %s at once.", leader.Name, at.name)
	leader.Kill()
	g := f.addGuest("new1")
	if err := g.start(ctx, at); err != nil {
		return fmt.Errorf("%s: %w", g.name, err)
	}
	return f.tell(ctx, g)
}

// loseHost crashes a host and starts one of its guests on another one.
func (f *fleet) loseHost(ctx context.Context) error {
	lost, to, g := f.hosts[2], f.hosts[0], f.guest("mail1")
	f.heading(fmt.Sprintf("%s dies", lost.name))
	f.text("Nothing of it is left. The others notice that within ten seconds.")
	if err := lost.Crash(ctx); err != nil {
		return err
	}
	var left []*vm
	for _, guest := range f.guests {
		if guest.at != lost {
			left = append(left, guest)
		} else if err := guest.net.Remove(ctx); err != nil {
			return err
		}
	}
	if err := within(ctx, func(ctx context.Context) error { return f.states(ctx, to, "alive alive away") }); err != nil {
		return err
	}
	if err := f.hostList(ctx, to); err != nil {
		return err
	}
	f.text("\n%s starts on %s.", g.name, to.name)
	if err := g.start(ctx, to); err != nil {
		return fmt.Errorf("%s: %w", g.name, err)
	}
	f.guests = append(left, g)
	return f.tell(ctx, g)
}

// compare shows the inventory, in which the hosts that are left agree.
func (f *fleet) compare(ctx context.Context) error {
	f.heading("In the end")
	f.text("kvm1 and kvm2 have the same inventory. The guests of kvm3 that have not started elsewhere keep their addresses.")
	var all [2][]guest
	for i, h := range f.hosts[:2] {
		out, err := h.server.Run(ctx, nil, "instance", "ls", "--json")
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(out), &all[i]); err != nil {
			return fmt.Errorf("instance ls --json: %w", err)
		}
	}
	if err := same("the guests, says kvm2", fmt.Sprint(all[1]), fmt.Sprint(all[0])); err != nil {
		return err
	}
	var rows [][2]string
	for i, g := range all[0] {
		if g.Unshared {
			return fmt.Errorf("%s is known on one host only", g.Name)
		}
		if i > 0 && g.Name == all[0][i-1].Name {
			return fmt.Errorf("%s is there twice", g.Name)
		}
		rows = append(rows, [2]string{g.Name, fmt.Sprintf(rowFormat, g.IPv4, g.InstanceID, "of "+g.Host)})
	}
	if err := same("the number of guests", fmt.Sprint(len(rows)), "7"); err != nil {
		return err
	}
	f.table(rows)
	return nil
}
