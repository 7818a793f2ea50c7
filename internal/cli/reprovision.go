package cli

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"mdserver/internal/client"
	"mdserver/internal/instance"
)

// newMachine is what comes of another instance-id.
const newMachine = `At its next boot, cloud-init treats the guest as a new machine:
  - user-data and vendor-data run again, including what runs only once
  - SSH host keys are created again, and clients warn about the change
  - host name, network, authorized keys and passwords are set as for a new guest
`

// reprovisioning is what comes of one that mdserver gives a guest.
const reprovisioning = newMachine + `  - a password that the guest has posted is deleted, and it can post another

Its disks are not cleared: what earlier runs wrote stays. Name, address and UUID
stay. Nothing changes in the guest until it boots. With OpenStack, it requests its
metadata at every boot from then on, so it waits at boot while mdserver is down.
`

func reprovisionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reprovision NAME",
		Short: "Give a guest a new instance-id, so that cloud-init runs again at its next boot",
		Long: "Give a guest a new instance-id, so that cloud-init runs again at its next boot.\n\n" +
			reprovisioning + "\n" + refHelp,
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeGuests,
	}
	resultFlags(cmd, false)
	yes := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	cmd.RunE = withServer(func(cmd *cobra.Command, server *client.Client, args []string) error {
		inst, err := server.Instance(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if err := announce(cmd, inst, *yes); err != nil {
			return err
		}
		// By its UUID: the guest that was shown, whichever has the name by now.
		changed, err := server.Reprovision(cmd.Context(), inst.UUID.String())
		if err != nil {
			return err
		}
		return show(cmd, view[instance.Instance]{text: func(w io.Writer, changed instance.Instance) error {
			return printf(w, "%s: the instance-id was %s and is %s\n", printable(changed.Name), inst.ID, changed.ID)
		}}, changed)
	})
	return cmd
}

// announce says what is about to happen and, unless that is agreed to already,
// asks for it.
func announce(cmd *cobra.Command, inst instance.Instance, agreed bool) error {
	name := printable(inst.Name)
	if !agreed && !isTerminal(cmd.InOrStdin()) {
		return &exitError{exitUsage, errors.New("not a terminal; use --yes to confirm that " + name + " is to be reprovisioned")}
	}
	printf(cmd.ErrOrStderr(), "%s (%s) is to get a new instance-id in place of %s.\n\n%s\n", name, addresses(inst), inst.ID, verbatim(reprovisioning))
	if agreed {
		return nil
	}
	return confirm(cmd, "Reprovision "+name+"?")
}
