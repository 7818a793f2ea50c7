package boots

import (
	"context"
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
	"mdserver/internal/pace"
)

// condition is something that a guest can be waited for. It returns the outcome, ""
// while it is open.
type condition func(p api.GuestProgress) command.Outcome

// Conditions are the conditions in the order in which a boot reaches them.
var Conditions = []string{"registered", "lease", "metadata", "ssh", "ready", "gone"}

// Further outcomes, of boots.
const (
	failed   command.Outcome = "failed"
	degraded command.Outcome = "degraded"
)

var conditions = map[string]condition{
	"registered": when(func(p api.GuestProgress) bool { return p.Guest != nil }),
	"gone":       when(func(p api.GuestProgress) bool { return p.Guest == nil || p.Guest.State == api.Gone }),
	"lease": inBoot(func(r api.Reached) bool {
		return r.Lease != nil || served(r) || r.SSH != nil // libvirt's own DHCP server is not heard
	}),
	"metadata": inBoot(served),
	"ssh":      inBoot(func(r api.Reached) bool { return r.SSH != nil }),
	"ready":    isReady,
}

func when(is func(api.GuestProgress) bool) condition {
	return func(p api.GuestProgress) command.Outcome {
		if is(p) {
			return command.Reached
		}
		return ""
	}
}

// served reports whether a guest has read anything of what it boots with. Ignition reads
// user-data alone.
func served(r api.Reached) bool { return r.Metadata != nil || r.Userdata != nil }

// inBoot is a condition of the present boot.
func inBoot(is func(api.Reached) bool) condition {
	return when(func(p api.GuestProgress) bool { return p.Boot != nil && p.Boot.Ended == nil && is(p.Boot.Reached) })
}

func isReady(p api.GuestProgress) command.Outcome {
	if p.Boot == nil || p.Boot.Ended != nil { // it may start again, as cloud-init has it
		return ""
	}
	switch p.Boot.Verdict.State {
	case api.Ready:
		return command.Reached
	case api.Degraded:
		return degraded
	case api.Failed:
		return failed
	}
	return ""
}

// WaitCommand is the command wait.
func WaitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wait NAME...",
		Short: "Wait until guests are up, or gone",
		Example: `  virsh start web1 && mdserver wait web1
  mdserver wait web1 web2 --for ssh --timeout 2m
  mdserver wait web1 --for gone`,
		Long: `Wait until all of the named guests are
  registered  known to the server
  lease       given an address by DHCP
  metadata    served with metadata or user-data
  ssh         answering at their ssh port, which the server tries meanwhile
  ready       done with cloud-init, which needs ` + "`report = yes`" + `
  gone        no longer known to libvirt or to the server

All conditions but registered and gone are about the present boot: if the guest
reboots, as cloud-init may make it do, the command waits for the next boot, too.
It also waits for guests that are off or not known yet.

The exit code is 0 if all guests are as wanted, 1 if the boot of one failed, 2 if
one is degraded, and 124 if the time is over. On a terminal, progress is shown.

` + selection.RefHelp,
		Args:              command.AtLeast(1),
		ValidArgsFunction: selection.CompleteGuests,
	}
	view.Flags(cmd, false)
	goal := command.NewOneOf("ready", Conditions, "CONDITION")
	cmd.Flags().Var(goal, "for", "wait for `CONDITION`: "+strings.Join(Conditions, ", "))
	command.CompleteWords(cmd, "for", Conditions...)
	timeout := cmd.Flags().Duration("timeout", command.DefaultWait, "wait for `DURATION` at most")
	command.CompleteWords(cmd, "timeout", "30s", "5m", "1h")
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, refs []string) error {
		results, err := Wait(cmd, server, goal.Value, *timeout, refs)
		if err != nil {
			return err
		}
		if err := view.Show(cmd, waitView, results); err != nil {
			return err
		}
		if code := ExitCode(results); code != 0 {
			return exit.Silently(code)
		}
		return nil
	})
	return cmd
}

// Wait waits until each guest is as wanted, one of Conditions, or has failed, or the
// time is over. On a terminal it prints how far they are. The error is the server's, or
// that none answers.
func Wait(cmd *cobra.Command, server *client.Client, goal string, timeout time.Duration, refs []string) ([]Result, error) {
	return newWaiter(cmd, server.Progress, goal, timeout).wait(cmd.Context(), refs)
}

