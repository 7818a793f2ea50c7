package guests

import (
	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/client"
)

func passwordCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "password NAME",
		Short: "Print the password that a guest has posted",
		Long: `Print the password that a guest has posted to OpenStack's password endpoint, as
Windows images do. It is usually encrypted with the guest's first public key and
in base64. A guest can post it once.

` + selection.RefHelp,
		Example: `  mdserver instance password win1 | base64 -d |
    openssl pkeyutl -decrypt -inkey ~/.ssh/id_rsa`,
		Args:              command.Exactly(1),
		ValidArgsFunction: selection.CompleteGuests,
		RunE: command.WithServer(func(cmd *cobra.Command, server *client.Client, args []string) error {
			password, err := server.Password(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			// Base64 may come in lines; nothing else is printed that a line could look like.
			return output.Printf(cmd.OutOrStdout(), "%s\n", output.Verbatim(password))
		}),
	}
}
