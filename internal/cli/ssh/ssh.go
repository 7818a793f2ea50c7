// Package ssh has the commands that connect to guests with ssh, and that tell ssh their
// host keys.
package ssh

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
)

// Command is the command ssh, with those below it.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh [USER@]NAME [-- ARGUMENT...]",
		Short: "Connect to a guest with ssh",
		Long: `Connect to a guest with ssh, at its present address. If the guest has reported
its host keys, ssh asks no question, accepts those keys only, and does not read
its known_hosts files. If the guest has not, ssh uses these files as usual.

The user is USER, or the metadata key ssh_user, or the configuration's ssh.user,
or what ssh chooses. The arguments go to ssh after the host: options, and a
command to run. The exit code is that of ssh. It needs OpenSSH 8.5 or later.

` + selection.RefHelp + `
If a guest has the name of a command below, write "mdserver ssh -- NAME".`,
		Example: `  mdserver ssh web1
  mdserver ssh root@web1 -- -L 8080:localhost:80 uptime`,
		Args:              command.AtLeast(1),
		ValidArgsFunction: selection.CompleteGuests,
		RunE: command.WithServer(func(cmd *cobra.Command, server *client.Client, args []string) error {
			user, ref, given := cutUser(args[0])
			guest, err := server.SSHGuest(cmd.Context(), ref)
			if err != nil {
				return err
			}
			if given {
				guest.User = user
			}
			arguments, err := sshArguments(cmd, guest, args[1:])
			if err != nil {
				return err
			}
			if len(guest.Keys) == 0 {
				output.Printf(cmd.ErrOrStderr(), "mdserver: %s has not reported its host keys; ssh looks for them in its known_hosts files\n", output.Printable(guest.Name))
			}
			return execSSH(arguments)
		}),
	}
	cmd.AddCommand(caCommand())
	return cmd
}

// cutUser splits USER@NAME.
func cutUser(text string) (user, ref string, given bool) {
	if i := strings.LastIndexByte(text, '@'); i > 0 {
		return text[:i], text[i+1:], true
	}
	return "", text, false
}

// sshArguments are the arguments of ssh, without its own name.
func sshArguments(cmd *cobra.Command, guest api.SSHGuest, further []string) ([]string, error) {
	if len(guest.Addresses) == 0 {
		return nil, fmt.Errorf("guest %q has no address", guest.Name)
	}
	var list []string
	for _, option := range sshOptions(cmd, guest) {
		if option[0] != "HostName" {
			list = append(list, "-o", option[0]+"="+option[1])
		}
	}
	return append(append(list, guest.Addresses[0].String()), further...), nil
}

// sshOptions are the options of ssh_config(5) for a guest.
func sshOptions(cmd *cobra.Command, guest api.SSHGuest) [][2]string {
	// By its alias ssh asks for the keys of this guest, even if another one has the address by now.
	options := [][2]string{{"HostName", guest.Addresses[0].String()}, {"HostKeyAlias", strings.ToLower(guest.Hostname)}}
	if guest.User != "" {
		options = append(options, [2]string{"User", guest.User})
	}
	if len(guest.Keys) > 0 {
		// Other files may have keys of an earlier guest with this name.
		options = append(options, [2]string{"KnownHostsCommand", knownHostsCommandLine(cmd)}, [2]string{"UserKnownHostsFile", os.DevNull},
			[2]string{"GlobalKnownHostsFile", os.DevNull}, [2]string{"StrictHostKeyChecking", "yes"})
	}
	return options
}

// knownHostsCommandLine is the value of ssh's option KnownHostsCommand that asks
// the same server as this command. ssh wants an absolute path.
func knownHostsCommandLine(cmd *cobra.Command) string {
	words := []string{programPath()}
	if socket := command.SocketFlag(cmd); socket != "" {
		words = append(words, "--socket", absolute(socket))
	} else if command.ConfigNamed(cmd) {
		words = append(words, "--config", absolute(command.ConfigFile(cmd, nil)))
	}
	for i, word := range words {
		word = strings.ReplaceAll(word, "%", "%%")
		if strings.ContainsAny(word, " \t\"'\\#") {
			word = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
		}
		words[i] = word
	}
	return strings.Join(append(words, "known-hosts", "--ssh=%I", "%H"), " ")
}

// programPath is the path of this program, as it was called.
func programPath() string {
	if path, err := exec.LookPath(os.Args[0]); err == nil {
		return absolute(path)
	}
	path, _ := os.Executable() // Linux always knows it
	return path
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// execSSH replaces this program by ssh.
func execSSH(arguments []string) error {
	path, err := exec.LookPath("ssh")
	if err != nil {
		return fmt.Errorf("ssh is not installed: %w", err)
	}
	if err := unix.Exec(path, append([]string{"ssh"}, arguments...), os.Environ()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// ConfigCommand is the command ssh-config.
func ConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh-config [NAME...]",
		Short: "Print an ssh configuration for the guests",
		Long: `Print a configuration for ssh with an entry for each guest: its names and
addresses, its present address, the user as far as it is known, and where ssh
finds its host keys. Include it in ~/.ssh/config, and print it again when guests
were added or got other addresses. It needs OpenSSH 8.5 or later.

For a guest that has reported its host keys, ssh accepts those and no others.

` + selection.RefHelp,
		Example: `  mdserver ssh-config > ~/.ssh/mdserver.conf
  [ -s ~/.ssh/config ] || echo > ~/.ssh/config
  sed -i '1i Include mdserver.conf' ~/.ssh/config`,
		Args:              command.AtLeast(0),
		ValidArgsFunction: selection.CompleteGuests,
	}
	return view.Query(cmd, view.View[[]api.SSHGuest]{Text: func(w io.Writer, guests []api.SSHGuest) error {
		return printSSHConfig(w, cmd, guests)
	}}, sshGuests)
}

func printSSHConfig(w io.Writer, cmd *cobra.Command, guests []api.SSHGuest) error {
	for _, guest := range guests {
		if len(guest.Addresses) == 0 {
			output.Printf(w, "# %s has no address\n", output.Printable(guest.Name))
			continue
		}
		output.Printf(w, "Host %s\n", strings.Join(hostsOf(guest), " "))
		for _, option := range sshOptions(cmd, guest) {
			if err := output.Printf(w, "    %s %s\n", option[0], option[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// hostsOf are the names and addresses of a guest.
func hostsOf(guest api.SSHGuest) []string {
	hosts := append([]string{}, guest.Names...)
	for _, addr := range guest.Addresses {
		hosts = append(hosts, addr.String())
	}
	return hosts
}

// sshGuests are the guests that are named, or all.
func sshGuests(ctx context.Context, server *client.Client, refs []string) ([]api.SSHGuest, error) {
	if len(refs) == 0 {
		return server.SSHGuests(ctx)
	}
	guests := []api.SSHGuest{}
	for _, ref := range refs {
		guest, err := server.SSHGuest(ctx, ref)
		if err != nil {
			return nil, err
		}
		guests = append(guests, guest)
	}
	return guests, nil
}
