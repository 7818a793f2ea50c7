// Command demo shows what mdserver does for two guests, in a private network
// that it makes and removes: a host with a bridge, mdserver with dnsmasq as its
// child, and two guests that get their address from a real DHCP client, find
// each other by name, and fetch their metadata and user-data.
//
// With --fleet it shows three such hosts with one inventory in etcd: a guest
// moves between them, and then a member of etcd and a host fail.
//
// All that it shows is checked. It fails if anything is wrong.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mdserver/test/lab"
)

//go:embed userdata
var templates embed.FS

func main() {
	binary := flag.String("mdserver", "bin/mdserver", "the program to show")
	domains := flag.String("domains", "test/testdata/domains", "directory of web1.xml and web2.xml")
	fleet := flag.Bool("fleet", false, "show three hosts with one inventory in etcd")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	show := func(ctx context.Context, p *page, binary string) error { return showHost(ctx, p, binary, *domains) }
	var needs []string
	if *fleet {
		show, needs = showFleet, []string{"etcd"}
	}
	if err := run(ctx, *binary, show, needs...); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, show func(context.Context, *page, string) error, needs ...string) error {
	began := time.Now()
	if err := lab.Check(needs...); err != nil {
		return err
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	p := newPage(os.Stdout)
	if err := show(ctx, p, binary); err != nil {
		return err
	}
	p.text("\nAll of it is gone again, after %.1f seconds.", time.Since(began).Seconds())
	return nil
}

// showHost shows one host and two guests.
func showHost(ctx context.Context, p *page, binary, domains string) (err error) {
	l, err := lab.New(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			fmt.Fprint(os.Stderr, l.Logs())
		}
		err = errors.Join(err, l.Close())
	}()
	d := &demo{page: p, lab: l}
	if err := d.startServer(ctx, binary); err != nil {
		return err
	}
	guests, err := d.register(ctx, domains, "web1", "web2")
	if err != nil {
		return err
	}
	return d.boot(ctx, guests)
}

// demo is one showing of one host.
type demo struct {
	*page
	lab    *lab.Lab
	server *lab.Server
}

// guest is what mdserver tells of a guest.
type guest struct {
	Name, Hostname, MAC, IPv4, Host string
	InstanceID                      string `json:"instance_id"`
	Unshared                        bool
}

func (d *demo) startServer(ctx context.Context, binary string) error {
	d.heading("The host")
	d.text("A network namespace stands for a hypervisor. Its bridge has the addresses that\n" +
		"libvirt would give it; mdserver serves on one of them and runs dnsmasq as its child.")
	if err := copyTemplates(d.lab); err != nil {
		return err
	}
	config := d.lab.Config().Set("mdserver", "template_escape", "none")
	server, err := d.lab.NewServer(binary, config)
	if err != nil {
		return err
	}
	d.server = server
	if err := d.server.Start(ctx); err != nil {
		return err
	}
	child, err := d.server.DnsmasqChild(ctx)
	if err != nil {
		return err
	}
	d.table([][2]string{
		{"bridge", fmt.Sprintf("%s  %s/%s  %s/32", lab.Bridge, lab.Gateway, lab.Prefix, lab.MetadataAddr)},
		{"mdserver", fmt.Sprintf("pid %d, http://%s", d.server.Pid(), lab.MetadataAddr)},
		{"dnsmasq", fmt.Sprintf("pid %d, DHCP and DNS on %s", child, lab.Bridge)},
	})
	return nil
}

func copyTemplates(l *lab.Lab) error {
	files, err := fs.Sub(templates, "userdata")
	if err != nil {
		return err
	}
	return os.CopyFS(l.Path("userdata"), files)
}

