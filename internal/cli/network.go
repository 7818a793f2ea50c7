package cli

import (
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
)

func networkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "network",
		Aliases: []string{"networks", "net"},
		Short:   "List the networks that guests are served on",
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(networkListCommand())
	return cmd
}

func networkListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the networks, their bridges, addresses and guests",
		Args:    args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := connect(cmd)
		if err != nil {
			return err
		}
		status, err := c.Status(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), status.Networks)
		}
		return printNetworks(cmd.OutOrStdout(), status.Networks)
	}
	return cmd
}

func printNetworks(w io.Writer, networks []api.Network) error {
	rows := make([][]string, 0, len(networks))
	for _, n := range networks {
		trouble := "-"
		if n.Trouble != "" {
			trouble = oneLine(n.Trouble)
		}
		rows = append(rows, []string{
			n.Name, n.Backend, dash(n.Bridge), dash(n.IPv4), dash(n.IPv6), dash(n.Domain), strconv.Itoa(n.Guests),
			describePortSecurity(n.PortSecurity), trouble,
		})
	}
	return table(w, []string{"NAME", "BACKEND", "BRIDGE", "IPV4", "IPV6", "DOMAIN", "GUESTS", "PORT SECURITY", "TROUBLE"}, rows)
}
