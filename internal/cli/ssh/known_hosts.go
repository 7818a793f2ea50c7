package ssh

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
)

// reasonHostname is ssh's reason when it asks for the keys that it accepts. It
// asks for ORDER before that, and maybe for ADDRESS.
const reasonHostname = "HOSTNAME"

// knownHostsPatience is how long ssh waits for a server that does not answer.
const knownHostsPatience = 2 * time.Second

// KnownHostsCommand is the command known-hosts.
func KnownHostsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "known-hosts [NAME...]",
		Short: "Print the SSH host keys of guests as known_hosts lines",
		Long: `Print the SSH host keys that guests have reported, as lines for ssh's known_hosts
files, with the guests' names and addresses. --json also has the time of the last
report, and the changes of keys without a new instance-id.

With --ssh, print the keys of the guest that ssh connects to, for ssh's option
KnownHostsCommand. The exit code is 0 then, even after an error, because ssh ends
the connection otherwise. Errors are printed on standard error.

` + selection.RefHelp,
		Example: `  mdserver known-hosts web1
  ssh -o 'KnownHostsCommand=/usr/local/bin/mdserver known-hosts --ssh=%I %H' web1`,
		ValidArgsFunction: selection.CompleteGuests,
	}
	reason := cmd.Flags().String("ssh", "", "print the keys of the one host that ssh asks for; `REASON` is ssh's %I")
	cmd.Flags().Lookup("ssh").NoOptDefVal = reasonHostname
	cmd.Args = command.AtLeast(0) // with --ssh, RunE checks them and succeeds
	cmd = view.Query(cmd, view.View[[]api.SSHGuest]{Text: printKnownHosts, Notes: noteKeyless}, sshGuests)
	printAll := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *reason == "" {
			return printAll(cmd, args)
		}
		if err := printHostKeys(cmd, args, knownHostsPatience); err != nil && *reason == reasonHostname {
			output.Error(cmd.ErrOrStderr(), err)
		}
		return nil
	}
	return cmd
}

func printKnownHosts(w io.Writer, guests []api.SSHGuest) error {
	for _, guest := range guests {
		if err := printKeys(w, strings.Join(hostsOf(guest), ","), guest.Keys); err != nil {
			return err
		}
	}
	return nil
}

// noteKeyless names the guests that are missing from the lines.
func noteKeyless(w io.Writer, guests []api.SSHGuest) {
	var names []string
	for _, guest := range guests {
		if len(guest.Keys) == 0 {
			names = append(names, output.Printable(guest.Name))
		}
	}
	if len(names) > 0 {
		output.Printf(w, "mdserver: no host keys were reported by %s\n", strings.Join(names, ", "))
	}
}

func printKeys(w io.Writer, hosts string, keys []api.SSHKey) error {
	for _, key := range keys {
		if err := output.Printf(w, "%s %s %s\n", hosts, key.Type, key.Key); err != nil {
			return err
		}
	}
	return nil
}

// printHostKeys prints the keys of the guest that ssh means by a host. There are
// none for a host that is no guest. A server that does not answer is waited for no
// longer than patience.
func printHostKeys(cmd *cobra.Command, args []string, patience time.Duration) error {
	if len(args) != 1 {
		return errors.New("--ssh needs one host: known-hosts --ssh=%I %H")
	}
	server, err := command.Connect(cmd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	found, err := server.SSHHost(ctx, args[0])
	if err != nil {
		return err
	}
	for _, guest := range found {
		if err := printKeys(cmd.OutOrStdout(), args[0], guest.Keys); err != nil {
			return err
		}
	}
	return nil
}
