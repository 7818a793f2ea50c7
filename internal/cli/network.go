package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/client"
)

func networkCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "network",
		Aliases: []string{"networks", "net"},
		Short:   "List the networks that guests are served on",
	}, networkListCommand())
}

func networkListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the networks, their bridges, addresses and guests",
		Args:    args(cobra.NoArgs),
	}
	return query(cmd, view[[]api.Network]{sheet: networkSheet}, func(ctx context.Context, server *client.Client, _ []string) ([]api.Network, error) {
		status, err := server.Status(ctx)
		return status.Networks, err
	})
}

func networkSheet(networks []api.Network) sheet {
	s := sheet{
		columns: []string{"NAME", "BACKEND", "BRIDGE", "IPV4", "IPV6", "DOMAIN", "GUESTS", "USED", "FREE", "PORT SECURITY", "TROUBLE"},
	}
	for _, n := range networks {
		s.rows = append(s.rows, []string{
			n.Name, n.Backend, n.Bridge, n.IPv4, n.IPv6, n.Domain, strconv.Itoa(n.Guests), strconv.Itoa(n.Used), strconv.Itoa(n.Free),
			describePortSecurity(n.PortSecurity), oneLine(n.Trouble),
		})
	}
	return s
}