// register tells mdserver of the guests, as the libvirt hook would, before they
// start.
func (d *demo) register(ctx context.Context, domains string, names ...string) ([]guest, error) {
	d.heading("The guests")
	d.text("Two domains, as virsh dumpxml prints them, are registered.")
	for _, name := range names {
		file := filepath.Join(domains, name+".xml")
		if err := d.command("mdserver instance add "+file, func() (string, error) {
			return d.server.Run(ctx, nil, "instance", "add", file)
		}); err != nil {
			return nil, err
		}
	}
	out, err := d.server.Run(ctx, nil, "instance", "ls", "--json")
	if err != nil {
		return nil, err
	}
	var guests []guest
	if err := json.Unmarshal([]byte(out), &guests); err != nil {
		return nil, fmt.Errorf("instance ls --json: %w", err)
	}
	if len(guests) != len(names) {
		return nil, fmt.Errorf("%d guests are registered, not %d", len(guests), len(names))
	}
	return guests, nil
}

// boot starts the guests and shows what each of them sees.
func (d *demo) boot(ctx context.Context, guests []guest) error {
	running := make([]*lab.Guest, len(guests))
	leases := make([]lab.Lease, len(guests))
	for i, g := range guests {
		var err error
		if running[i], err = d.lab.AddGuest(ctx, g.Name, g.MAC); err != nil {
			return err
		}
		if leases[i], err = running[i].StartDHCP(ctx); err != nil {
			return err
		}
		if got := leases[i].IP.String(); got != g.IPv4 {
			return fmt.Errorf("%s got the address %s, and was to get %s", g.Name, got, g.IPv4)
		}
	}
	for i, g := range guests {
		d.heading(g.Name + " starts")
		d.text("It knows nothing but its MAC address, %s.", g.MAC)
		if err := d.see(ctx, running[i], leases[i], guests[(i+1)%len(guests)]); err != nil {
			return fmt.Errorf("%s: %w", g.Name, err)
		}
	}
	return nil
}

// see shows one guest's view of the world.
func (d *demo) see(ctx context.Context, g *lab.Guest, lease lab.Lease, other guest) error {
	steps := []struct {
		command string
		run     func() (string, error)
	}{
		{"udhcpc -i eth0", func() (string, error) { return describe(lease), nil }},
		{"getent hosts " + other.Hostname, func() (string, error) {
			return g.Output(ctx, "getent", "hosts", other.Hostname)
		}},
		{"getent hosts " + other.IPv4, func() (string, error) {
			return g.Output(ctx, "getent", "hosts", other.IPv4)
		}},
		{"curl " + lab.MetadataAddr + "/latest/meta-data/", func() (string, error) { return metadata(ctx, g) }},
		{"curl " + lab.MetadataAddr + "/latest/user-data", func() (string, error) { return g.Get(ctx, "/latest/user-data") }},
	}
	for _, step := range steps {
		if err := d.command(step.command, step.run); err != nil {
			return err
		}
	}
	return nil
}

func describe(l lab.Lease) string {
	return fmt.Sprintf("address  %s for %s\nrouter   %s\nDNS      %s, domain %s\nroute    %s via %s",
		l.IP, time.Duration(l.Seconds)*time.Second, l.Router, strings.Join(l.DNS, " "), l.Domain,
		lab.MetadataAddr, l.Routes[lab.MetadataAddr+"/32"])
}

// metadata walks the guest's metadata and returns every name with its value.
func metadata(ctx context.Context, g *lab.Guest) (string, error) {
	var rows [][2]string
	var walk func(path string) error
	walk = func(path string) error {
		body, err := g.Get(ctx, "/latest/meta-data/"+path)
		if err != nil {
			return err
		}
		if path != "" && !strings.HasSuffix(path, "/") {
			rows = append(rows, [2]string{path, shorten(body)})
			return nil
		}
		for name := range strings.SplitSeq(body, "\n") {
			if index, _, ok := strings.Cut(name, "="); ok {
				name = index + "/" // "0=alice" is the directory 0/
			}
			if err := walk(path + name); err != nil {
				return err
			}
		}
		return nil
	}
	err := walk("")
	return columns(rows), err
}

// shorten keeps a value, such as a public key, on one line of a terminal.
func shorten(value string) string {
	const most = 44
	value, _, _ = strings.Cut(value, "\n")
	if runes := []rune(value); len(runes) > most {
		tail := runes[len(runes)-14:]
		return string(runes[:most-len(tail)-3]) + "..." + string(tail)
	}
	return value
}
