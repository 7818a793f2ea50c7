package cli

import (
	"cmp"
	"context"
	"os"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/client"
	"mdserver/internal/config"
)

// Environment variables in place of the flags --config and --socket.
const (
	envConfig = "MDSERVER_CONFIG"
	envSocket = "MDSERVER_SOCKET"
)

// run is the function of a command, as cobra calls it.
type run = func(cmd *cobra.Command, args []string) error

// group declares a command that has others below it.
func group(cmd *cobra.Command, members ...*cobra.Command) *cobra.Command {
	cmd.Args = exactly(0)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(members...)
	return cmd
}

// withServer makes the function of a command that asks the server.
func withServer(f func(cmd *cobra.Command, server *client.Client, args []string) error) run {
	return func(cmd *cobra.Command, args []string) error {
		server, err := connect(cmd)
		if err != nil {
			return err
		}
		return f(cmd, server, args)
	}
}

// withConfig makes the function of a command that reads the configuration.
func withConfig(f func(cmd *cobra.Command, cfg *config.Config, args []string) error) run {
	return func(cmd *cobra.Command, args []string) error {
		cfg, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		return f(cmd, cfg, args)
	}
}

// report declares a command that works out a result and shows it.
func report[T any](cmd *cobra.Command, v view[T], get func(cmd *cobra.Command, args []string) (T, error)) *cobra.Command {
	resultFlags(cmd, v.sheet != nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		value, err := get(cmd, args)
		if err != nil {
			return err
		}
		return show(cmd, v, value)
	}
	return cmd
}

// query declares a command that gets its result from the server and shows it.
func query[T any](cmd *cobra.Command, v view[T], get func(ctx context.Context, server *client.Client, args []string) (T, error)) *cobra.Command {
	return report(cmd, v, func(cmd *cobra.Command, args []string) (result T, err error) {
		server, err := connect(cmd)
		if err != nil {
			return result, err
		}
		return get(cmd.Context(), server, args)
	})
}

// connect returns a client of the server that the flags, the environment or the
// configuration name. A server goes on running when its configuration is broken,
// and can be asked at the usual place.
func connect(cmd *cobra.Command) (*client.Client, error) {
	if socket := socketFlag(cmd); socket != "" {
		return client.New(socket), nil
	}
	cfg, err := loadConfig(cmd)
	if err != nil {
		usual := config.Default().Server.Socket
		if info, statErr := os.Stat(usual); statErr != nil || info.Mode().Type() != os.ModeSocket {
			return nil, err
		}
		output.Error(cmd.ErrOrStderr(), err)
		output.Printf(cmd.ErrOrStderr(), "mdserver: asking the server at %s, as the configuration cannot be read\n", usual)
		cfg = config.Default()
	}
	return client.New(cfg.Server.Socket), nil
}

// socketFlag is the socket that --socket or the environment names, or empty.
func socketFlag(cmd *cobra.Command) string {
	socket, _ := cmd.Flags().GetString("socket")
	return cmp.Or(socket, os.Getenv(envSocket))
}

// loadConfig reads the configuration that the flags or the environment name. If
// none is named and none is in the usual place, it returns the defaults.
func loadConfig(cmd *cobra.Command) (*config.Config, error) {
	file := configFile(cmd, nil)
	if !isFile(file) && !configNamed(cmd) {
		return config.Default(), nil
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		return nil, exit.With(exit.Unreadable, err)
	}
	return cfg, nil
}

// configFile is the file named as an argument, or else by --config or by the
// environment.
func configFile(cmd *cobra.Command, args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	file, _ := cmd.Flags().GetString("config")
	if named := os.Getenv(envConfig); named != "" && !cmd.Flags().Changed("config") {
		return named
	}
	return file
}

// configNamed reports whether the user names a configuration.
func configNamed(cmd *cobra.Command) bool {
	return cmd.Flags().Changed("config") || os.Getenv(envConfig) != ""
}
