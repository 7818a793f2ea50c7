package ssh

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
)

// hostCA is what `mdserver ssh ca --json` prints.
type hostCA struct {
	api.SSHKey
	Hosts  string         `json:"hosts"`
	Line   string         `json:"line"` // of known_hosts
	Former []formerHostCA `json:"former,omitempty"`
}

// formerHostCA is a key that signed before, with its line.
type formerHostCA struct {
	api.SSHFormerKey
	Line string `json:"line"`
}

func newHostCA(ca api.SSHAuthority, hosts string) hostCA {
	line := func(key api.SSHKey) string {
		return "@cert-authority " + hosts + " " + key.Type + " " + key.Key + " mdserver"
	}
	result := hostCA{SSHKey: ca.SSHKey, Hosts: hosts, Line: line(ca.SSHKey)}
	for _, former := range ca.Former {
		result.Former = append(result.Former, formerHostCA{former, line(former.SSHKey)})
	}
	return result
}

var hostCAView = view.View[hostCA]{Text: func(w io.Writer, ca hostCA) error {
	err := output.Printf(w, "%s\n", ca.Line)
	for _, former := range ca.Former {
		if err == nil {
			err = output.Printf(w, "%s\n", former.Line)
		}
	}
	return err
}}

// hostsFlag adds --hosts.
func hostsFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("hosts", "*", "host `PATTERNS` of ssh, separated by commas; certificates of other hosts are not trusted")
}

func checkHosts(hosts string) error {
	if hosts == "" || strings.ContainsAny(hosts, " \t\r\n#") {
		return exit.With(exit.Usage, fmt.Errorf("--hosts %q: accepted are patterns without spaces, separated by commas", hosts))
	}
	return nil
}

func caCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ca [COMMAND]",
		Short: "Print the known_hosts lines that trust the guests' host certificates",
		Long: `Print the known_hosts line for the host certificates of guests. With this line,
ssh trusts the certificates that the server signs. It is the same for all guests,
also for future ones. The server signs if the configuration has host_ca = yes in
the section [ssh].

After "mdserver ssh ca rotate" there are several lines: first that of the key which
signs, then those of former keys whose certificates are still valid.

A certificate holds for the names and addresses of one guest. With --hosts, the
client trusts certificates for some names and addresses only.`,
		Example: `  mdserver ssh ca | sudo tee -a /etc/ssh/ssh_known_hosts
  mdserver ssh ca --hosts '*.vm.example.net,10.122.*' >> ~/.ssh/known_hosts`,
		Args:              command.Exactly(0),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	hosts := hostsFlag(cmd)
	view.Query(cmd, hostCAView, func(ctx context.Context, server *client.Client, _ []string) (hostCA, error) {
		if err := checkHosts(*hosts); err != nil {
			return hostCA{}, err
		}
		ca, err := server.HostCA(ctx)
		return newHostCA(ca, *hosts), err
	})
	cmd.AddCommand(rotateCommand())
	return cmd
}

// rotation is what comes of another key.
const rotation = `The server makes another key, and signs the host certificates of guests with it from
now on. A guest gets such a certificate at its next boot and, while it runs, within
a day. Clients accept it only if they have the new line of "mdserver ssh ca".
Certificates of the present key stay valid until they end, and "mdserver ssh ca"
prints the line of that key until then.
`

func rotateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make another key that signs the guests' host certificates",
		Long: "Replace the key that signs the guests' host certificates, and print the known_hosts\n" +
			"lines as \"mdserver ssh ca\" does.\n\n" + rotation,
		Example: `  mdserver ssh ca rotate
  mdserver ssh ca rotate --yes | sudo tee -a /etc/ssh/ssh_known_hosts`,
		Args: command.Exactly(0),
	}
	view.Flags(cmd, false)
	hosts, yes := hostsFlag(cmd), command.YesFlag(cmd)
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, _ []string) error {
		if err := checkHosts(*hosts); err != nil {
			return err
		}
		if _, err := server.HostCA(cmd.Context()); err != nil { // it signs none
			return err
		}
		if !*yes {
			if err := askToRotate(cmd); err != nil {
				return err
			}
		}
		ca, err := server.RotateHostCA(cmd.Context())
		if err != nil {
			return err
		}
		return view.Show(cmd, hostCAView, newHostCA(ca, *hosts))
	})
	return cmd
}

// askToRotate says what will happen, and asks for it.
func askToRotate(cmd *cobra.Command) error {
	if err := command.NeedsTerminal(cmd, "to rotate the key"); err != nil {
		return err
	}
	output.Printf(cmd.ErrOrStderr(), "%s\n", output.Verbatim(rotation))
	return command.Confirm(cmd, "Make another key?")
}
