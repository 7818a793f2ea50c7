// Package hook is the command that libvirt runs for each start and end of a guest.
package hook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/client"
	"mdserver/internal/config"
	"mdserver/internal/visible"
)

const (
	// The hook's share of the two seconds that packaging's script allows it:
	// the rest is for starting the process and for the log.
	hookTimeout   = 1500 * time.Millisecond
	syslogTimeout = 200 * time.Millisecond

	maxDomainXML = 1 << 20 // bytes
)

// Command is the command hook.
func Command() *cobra.Command {
	return &cobra.Command{
		Use:     "hook GUEST OPERATION SUBOPERATION EXTRA",
		Short:   "Register a guest that libvirt starts or receives, or note that it has stopped",
		Example: "  virsh dumpxml web1 | mdserver hook web1 prepare begin -",
		Long: `Register the guest whose domain XML is on standard input, or note that it has stopped.
libvirt runs this command by /etc/libvirt/hooks/qemu.d/mdserver, with its own four
arguments.

"prepare begin" and "migrate begin" register the guest: libvirt runs the hook with
"prepare begin" before every start, also that of a saved or a received guest.
"release end" notes that the guest has stopped: from that, several hosts with one
inventory learn how a migration has ended. Other operations do nothing.

libvirt waits for its hooks, and does not start the guest if one fails. So this
command ends within two seconds, prints nothing, and always exits with 0. Errors
are in the system log under "mdserver-hook".

The server listens on a Unix socket: $MDSERVER_SOCKET, or the key socket
of $MDSERVER_CONFIG or /etc/mdserver/mdserver.conf, or /run/mdserver/mdserver.sock.`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			newHook().run(cmd.Context(), args, cmd.InOrStdin())
			return nil
		},
	}
}

// hook tells the server of one guest, or gives up.
type hook struct {
	timeout time.Duration
	socket  func() string // path of the server's Unix socket
	report  func(error)   // takes what went wrong
}

// newHook makes the hook of this host.
func newHook() *hook {
	return &hook{timeout: hookTimeout, socket: hookSocket, report: logHookError}
}

// run does what one call of the hook asks for. It returns when the timeout is
// over, even while standard input or the server hangs; what hangs then ends
// with the process.
func (h *hook) run(ctx context.Context, args []string, stdin io.Reader) {
	send := task(args)
	if send == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()

	done := make(chan error, 1)
	go func() { done <- guard(func() error { return h.tell(ctx, stdin, send) }) }()

	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no end within %v: %w", h.timeout, err)
	}
	if err != nil {
		h.report(fmt.Errorf("guest %q, %s: %w", args[0], args[1], err))
	}
}

// sender sends a domain's XML to the server.
type sender func(ctx context.Context, server *client.Client, domain []byte) error

// task is what to send to the server at the moment that libvirt's arguments name, or
// nil. See https://libvirt.org/hooks.html.
func task(args []string) sender {
	if len(args) < 3 {
		return nil
	}
	switch operation := args[1]; operation + " " + args[2] {
	case "prepare begin", "migrate begin":
		return func(ctx context.Context, server *client.Client, domain []byte) error {
			return server.Upload(ctx, domain, operation)
		}
	case "release end":
		return func(ctx context.Context, server *client.Client, domain []byte) error {
			return server.Stopped(ctx, domain, strings.Join(args[3:], " "))
		}
	}
	return nil
}

func (h *hook) tell(ctx context.Context, stdin io.Reader, send sender) error {
	domain, err := io.ReadAll(io.LimitReader(stdin, maxDomainXML+1))
	if err != nil {
		return fmt.Errorf("read the domain XML: %w", err)
	}
	if len(domain) == 0 {
		return errors.New("no domain XML on standard input")
	}
	if len(domain) > maxDomainXML {
		return fmt.Errorf("domain XML is larger than %d bytes", maxDomainXML)
	}
	return send(ctx, client.New(h.socket()), domain)
}

// hookSocket finds the server's socket. A configuration that does not load
// cannot be the one that the server runs with.
func hookSocket() string {
	if path := os.Getenv(command.EnvSocket); path != "" {
		return path
	}
	var conf *config.Config
	err := guard(func() (err error) {
		conf, _, err = config.Load(cmp.Or(os.Getenv(command.EnvConfig), command.DefaultConfig))
		return err
	})
	if err != nil {
		return config.Default().Server.Socket
	}
	return conf.Server.Socket
}

// guard turns a panic into an error, so that the guest starts in any case.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f()
}

// logHookError writes to the system log, as far as that takes it at once: a
// full log socket blocks.
func logHookError(hookErr error) {
	attempt(syslogTimeout, func() error {
		w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_WARNING, "mdserver-hook")
		if err != nil {
			return err
		}
		defer w.Close()
		return w.Warning(visible.Limit(hookErr.Error(), output.MaxValue))
	})
}

// attempt does what may fail or hang, and waits no longer than a limit for it.
func attempt(limit time.Duration, do func() error) {
	done := make(chan error, 1)
	go func() { done <- guard(do) }()
	select {
	case <-done: // there is no other place to report it
	case <-time.After(limit):
	}
}