// Result is how waiting for one guest ended.
type Result struct {
	Ref     string          `json:"ref"`
	For     string          `json:"for"`
	Outcome command.Outcome `json:"outcome"`
	Guest   *api.Guest      `json:"guest,omitempty"`
	Boot    *api.BootBrief  `json:"boot,omitempty"`
}

var waitView = view.View[[]Result]{Text: printWaited}

func printWaited(w io.Writer, results []Result) error {
	var rows [][]string
	for _, r := range results {
		row := []string{output.Printable(r.Ref), string(r.Outcome), r.For, "-", r.Reason()}
		if r.Boot != nil {
			row[3] = string(r.Boot.Verdict.State)
		}
		rows = append(rows, row)
	}
	return output.Table(w, []string{"NAME", "OUTCOME", "FOR", "BOOT", "REASON"}, rows)
}

// Reason is why the guest is as it is, or why it is not as wanted.
func (r Result) Reason() string {
	switch {
	case r.Boot != nil && (r.Boot.Verdict.Reason != "" || r.Outcome != command.TimedOut):
		return reason(r.Boot.Verdict)
	case r.Outcome != command.TimedOut:
		return "-"
	case r.Guest == nil:
		return "no such guest is known"
	case r.Boot == nil:
		return "no boot of it was seen"
	}
	return "it came as far as " + r.Boot.Verdict.Phase
}

// ExitCode is the exit code for some results: that of the worst.
func ExitCode(results []Result) int {
	code := 0
	for _, r := range results {
		switch {
		case r.Outcome == failed:
			return exit.Failure
		case r.Outcome == command.TimedOut:
			code = exit.Timeout
		case r.Outcome == degraded && code == 0:
			code = exit.Degraded
		}
	}
	return code
}

// waiter waits for guests.
type waiter struct {
	cmd      *cobra.Command
	progress func(context.Context, api.ProgressQuery) (api.Progress, error) // asks the server
	goal     string
	end      time.Time
	shown    map[string]string // the progress of each guest that was printed last
}

func newWaiter(cmd *cobra.Command, progress func(context.Context, api.ProgressQuery) (api.Progress, error), goal string, timeout time.Duration) *waiter {
	return &waiter{cmd: cmd, progress: progress, goal: goal, end: time.Now().Add(timeout), shown: map[string]string{}}
}

// wait returns when each guest is as wanted or has failed, or when the time is over.
func (w *waiter) wait(ctx context.Context, refs []string) ([]Result, error) {
	q := api.ProgressQuery{Refs: refs, SSH: w.goal == "ssh"}
	for asked := false; ; {
		p, err := w.progress(ctx, q)
		left := time.Until(w.end)
		switch away := command.IsAway(err); {
		case err == nil:
			asked = true
		case !away || !asked || left <= 0 || ctx.Err() != nil:
			return nil, err
		default: // it restarts
			pace.Sleep(ctx, min(command.RetryTime, left))
			continue
		}
		results, open := w.judge(p)
		if open == 0 || left <= 0 {
			return results, nil
		}
		q.Since, q.Wait = p.Revision, min(command.LongPoll, left)
	}
}

// judge returns how each guest is, and how many still have to reach the goal.
func (w *waiter) judge(p api.Progress) (results []Result, open int) {
	for _, guest := range p.Guests {
		r := Result{Ref: guest.Ref, For: w.goal, Guest: guest.Guest, Outcome: conditions[w.goal](guest)}
		if guest.Boot != nil {
			brief := guest.Boot.Brief()
			r.Boot = &brief
		}
		w.tell(guest)
		if r.Outcome == "" {
			r.Outcome = command.TimedOut
			open++
		}
		results = append(results, r)
	}
	return results, open
}

// tell prints how far a guest is, if that is news, on a terminal.
func (w *waiter) tell(p api.GuestProgress) {
	text := describeProgress(p)
	if !output.IsTerminal(output.Beneath(w.cmd.ErrOrStderr())) || w.shown[p.Ref] == text {
		return
	}
	w.shown[p.Ref] = text
	output.Printf(w.cmd.ErrOrStderr(), "%s: %s\n", output.Printable(p.Ref), text)
}

// describeProgress is what a guest does, in a few words.
func describeProgress(p api.GuestProgress) string {
	switch {
	case p.Guest == nil:
		return "not registered"
	case p.Boot == nil:
		return "no boot is on record"
	}
	v := p.Boot.Verdict
	text := string(v.State)
	if v.State == api.Booting || v.State == api.BootUnknown {
		text += ", " + v.Phase
	}
	if v.Reason != "" {
		text += ": " + reason(v)
	}
	return text
}
