package server

import (
	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/client"
)

// MetricsCommand is the command metrics.
func MetricsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "metrics",
		Short: "Print the server's metrics in the text format of Prometheus",
		Long: `Print the server's metrics in the text format of Prometheus.

To let Prometheus scrape them by HTTP, set the key listen in the section [metrics].`,
		Example: `  mdserver metrics | grep mdserver_network_addresses_free`,
		Args:    command.Exactly(0),
		RunE: command.WithServer(func(cmd *cobra.Command, server *client.Client, _ []string) error {
			text, err := server.Metrics(cmd.Context())
			if err != nil {
				return err
			}
			return output.Raw(cmd, text)
		}),
	}
}
