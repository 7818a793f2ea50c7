// Package cli is mdserver's command line. Commands are thin: they read their
// arguments, call the package that does the work, and print.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/config"
)

const defaultConfig = "/etc/mdserver/mdserver.conf"

// Main runs the command line and returns the exit code.
func Main(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	defer catchAll(root)()
	cmd, err := root.ExecuteC()
	if err != nil && err.Error() != "" {
		reportError(root.ErrOrStderr(), formatOf(cmd), err)
	}
	return exitCode(err)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "mdserver [CONFIG]",
		Short: "Metadata server for cloud images under libvirt",
		Long: `mdserver gives unmodified cloud images under plain libvirt what a cloud gives
them: an address, a name that resolves, keys, and user-data made from templates.

With the path of a configuration file as its only argument it serves, like the
original mdserver; "mdserver serve" does the same.`,
		Args:          configOnly,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       config.Version,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return serve(cmd, args[0])
		},
	}
	root.SetVersionTemplate(versionLine())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	root.PersistentFlags().StringP("config", "c", defaultConfig, "configuration `FILE` ($MDSERVER_CONFIG)")
	root.PersistentFlags().String("socket", "", "control `SOCKET` of the server ($MDSERVER_SOCKET; default: the key socket of the configuration)")
	colorFlag(root)
	root.AddCommand(
		serveCommand(), instanceCommand(), networkCommand(), userdataCommand(), statusCommand(), reloadCommand(), exportCommand(), importCommand(), backupCommand(), restoreCommand(),
		configCommand(), identityCommand(), templateCommand(), hookCommand(), installCommand(), uninstallCommand(), docsCommand(),
		doctorCommand(), databaseCommand(), explainCommand(), smbiosCommand(), launcherCommand(), versionCommand(), debugCommand(), exitCodesTopic(),
	)
	refuseUnknownShells(root)
	return root
}

// refuseUnknownShells makes `completion` with the name of no shell an error:
// cobra's own prints its help and succeeds.
func refuseUnknownShells(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	completion.Args = args(cobra.NoArgs)
	completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  args(cobra.NoArgs),
	}
	type version struct {
		Date    string `json:"date"`
		Version string `json:"version"`
	}
	text := func(w io.Writer, _ version) error { return printf(w, "%s", verbatim(versionLine())) }
	return report(cmd, view[version]{text: text}, func(*cobra.Command, []string) (version, error) {
		return version{Version: config.Version, Date: config.ReleaseDate}, nil
	})
}

// versionLine is what --version and the version command print.
func versionLine() string { return "mdserver " + config.Version + " (" + config.ReleaseDate + ")\n" }

// configOnly accepts the one argument that the original took.
func configOnly(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case len(args) > 1 || !isFile(args[0]):
		return &exitError{exitUsage, unknownCommand(cmd, args[0])}
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

func unknownCommand(cmd *cobra.Command, name string) error {
	if strings.ContainsRune(name, '/') || strings.HasSuffix(name, ".conf") {
		switch info, err := os.Stat(name); {
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("there is no configuration file %s", name)
		case err == nil && info.IsDir():
			return fmt.Errorf("%s is a directory, not a configuration file", name)
		}
	}
	if cmd.HasParent() {
		return fmt.Errorf("%q is not a command of `%s`%s; see `%s --help`", name, cmd.CommandPath(), didYouMean(cmd, name), cmd.CommandPath())
	}
	return fmt.Errorf("%q is neither a command nor a configuration file%s; `mdserver help` lists the commands", name, didYouMean(cmd, name))
}

func didYouMean(cmd *cobra.Command, name string) string {
	const typingErrors = 2
	cmd.SuggestionsMinimumDistance = typingErrors
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return suggest(near[0])
	}
	return ""
}

// suggest completes an error with what was probably meant, unless that is empty.
func suggest(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}

// args wraps an argument check so that its failure is a usage error that says
// how the command is called.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, list []string) error {
		err := check(cmd, list)
		switch {
		case err == nil:
			return nil
		case cmd.HasAvailableSubCommands() && len(list) > 0:
			err = unknownCommand(cmd, list[0])
		default:
			err = fmt.Errorf("%s; usage: %s; see `%s --help`", wrongCount(list), cmd.UseLine(), cmd.CommandPath())
		}
		return &exitError{exitUsage, err}
	}
}

func wrongCount(list []string) string {
	if len(list) == 0 {
		return "an argument is missing"
	}
	return fmt.Sprintf("these arguments are too many or too few: %q", list)
}
