// Package cli is mdserver's command line. Commands are thin: they read their
// arguments, call the package that does the work, and print.
package cli

import (
	"io"

	"github.com/spf13/cobra"

	"mdserver/internal/build"
	"mdserver/internal/cli/boots"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/configuration"
	"mdserver/internal/cli/database"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/guests"
	"mdserver/internal/cli/hook"
	"mdserver/internal/cli/hosts"
	"mdserver/internal/cli/identity"
	"mdserver/internal/cli/inventory"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/server"
	"mdserver/internal/cli/setup"
	"mdserver/internal/cli/smbios"
	"mdserver/internal/cli/ssh"
	"mdserver/internal/cli/store"
	"mdserver/internal/cli/template"
	"mdserver/internal/cli/view"
)

// Main runs the command line and returns the exit code.
func Main(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	finish := output.CatchAll(root)
	cmd, err := root.ExecuteC()
	if failed := finish(); err == nil {
		err = failed
	}
	if err != nil && err.Error() != "" {
		reportError(root.ErrOrStderr(), view.FormatOf(cmd), err)
	}
	return exit.Code(err)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "mdserver",
		Short: "Serve metadata to cloud images under libvirt",
		Long: `mdserver gives unmodified cloud images under plain libvirt what a cloud gives
them: an address, a name that resolves, keys, and user-data made from templates.`,
		Example: `  sudo mdserver doctor
  mdserver status
  mdserver instance ls
  mdserver explain web1`,
		Args:              configOnly,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Version:           build.Version,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return server.Serve(cmd, args[0])
		},
	}
	root.SetVersionTemplate(versionLine())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return exit.With(exit.Usage, err) })
	root.PersistentFlags().StringP("config", "c", command.DefaultConfig, "configuration `FILE` ($MDSERVER_CONFIG)")
	root.PersistentFlags().String("socket", "", "control `SOCKET` of the server ($MDSERVER_SOCKET; default: the key socket of the configuration)")
	colorFlag(root)
	addGroup(root, groupGuests, guests.Command(), inventory.Command(), hosts.Command(), server.NetworkCommand(), smbios.Command(), identity.Command())
	addGroup(root, groupBoots, boots.WaitCommand(), boots.WatchCommand(), boots.Command(), boots.LogsCommand())
	addGroup(root, groupSSH, ssh.Command(), ssh.ConfigCommand(), ssh.KnownHostsCommand())
	addGroup(root, groupUserdata, boots.UserdataCommand(), template.Command())
	addGroup(root, groupServer, server.ServeCommand(), server.StatusCommand(), server.MetricsCommand(), server.ReloadCommand(), configuration.Command())
	addGroup(root, groupDiagnosis, setup.DoctorCommand(), guests.ExplainCommand(), server.DebugCommand())
	addGroup(root, groupMaintenance, database.BackupCommand(), database.RestoreCommand(), inventory.ExportCommand(), inventory.ImportCommand(), database.Command(), store.Command())
	addGroup(root, groupSetup, setup.InstallCommand(manualPages), setup.UninstallCommand(), hook.Command())
	addGroup(root, groupHelp, manCommand(), versionCommand())
	root.AddCommand(docsCommand(), server.LauncherCommand(), exitCodesTopic())
	setHelp(root)
	completeNothing(root)
	return root
}

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  mdserver version",
		Args:    command.Exactly(0),
	}
	type version struct {
		Date    string `json:"date"`
		Version string `json:"version"`
	}
	text := func(w io.Writer, _ version) error { return output.Printf(w, "%s", output.Verbatim(versionLine())) }
	return view.Report(cmd, view.View[version]{Text: text}, func(*cobra.Command, []string) (version, error) {
		return version{Version: build.Version, Date: build.Date}, nil
	})
}

// versionLine is what --version and the version command print.
func versionLine() string { return "mdserver " + build.Version + " (" + build.Date + ")\n" }

// configOnly accepts the one argument that the Python mdserver took.
func configOnly(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case len(args) > 1 || !command.IsFile(args[0]):
		return exit.With(exit.Usage, command.Unknown(cmd, args[0]))
	}
	return nil
}
