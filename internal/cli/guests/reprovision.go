package guests

import (
	"io"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/instance"
)

// NewMachine is what comes of another instance-id.
const NewMachine = `At its next boot, cloud-init treats the guest as a new machine:
  - user-data and vendor-data run again, including what runs only once
  - SSH host keys are created again, and clients warn about the change
  - host name, network, authorized keys and passwords are set as for a new guest
`

// reprovisioning is what comes of one that mdserver gives a guest.
const reprovisioning = NewMachine + `  - a password that the guest has posted is deleted, and it can post another

Its disks are not cleared: what earlier runs wrote stays. Name, address and UUID
stay. Nothing changes in the guest until it boots. With OpenStack, it requests its
metadata at every boot from then on, so it waits at boot while mdserver is down.
`

func reprovisionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reprovision NAME",
		Short: "Give a guest a new instance-id, so that cloud-init runs again at its next boot",
		Example: `  mdserver instance reprovision web1
  mdserver instance reprovision --yes web1`,
		Long: "Give a guest a new instance-id, so that cloud-init runs again at its next boot.\n\n" +
			reprovisioning + "\n" + selection.RefHelp,
		Args:              command.Exactly(1),
		ValidArgsFunction: selection.CompleteGuests,
	}
	view.Flags(cmd, false)
	yes := command.YesFlag(cmd)
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, args []string) error {
		inst, err := server.Instance(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if !*yes {
			if err := askToReprovision(cmd, inst); err != nil {
				return err
			}
		}
		// By its UUID: the guest that was shown, whichever has the name by now.
		changed, err := server.Reprovision(cmd.Context(), inst.UUID.String())
		if err != nil {
			return err
		}
		return view.Show(cmd, reprovisionedView(inst.ID), changed)
	})
	return cmd
}

// reprovisionedView shows the former and the new instance-id of a guest.
func reprovisionedView(former string) view.View[instance.Instance] {
	return view.View[instance.Instance]{Text: func(w io.Writer, guest instance.Instance) error {
		return output.Printf(w, "%s: the instance-id was %s and is %s\n", output.Printable(guest.Name), former, guest.ID)
	}}
}

// askToReprovision says what will happen, and asks for it.
func askToReprovision(cmd *cobra.Command, inst instance.Instance) error {
	name := output.Printable(inst.Name)
	if err := command.NeedsTerminal(cmd, "to reprovision "+name); err != nil {
		return err
	}
	output.Printf(cmd.ErrOrStderr(), "%s (%s) will get a new instance-id in place of %s.\n\n%s\n", name, addresses(inst), inst.ID, output.Verbatim(reprovisioning))
	return command.Confirm(cmd, "Reprovision "+name+"?")
}
