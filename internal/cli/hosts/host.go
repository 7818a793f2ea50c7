// Package hosts has the commands that list, drain and forget the hosts that share the
// inventory.
package hosts

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/counted"
)

// Command is the command host, with those below it.
func Command() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "host",
		Aliases: []string{"hosts"},
		Short:   "List, drain and forget the hosts that share the inventory",
		Example: `  mdserver host ls
  mdserver host drain kvm3 --wait
  mdserver host forget kvm3`,
	}, listCommand(), drainCommand(), forgetCommand())
}

func listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the hosts that share the inventory",
		Long: `List the hosts that share the inventory in etcd: whether each is alive or away, how
many guests it has, and since when its server runs. A host is away if etcd has not
heard of it for ten seconds. Its guests stay its own until another host starts them.

The column DRAINED marks hosts that are out of service, and THIS the host that was asked.
With -o json, network_conflicts has the networks on which a host and another one disagree.
With the backend bolt there is one host only.`,
		Example: `  mdserver host ls
  mdserver host ls -o json`,
		Args: command.Exactly(0),
	}
	return view.Query(cmd, view.View[[]api.Host]{Sheet: hostSheet}, func(ctx context.Context, server *client.Client, _ []string) ([]api.Host, error) {
		return server.Hosts(ctx)
	})
}

func hostSheet(hosts []api.Host) view.Sheet {
	s := view.Sheet{Columns: []string{"NAME", "STATE", "DRAINED", "GUESTS", "VERSION", "SINCE", "THIS", "ID"}}
	for _, h := range hosts {
		s.Rows = append(s.Rows, []string{output.Printable(h.Name), string(h.State), yesIf(!h.Drained.IsZero()), strconv.Itoa(h.Guests), output.Printable(h.Version),
			h.Since.Local().Format(time.DateTime), yesIf(h.This), output.Name(h.ID)})
	}
	return s
}

// yesIf is yes, or empty for no.
func yesIf(is bool) string {
	if is {
		return "yes"
	}
	return ""
}

func forgetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forget NAME|ID",
		Short: "Forget a host that does not return",
		Long: `Remove a host from the list of hosts. Its guests belong to no host then. They keep their
addresses and names, and belong to the next host that starts them.

A host that is alive is only forgotten with --force. It is back in the list as soon as
its server starts again.`,
		Example: `  mdserver host forget kvm3
  mdserver host forget --yes 6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b`,
		Args:              command.Exactly(1),
		ValidArgsFunction: selection.CompleteHosts,
	}
	view.Flags(cmd, false)
	yes := command.YesFlag(cmd)
	force := cmd.Flags().Bool("force", false, "forget the host even if it is alive")
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, args []string) error {
		if !*yes && output.IsTerminal(cmd.InOrStdin()) {
			if err := command.Confirm(cmd, fmt.Sprintf("Forget the host %s?", output.Printable(args[0]))); err != nil {
				return err
			}
		}
		forgotten, err := server.ForgetHost(cmd.Context(), args[0], *force)
		if err != nil {
			return err
		}
		return view.Show(cmd, view.View[api.Forgotten]{Text: printForgotten}, forgotten)
	})
	return cmd
}

func printForgotten(w io.Writer, f api.Forgotten) error {
	output.Printf(w, "forgot %s, which had %s\n", output.Printable(f.Host.Name), counted.Guests(f.Guests))
	return nil
}
