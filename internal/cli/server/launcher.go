package server

import (
	"fmt"
	"log/slog"
	"os/signal"
	"os/user"
	"strconv"
	"syscall"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/launcher"
)

// LauncherCommand is the command launcher, which a unit runs.
func LauncherCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "launcher SOCKET",
		Short:   "Start dnsmasq for the server, as another user",
		Example: "  mdserver launcher /run/mdserver-launcher/socket",
		Long: `Start dnsmasq for the server, as the user that this command runs as. The unit
mdserver-launcher.service runs it, so that the server needs no right to change
users. It is not meant to be run by hand.`,
		Args:   command.Exactly(1),
		Hidden: true,
	}
	client := cmd.Flags().String("client", "mdserver", "user that has access, in addition to root")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		uid, err := userID(*client)
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		l, err := launcher.Listen(args[0])
		if err != nil {
			return err
		}
		if _, err := sd.SdNotify(false, sd.SdNotifyReady); err != nil {
			return fmt.Errorf("notify systemd: %w", err)
		}
		server := launcher.Server{Client: uid, Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))}
		server.Serve(ctx, l)
		return nil
	}
	return cmd
}

func userID(name string) (uint32, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("user with access: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("user with access: the id of %s: %w", name, err)
	}
	return uint32(uid), nil
}
