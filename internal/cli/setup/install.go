// Package setup has the commands that install mdserver on a host, remove it, and
// diagnose the host.
package setup

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/config"
	"mdserver/internal/install"
	ports "mdserver/internal/portsecurity/table"
)

// InstallCommand is the command install. The man pages and completion scripts that it
// installs come from manual, because they are about all commands.
func InstallCommand(manual func() ([]install.Page, error)) *cobra.Command {
	var opts install.Options
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install the program, its units, hook and configuration",
		Example: `  sudo ./mdserver install --dry-run
  sudo ./mdserver install --start`,
		Long: `Install this program with everything that it needs on a libvirt host: the
systemd units, libvirt's hook and network definition, the sample configuration
and user-data, rules for tmpfiles and logrotate, man pages, completion for bash,
zsh and fish, and a system user.

It starts nothing without --start, which also writes the network and the
SSH keys into the configuration, starts the network, lets libvirt read the hook,
opens firewalld's zone libvirt, starts mdserver and runs "mdserver doctor". Each
command is printed. "mdserver uninstall" undoes them.

Run it again to upgrade. Files that you changed are kept, and the new version is
written beside them as FILE.new. An existing mdserver.conf is never
touched. Units, program and hook of the Python mdserver are renamed to
FILE.orig-mdserver; "mdserver uninstall" puts them back, and enables and starts
the units that were enabled and running before. A hook with lines of your own
stays where it is.`,
		Args: command.Exactly(0),
	}
	installFlags(cmd, &opts)
	cmd.Flags().StringVar(&opts.User, "user", "mdserver", "system `USER` that mdserver runs as; created if missing")
	cmd.Flags().BoolVar(&opts.NoUser, "no-user", false, "create no user")
	start := startFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if opts.Start, err = start(); err != nil {
			return err
		}
		if opts.Executable, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		if opts.Manual, err = manual(); err != nil {
			return err
		}
		report, err := install.Install(cmd.Context(), onThisHost(opts))
		if isStarted(opts, err) {
			return finishStart(cmd, report)
		}
		return finishInstall(cmd, report, err)
	}
	return cmd
}

// UninstallCommand is the command uninstall.
func UninstallCommand() *cobra.Command {
	var opts install.Options
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove what \"mdserver install\" put in place",
		Example: `  sudo mdserver uninstall --dry-run
  sudo mdserver uninstall`,
		Long: `Stop mdserver and remove what "mdserver install" installed, except for files that
you changed, and mdserver's entries in libvirt's networks. Files of the Python
mdserver that were renamed get their names back.

Configuration in /etc/mdserver and data in /var/lib/mdserver stay. --purge removes
them, with the log and the user; it also works later.`,
		Args: command.Exactly(0),
	}
	installFlags(cmd, &opts)
	cmd.Flags().BoolVar(&opts.Purge, "purge", false, "remove configuration, user-data, inventory, log and user as well")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		report, err := install.Uninstall(cmd.Context(), onThisHost(opts))
		return finishInstall(cmd, report, err)
	}
	return cmd
}

// installFlags are those that both commands have.
func installFlags(cmd *cobra.Command, opts *install.Options) {
	flags := cmd.Flags()
	flags.StringVar(&opts.Root, "root", "", "work on the directory tree below `DIR` instead of the running system")
	flags.StringVar(&opts.Prefix, "prefix", "/usr/local", "where the program is, as `PREFIX`/bin/mdserver")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "only print what would be done")
	view.Flags(cmd, false)
}

// onThisHost adds who and where we are.
func onThisHost(opts install.Options) install.Options {
	opts.UID = os.Geteuid()
	_, err := os.Stat("/run/systemd/system") // see sd_booted(3)
	opts.Systemd = err == nil
	opts.Run = install.Exec
	opts.Query = install.ExecQuery
	opts.Load = config.Load
	opts.Withdraw = withdraw
	opts.RemoveTable = ports.Remove
	return opts
}

// finishInstall prints what was done, up to an error if there was one.
func finishInstall(cmd *cobra.Command, report *install.Report, err error) error {
	if report == nil {
		return err
	}
	if printErr := view.Show(cmd, view.View[*install.Report]{Text: printInstall}, report); err == nil {
		err = printErr
	}
	return err
}

func printInstall(w io.Writer, report *install.Report) error {
	if report.DryRun {
		output.Printf(w, "This is what would be done:\n")
	}
	var rows [][]string
	for _, c := range withoutPages(report.Changes) {
		rows = append(rows, []string{string(c.Action), c.Name, c.Note})
	}
	if err := output.Table(w, []string{"ACTION", "FILE", "NOTE"}, rows); err != nil {
		return err
	}
	printFindings(w, "Needs your attention:", report.Findings)
	printFindings(w, "Next:", report.Next)
	return nil
}

// withoutPages summarizes man pages with the same action.
func withoutPages(changes []install.Change) []install.Change {
	count := map[install.Action]int{}
	isPage := func(c install.Change) bool { return strings.HasSuffix(c.Name, ".8") && c.Note == "" }
	for _, c := range changes {
		if isPage(c) {
			count[c.Action]++
		}
	}
	var list []install.Change
	for _, c := range changes {
		switch n := count[c.Action]; {
		case !isPage(c) || n == 1:
			list = append(list, c)
		case n > 1:
			c.Name, c.Note = path.Dir(c.Name)+"/mdserver*.8", fmt.Sprintf("%d man pages", n)
			list = append(list, c)
			count[c.Action] = 0
		}
	}
	return list
}

func printFindings(w io.Writer, heading string, findings []install.Finding) {
	if len(findings) == 0 {
		return
	}
	output.Printf(w, "\n%s\n", heading)
	for _, f := range findings {
		output.Printf(w, "- %s\n", f.What)
		for _, command := range f.Commands {
			output.Printf(w, "    %s\n", command)
		}
	}
}
