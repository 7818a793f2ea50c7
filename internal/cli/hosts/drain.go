package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/counted"
	"mdserver/internal/pace"
)

func drainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drain [NAME|ID]",
		Short: "Take a host out of service",
		Long: `Take a host out of service, by default the one whose server is asked. It gives back the
addresses that it has claimed for guests that start without etcd, and claims no more.
All hosts know that it is drained, until --undo puts it back into service.

The guests that run there are listed: migrate or stop them, with libvirt. Those that
start there anyway are served, and reported by the log, ` + "`mdserver status`" + ` and
` + "`mdserver doctor`" + `. With --wait, the command returns when no guest runs there any more.

The exit code with --wait is 0 if no guest runs there, and 124 if the time is over. On a
terminal, progress is shown.`,
		Example: `  mdserver host drain
  mdserver host drain kvm3 --wait --timeout 1h
  mdserver host drain kvm3 --undo`,
		Args:              command.AtMost(1),
		ValidArgsFunction: selection.CompleteHosts,
	}
	view.Flags(cmd, false)
	undo := cmd.Flags().Bool("undo", false, "put the host back into service")
	wait := cmd.Flags().Bool("wait", false, "wait until no guest runs there")
	timeout := cmd.Flags().Duration("timeout", command.DefaultWait, "with --wait, wait for `DURATION` at most")
	command.CompleteWords(cmd, "timeout", "5m", "1h", "24h")
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, args []string) error {
		switch {
		case *undo && *wait:
			return exit.With(exit.Usage, errors.New("--undo and --wait exclude each other"))
		case cmd.Flags().Changed("timeout") && !*wait:
			return exit.With(exit.Usage, errors.New("--timeout needs --wait"))
		}
		found, err := server.DrainHost(cmd.Context(), strings.Join(args, ""), *undo)
		if err != nil {
			return err
		}
		result := drainResult{RunsOn: found}
		if *wait {
			if result, err = waitDrained(cmd, server, found, *timeout); err != nil {
				return err
			}
		}
		return view.Show(cmd, drainView, result)
	})
	return cmd
}

// drainResult is what still runs on a host, and how waiting for that ended.
type drainResult struct {
	api.RunsOn
	Outcome command.Outcome `json:"outcome,omitempty"`
}

var drainView = view.View[drainResult]{
	Text:  printDrained,
	Wrong: func(r drainResult) bool { return r.Outcome == command.TimedOut },
	Exit:  exit.Timeout,
}

func printDrained(w io.Writer, r drainResult) error {
	state := "is in service"
	if !r.Host.Drained.IsZero() {
		state = "is drained"
	}
	output.Printf(w, "%s %s; %s there\n", output.Printable(r.Host.Name), state, counted.Of(len(r.Guests), "guest runs", "guests run"))
	if len(r.Guests) == 0 {
		return nil
	}
	var rows [][]string
	for _, guest := range r.Guests {
		rows = append(rows, []string{output.Printable(guest.Name), string(guest.State), output.Printable(output.Dash(guest.To))})
	}
	return output.Table(w, []string{"GUEST", "STATE", "TO"}, rows)
}

// hostServer is what the wait for a host asks of the server.
type hostServer interface {
	RunsOn(ctx context.Context, ref string) (api.RunsOn, error)
	Progress(ctx context.Context, q api.ProgressQuery) (api.Progress, error)
}

// waitDrained waits until no guest runs on a host any more, or until the time is over.
func waitDrained(cmd *cobra.Command, server hostServer, now api.RunsOn, timeout time.Duration) (drainResult, error) {
	ctx, end := cmd.Context(), time.Now().Add(timeout)
	shown, since := "", uint64(0)
	for seen := false; ; { // another host's word for it takes a moment to arrive
		shown = tellLeft(cmd, now, shown)
		left := time.Until(end)
		switch {
		case seen && now.Host.Drained.IsZero():
			return drainResult{}, fmt.Errorf("%s was put back into service meanwhile", output.Printable(now.Host.Name))
		case len(now.Guests) == 0:
			return drainResult{now, command.Reached}, nil
		case left <= 0:
			return drainResult{now, command.TimedOut}, nil
		}
		next, revision, err := nextOnHost(ctx, server, now, since, end)
		switch {
		case ctx.Err() != nil:
			return drainResult{}, ctx.Err()
		case command.IsAway(err): // it restarts
			pace.Sleep(ctx, min(command.RetryTime, left))
			continue
		case err != nil:
			return drainResult{}, err
		}
		now, since, seen = next, revision, seen || !next.Host.Drained.IsZero()
	}
}

// drainPause is how long changes are gathered before the guests of a host are read again.
const drainPause = 100 * time.Millisecond

// nextOnHost waits for a change after a revision, but not beyond end, and returns what
// runs on a host then, and the revision.
func nextOnHost(ctx context.Context, server hostServer, now api.RunsOn, since uint64, end time.Time) (api.RunsOn, uint64, error) {
	pace.Sleep(ctx, min(drainPause, time.Until(end)))
	// Each change of the inventory or the hosts ends the wait for any guest. Naming one makes the answer small.
	q := api.ProgressQuery{Refs: []string{now.Guests[0].UUID.String()}, Since: since, Wait: min(command.LongPoll, time.Until(end))}
	p, err := server.Progress(ctx, q)
	if err != nil {
		return api.RunsOn{}, 0, err
	}
	next, err := server.RunsOn(ctx, now.Host.ID)
	return next, p.Revision, err
}

// tellLeft prints which guests are left, if that is news, on a terminal.
func tellLeft(cmd *cobra.Command, now api.RunsOn, shown string) string {
	var names []string
	for _, guest := range now.Guests {
		names = append(names, output.Printable(guest.Name))
	}
	text := fmt.Sprintf("%s left: %s", counted.Guests(len(names)), strings.Join(names, ", "))
	if len(names) > 0 && text != shown && output.IsTerminal(output.Beneath(cmd.ErrOrStderr())) {
		output.Printf(cmd.ErrOrStderr(), "%s\n", text)
	}
	return text
}
