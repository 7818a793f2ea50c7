package guests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/instance"
)

func removeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rm NAME...",
		Aliases: []string{"remove"},
		Short:   "Remove guests, so that their addresses can be used again",
		Long: `Remove guests from the inventory, DHCP and DNS. Other guests get their addresses
after the time of dnsmasq.quarantine. The domains in libvirt stay: one that is
started again becomes a guest again.

On a terminal, the command asks first. It removes all guests that it finds; if a
name is unknown, it says so at the end, and the exit code is 4.

` + selection.RefHelp,
		Example: `  mdserver instance rm web1
  mdserver instance rm --dry-run web1 web2
  mdserver instance rm --yes 10.122.0.7`,
		Args:              command.AtLeast(1),
		ValidArgsFunction: selection.CompleteGuests,
	}
	view.Flags(cmd, false)
	yes := command.YesFlag(cmd)
	dryRun := cmd.Flags().Bool("dry-run", false, "show what would be removed, and change nothing")
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, refs []string) error {
		guests, unknown := selection.Find(cmd.Context(), server, refs)
		if len(guests) == 0 {
			return unknown
		}
		if *dryRun {
			return errors.Join(view.Show(cmd, removedView("would remove"), guests), unknown)
		}
		if !*yes && output.IsTerminal(cmd.InOrStdin()) {
			if err := command.Confirm(cmd, removalQuestion(guests)); err != nil {
				return err
			}
		}
		removed, err := release(cmd.Context(), server, guests)
		return errors.Join(err, view.Show(cmd, removedView("removed"), removed), unknown)
	})
	return cmd
}

// release removes guests by their UUIDs: those that were shown, even if others
// have their names or addresses by now.
func release(ctx context.Context, server *client.Client, guests []instance.Instance) ([]instance.Instance, error) {
	removed := []instance.Instance{}
	var errs []error
	for _, guest := range guests {
		inst, err := server.Release(ctx, guest.UUID.String())
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", output.Printable(guest.Name), err))
			continue
		}
		removed = append(removed, inst)
	}
	return removed, errors.Join(errs...)
}

func removalQuestion(guests []instance.Instance) string {
	names := make([]string, 0, len(guests))
	for _, guest := range guests {
		names = append(names, fmt.Sprintf("%s (%s)", output.Printable(guest.Name), addresses(guest)))
	}
	return "Remove " + strings.Join(names, ", ") + "?"
}

// removedView shows guests with what was done to them.
func removedView(done string) view.View[[]instance.Instance] {
	return view.View[[]instance.Instance]{Text: func(w io.Writer, guests []instance.Instance) error {
		for _, guest := range guests {
			output.Printf(w, "%s %s: %s\n", done, output.Printable(guest.Name), addresses(guest))
		}
		return nil
	}}
}
