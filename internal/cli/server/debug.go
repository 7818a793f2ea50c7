package server

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
)

// DebugCommand is the command debug, with those below it.
func DebugCommand() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "debug",
		Short:   "Debug a running server",
		Example: "  sudo mdserver debug usage",
		Long: `Debug a running server to find a fault in it. Only root and the server's own
user can use it. It works while requests hang. If the control socket does not answer,
"systemctl kill --signal=QUIT mdserver" ends the server and makes it print its
goroutines to the log.`,
	},
		dumpCommand("goroutines", "Print what each goroutine of the server does",
			"Print what each goroutine of the server does, as text."),
		dumpCommand("heap", "Write a profile of the memory in use",
			"Write a profile of the memory in use after a garbage collection, for `go tool pprof`."),
		dumpCommand("allocs", "Write a profile of all memory that was allocated",
			"Write a profile of all memory that was allocated since the server started, for\n`go tool pprof`."),
		usageCommand(),
	)
}

func dumpCommand(name, short, long string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     name,
		Short:   short,
		Long:    long,
		Example: "  sudo mdserver debug " + name + " -o " + name,
		Args:    command.Exactly(0),
	}
	output := command.OutputFlag(cmd)
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, _ []string) error {
		dump, err := server.Debug(cmd.Context(), name)
		if err != nil {
			return err
		}
		return command.WriteOutput(cmd, *output, dump)
	})
	return cmd
}

func usageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "usage",
		Short:   "Print how much memory and how many descriptors the server uses",
		Example: "  sudo mdserver debug usage",
		Long: `Print how much memory the server uses after a garbage collection, how many
goroutines it has, and how many files and sockets it has open.`,
		Args: command.Exactly(0),
	}
	return view.Query(cmd, view.View[api.Usage]{Text: printUsage}, func(ctx context.Context, server *client.Client, _ []string) (api.Usage, error) {
		return server.Usage(ctx)
	})
}

func printUsage(w io.Writer, use api.Usage) error {
	return output.Fields(w, [][2]string{
		{"heap", fmt.Sprintf("%d kB", use.HeapBytes/1000)},
		{"goroutines", fmt.Sprint(use.Goroutines)},
		{"descriptors", fmt.Sprint(use.Descriptors)},
	})
}
