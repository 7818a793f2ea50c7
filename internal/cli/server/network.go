package server

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/counted"
	"mdserver/internal/nearest"
)

// NetworkCommand is the command network, with those below it.
func NetworkCommand() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "network",
		Aliases: []string{"networks", "net"},
		Short:   "List and show the networks that guests are served on",
		Example: `  mdserver network ls
  mdserver network show mds`,
	}, networkListCommand(), networkShowCommand())
}

func networkListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the networks, their bridges, addresses and guests",
		Example: `  mdserver network ls
  mdserver network ls -o json`,
		Args: command.Exactly(0),
	}
	return view.Query(cmd, view.View[[]api.Network]{Sheet: networkSheet}, func(ctx context.Context, server *client.Client, _ []string) ([]api.Network, error) {
		status, err := server.Status(ctx)
		return status.Networks, err
	})
}

func networkSheet(networks []api.Network) view.Sheet {
	s := view.Sheet{
		Columns: []string{"NAME", "BACKEND", "BRIDGE", "IPV4", "IPV6", "DOMAIN", "GUESTS", "USED", "FREE", "PORT SECURITY", "TROUBLE"},
	}
	for _, n := range networks {
		s.Rows = append(s.Rows, []string{
			n.Name, n.Backend, n.Bridge, n.IPv4, n.IPv6, n.Domain, strconv.Itoa(n.Guests), strconv.Itoa(n.Used), strconv.Itoa(n.Free),
			describePortSecurity(n.PortSecurity), output.OneLine(n.Trouble),
		})
	}
	return s
}

func networkShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a network: its addresses, its DHCP and DNS server, and trouble",
		Long: `Show a network: the addresses that guests can be given and how many are free,
the state of its dnsmasq or of libvirt, its port security, and trouble.`,
		Example: `  mdserver network show mds
  mdserver network show default -o json`,
		Args:              command.Exactly(1),
		ValidArgsFunction: selection.CompleteNetworks,
	}
	return view.Query(cmd, view.View[api.Network]{Text: printNetwork}, func(ctx context.Context, server *client.Client, args []string) (api.Network, error) {
		status, err := server.Status(ctx)
		if err != nil {
			return api.Network{}, err
		}
		return findNetwork(status.Networks, args[0])
	})
}

// findNetwork finds a network by its name.
func findNetwork(networks []api.Network, name string) (api.Network, error) {
	var names []string
	for _, n := range networks {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return api.Network{}, exit.With(exit.NotFound, fmt.Errorf("no such network: %q; there are: %s%s",
		name, strings.Join(names, ", "), command.Suggest(nearest.Word(name, slices.Values(names)))))
}

func printNetwork(w io.Writer, n api.Network) error {
	pairs := [][2]string{
		{"name", output.Printable(n.Name)},
		{"backend", n.Backend},
		{"bridge", n.Bridge},
		{"scope", n.Scope},
		{"IPv4", n.IPv4},
		{"addresses", describeUse(n)},
		{"ranges", strings.Join(n.Ranges, ", ")},
		{"IPv6", n.IPv6},
		{"domain", n.Domain},
		{"guests", strconv.Itoa(n.Guests)},
		{"port security", describeEnforced(n.PortSecurity)},
	}
	if n.Dnsmasq != nil {
		pairs = append(pairs,
			[2]string{"dnsmasq", describeDnsmasq(*n.Dnsmasq)},
			[2]string{"last change", describeChange(*n.Dnsmasq)},
		)
	}
	if n.Libvirt != nil {
		pairs = append(pairs, [2]string{"libvirt", describeLibvirtNetwork(*n.Libvirt)})
	}
	list := append(output.PlainFields(pairs), output.Field{Name: "trouble", Value: output.Paint(output.OneLine(n.Trouble), "wrong")})
	return output.ColoredFields(w, list)
}

// describeUse counts the IPv4 addresses of a network.
func describeUse(n api.Network) string {
	if n.IPv4 == "" {
		return ""
	}
	return fmt.Sprintf("%d used, %d free", n.Used, n.Free)
}

// describeChange says whether dnsmasq serves the present guests.
func describeChange(d api.Dnsmasq) string {
	switch {
	case d.Mode == api.DnsmasqOff || d.Since.IsZero():
		return ""
	case d.Live:
		return fmt.Sprintf("confirmed by dnsmasq at %s, %s", d.Since.Local().Format(time.DateTime), counted.Guests(d.Guests))
	}
	return fmt.Sprintf("not confirmed by dnsmasq since %s", d.Since.Local().Format(time.DateTime))
}

func describeLibvirtNetwork(l api.LibvirtNetwork) string {
	if !l.Connected {
		return "not connected"
	}
	state := "inactive"
	if l.Active {
		state = "active"
	}
	text := fmt.Sprintf("%s, entries of %s", state, counted.Guests(l.Entries))
	if l.Leases > 0 {
		text += fmt.Sprintf(", %s at most", counted.Of(l.Leases, "lease", "leases"))
	}
	return text
}
