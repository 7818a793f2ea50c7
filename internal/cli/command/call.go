// Package command has what the commands of mdserver share: the form of their arguments
// and flags, the server and the configuration that they ask, files that people name,
// questions to people, and patience.
package command

import (
	"cmp"
	"os"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/client"
	"mdserver/internal/config"
)

// DefaultConfig is where the configuration is unless told otherwise.
const DefaultConfig = "/etc/mdserver/mdserver.conf"

// Environment variables in place of the flags --config and --socket.
const (
	EnvConfig = "MDSERVER_CONFIG"
	EnvSocket = "MDSERVER_SOCKET"
)

// run is the function of a command, as cobra calls it.
type run = func(cmd *cobra.Command, args []string) error

// Group declares a command that has others below it.
func Group(cmd *cobra.Command, members ...*cobra.Command) *cobra.Command {
	cmd.Args = Exactly(0)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(members...)
	return cmd
}

// WithServer makes the function of a command that asks the server.
func WithServer(f func(cmd *cobra.Command, server *client.Client, args []string) error) run {
	return func(cmd *cobra.Command, args []string) error {
		server, err := Connect(cmd)
		if err != nil {
			return err
		}
		return f(cmd, server, args)
	}
}

// WithConfig makes the function of a command that reads the configuration.
func WithConfig(f func(cmd *cobra.Command, cfg *config.Config, args []string) error) run {
	return func(cmd *cobra.Command, args []string) error {
		cfg, err := LoadConfig(cmd)
		if err != nil {
			return err
		}
		return f(cmd, cfg, args)
	}
}

// Connect returns a client of the server that the flags, the environment or the
// configuration name. A server goes on running when its configuration is broken,
// and can be asked at the usual place.
func Connect(cmd *cobra.Command) (*client.Client, error) {
	if socket := SocketFlag(cmd); socket != "" {
		return client.New(socket), nil
	}
	cfg, err := LoadConfig(cmd)
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

// SocketFlag is the socket that --socket or the environment names, or empty.
func SocketFlag(cmd *cobra.Command) string {
	socket, _ := cmd.Flags().GetString("socket")
	return cmp.Or(socket, os.Getenv(EnvSocket))
}

// LoadConfig reads the configuration that the flags or the environment name. If
// none is named and none is in the usual place, it returns the defaults.
func LoadConfig(cmd *cobra.Command) (*config.Config, error) {
	file := ConfigFile(cmd, nil)
	if !IsFile(file) && !ConfigNamed(cmd) {
		return config.Default(), nil
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		return nil, exit.With(exit.Unreadable, err)
	}
	return cfg, nil
}

// ConfigFile is the file named as an argument, or else by --config or by the
// environment.
func ConfigFile(cmd *cobra.Command, args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	file, _ := cmd.Flags().GetString("config")
	if named := os.Getenv(EnvConfig); named != "" && !cmd.Flags().Changed("config") {
		return named
	}
	return file
}

// ConfigNamed reports whether the user names a configuration.
func ConfigNamed(cmd *cobra.Command) bool {
	return cmd.Flags().Changed("config") || os.Getenv(EnvConfig) != ""
}
