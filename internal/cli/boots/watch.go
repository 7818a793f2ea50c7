package boots

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/client"
)

// WatchCommand is the command watch.
func WatchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch [NAME...]",
		Short: "Show what happens to guests, as it happens",
		Example: `  mdserver watch
  mdserver watch web1 web2
  mdserver watch --json | jq -r .guest.name`,
		Long: `Show what happens to the named guests, or to all, as it happens, until the command
is interrupted. With --json, each line is the state of a guest that has changed.

` + selection.RefHelp,
		ValidArgsFunction: selection.CompleteGuests,
	}
	asJSON := streamFlags(cmd)
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, refs []string) error {
		if _, err := selection.Find(cmd.Context(), server, refs); err != nil {
			return err
		}
		present, err := server.Progress(cmd.Context(), api.ProgressQuery{Refs: refs})
		if err != nil {
			return err
		}
		known := map[string]string{}
		for _, guest := range present.Guests {
			if guest.Guest != nil && guest.Boot != nil {
				known[guest.Guest.Name] = fmt.Sprint(guest.Boot.Number, guest.Boot.Verdict.State)
			}
		}
		f := follower{out: cmd.OutOrStdout(), json: *asJSON, named: true, since: present.Revision, seen: map[string]uint64{}, verdicts: known}
		return f.follow(cmd.Context(), server, refs)
	})
	return cmd
}

// LogsCommand is the command logs.
func LogsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print what happened in a guest's boot, one line each",
		Example: `  mdserver logs web1
  mdserver logs web1 -f
  mdserver logs web1 --boot -1`,
		Long: `Print what happened in a guest's last boot, or in another one. With -f, go on with
what happens from then on, also in later boots, until the command is interrupted.
With --json, each line is a document.

` + selection.RefHelp,
		Args:              command.Exactly(1),
		ValidArgsFunction: selection.CompleteGuests,
	}
	asJSON := streamFlags(cmd)
	which := bootFlag(cmd, "print the boot `N`")
	on := cmd.Flags().BoolP("follow", "f", false, "go on until interrupted")
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, refs []string) error {
		all, err := server.Boots(cmd.Context(), refs[0])
		if err != nil {
			return err
		}
		f := follower{out: cmd.OutOrStdout(), json: *asJSON, entries: true, seen: map[string]uint64{}, verdicts: map[string]string{}}
		if len(all) > 0 || cmd.Flags().Changed("boot") {
			one, err := oneBoot(all, *which)
			if err != nil {
				return err
			}
			if err := f.print("", one[0]); err != nil {
				return err
			}
		}
		if !*on {
			return nil
		}
		f.since = f.seen[""]
		return f.follow(cmd.Context(), server, refs)
	})
	return cmd
}

// streamFlags adds the flag of a command that prints lines as they come.
func streamFlags(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print one JSON document per line")
}

// follower prints what happens to guests.
type follower struct {
	out     io.Writer
	json    bool
	entries bool // as JSON, each entry alone
	named   bool // with the names of the guests
	since   uint64
	// By guest: the last revision and the last verdict that were printed.
	seen     map[string]uint64
	verdicts map[string]string
}

// follow prints what happens from now on until ctx is done or the server is gone.
func (f *follower) follow(ctx context.Context, server *client.Client, refs []string) error {
	for {
		p, err := server.Progress(ctx, api.ProgressQuery{Refs: refs, Since: max(f.since, 1), Wait: command.LongPoll})
		if err != nil {
			return err
		}
		f.since = p.Revision
		for _, guest := range p.Guests {
			if guest.Guest == nil || guest.Boot == nil {
				continue
			}
			if err := f.printGuest(guest); err != nil {
				return err
			}
		}
	}
}

func (f *follower) printGuest(p api.GuestProgress) error {
	name := ""
	if f.named {
		name = p.Guest.Name
	}
	if f.json && !f.entries {
		verdict := fmt.Sprint(p.Boot.Number, p.Boot.Verdict.State)
		if p.Boot.Revision <= f.seen[name] && f.verdicts[name] == verdict {
			return nil
		}
		f.seen[name], f.verdicts[name] = p.Boot.Revision, verdict
		return output.JSONLine(f.out, p)
	}
	return f.print(name, *p.Boot)
}

// print prints those entries of a boot that were not printed before.
func (f *follower) print(name string, b api.Boot) error {
	before := f.seen[name]
	for _, e := range b.Entries {
		if e.Revision <= before {
			continue
		}
		f.seen[name] = max(f.seen[name], e.Revision)
		if f.json {
			if err := output.JSONLine(f.out, e); err != nil {
				return err
			}
			continue
		}
		at := e.At.Add(time.Duration(e.Seconds * float64(time.Second)))
		if err := output.Printf(f.out, "%s  %s  %s\n", stamp(at), label(name, b), entryLine(e, b.Began)); err != nil {
			return err
		}
	}
	if f.json {
		return nil
	}
	return f.printVerdict(name, b)
}

// printVerdict prints how a guest's boot went, if that is known and news.
func (f *follower) printVerdict(name string, b api.Boot) error {
	v := b.Verdict
	news := fmt.Sprint(b.Number, v.State)
	if v.State == api.Booting || f.verdicts[name] == news {
		return nil
	}
	f.verdicts[name] = news
	text := string(v.State)
	if v.Reason != "" {
		text += ": " + reason(v)
	}
	return output.Printf(f.out, "%s  %s  %s\n", stamp(v.Since), label(name, b), text)
}

func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05.000") }

// label names a boot, and the guest if several are followed.
func label(name string, b api.Boot) string {
	text := fmt.Sprintf("boot %d", b.Number)
	if name != "" {
		text = output.Printable(name) + " " + text
	}
	return text
}
