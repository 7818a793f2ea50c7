package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
)

func debugCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "debug",
		Short: "Look into a running server",
		Long: `Look into a running server, for those who search for a fault in it. Only root and
the server's own user may. It works while requests hang. Where the control socket
does not answer, "systemctl kill --signal=QUIT mdserver" ends the server and has
it print its goroutines to the log.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		dumpCommand("goroutines", "Print what each goroutine of the server does",
			"Print what each goroutine of the server does, as text."),
		dumpCommand("heap", "Write a profile of the memory in use",
			"Write a profile of the memory in use after a garbage collection, for `go tool pprof`."),
		dumpCommand("allocs", "Write a profile of all memory that was allocated",
			"Write a profile of all memory that was allocated since the server started, for\n`go tool pprof`."),
		usageCommand(),
	)
	return cmd
}

func dumpCommand(name, short, long string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Long:  long,
		Args:  args(cobra.NoArgs),
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := connect(cmd)
		if err != nil {
			return err
		}
		dump, err := c.Debug(cmd.Context(), name)
		if err != nil {
			return err
		}
		return writeOutput(cmd, *output, dump)
	}
	return cmd
}

func usageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Print how much memory and how many descriptors the server uses",
		Long: `Print how much memory the server uses after a garbage collection, how many
goroutines it has, and how many files and sockets it has open.`,
		Args: args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := connect(cmd)
		if err != nil {
			return err
		}
		use, err := c.Usage(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), use)
		}
		return printUsage(cmd, use)
	}
	return cmd
}

func printUsage(cmd *cobra.Command, use api.Usage) error {
	return fields(cmd.OutOrStdout(), [][2]string{
		{"heap", fmt.Sprintf("%d kB", use.HeapBytes/1000)},
		{"goroutines", fmt.Sprint(use.Goroutines)},
		{"descriptors", fmt.Sprint(use.Descriptors)},
	})
}
