package configuration

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/config"
)

func getCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print the active value of one key",
		Long: `Print the active value of a key, SECTION.KEY, and nothing else: the one that the
configuration sets, or the default. Secrets are not printed: mdserver.password,
and the keys of [public-keys] and [template-data].

The exit code is 4 if there is no such key.`,
		Example: `  mdserver config get mdserver.port
  mdserver config get dnsmasq.net_address
  mdserver config get "network lab.interface"`,
		Args:              command.Exactly(1),
		ValidArgsFunction: completeKeys,
	}
	return view.Report(cmd, settingView, func(cmd *cobra.Command, args []string) (config.Setting, error) {
		cfg, err := command.LoadConfig(cmd)
		if err != nil {
			return config.Setting{}, err
		}
		setting, err := cfg.Get(args[0])
		if errors.Is(err, config.ErrNoKey) {
			err = exit.With(exit.NotFound, err)
		}
		return setting, err
	})
}

var settingView = view.View[config.Setting]{Text: func(w io.Writer, s config.Setting) error { return output.Printf(w, "%s\n", s.Value) }}

// completeKeys offers the keys of the configuration to the shell.
func completeKeys(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := command.LoadConfig(cmd)
	if err != nil {
		cfg = config.Default()
	}
	var keys []string
	for _, s := range cfg.Effective() {
		keys = append(keys, s.Key)
	}
	return keys, cobra.ShellCompDirectiveNoFileComp
}
