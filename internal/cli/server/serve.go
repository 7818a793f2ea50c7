package server

import (
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/daemon"
	"mdserver/internal/daemon/store"
)

// ServeCommand is the command serve.
func ServeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the server in the foreground",
		Example: `  sudo mdserver serve
  sudo mdserver serve --config mdserver.conf`,
		Long: `Run the server in the foreground, as its systemd unit does. SIGHUP makes it read
its configuration again, SIGTERM and SIGINT stop it. The exit code is 78 if the
configuration or the database must be repaired first.

"mdserver FILE" serves with the configuration FILE, as the Python mdserver did.`,
		Args: command.Exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return Serve(cmd, command.ConfigFile(cmd, nil))
		},
	}
}

// garbage is how much of it may gather, in percent of what is in use, before it
// is collected. The server uses a few megabytes: to collect half as often as Go
// does by itself costs some more and makes requests a twentieth cheaper.
const garbage = 200

// Serve runs the server with a configuration until a signal ends it.
func Serve(cmd *cobra.Command, file string) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	ctx, cancel := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	signal.Ignore(syscall.SIGPIPE) // a broken pipe at standard output must not end the server
	// The log is visible by itself and need not pass the net.
	err := daemon.Serve(ctx, file, output.Beneath(cmd.OutOrStdout()), hup)
	if bad := (*daemon.ConfigError)(nil); errors.As(err, &bad) || errors.Is(err, store.ErrDatabase) {
		return exit.With(exit.Config, err)
	}
	return err
}
