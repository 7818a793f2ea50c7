// Package boots has the commands about guests' boots: how they went, what happened in
// them, what user-data they got, and waiting for them.
package boots

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
)

// Command is the command boots.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "boots NAME",
		Short: "Show a guest's boots: how each went, and what happened when",
		Example: `  mdserver boots web1
  mdserver boots web1 --boot -1
  mdserver boots web1 --json`,
		Long: `Show the last boots of a guest, and what happened in the last one, with the time
since its beginning and how long each step took. The server keeps the last 20
boots of a guest, also over its own restart.

A boot is
  booting   under way
  ready     cloud-init finished without an error
  degraded  cloud-init finished, and recovered from errors
  failed    cloud-init, its user-data or the guest failed
  stuck     there was no sign of progress for the time ` + "`stuck_after`" + `
  off       the guest stopped before it was ready
  unknown   the guest does not report; the phase is how far it came

Reports need ` + "`report = yes`" + ` and a guest with cloud-init. Of other guests the server
sees the lease, the requests for metadata and user-data, and the ssh port.

--boot shows another boot: by its number, 0 for the last, -1 for the one before.

` + selection.RefHelp,
		Args:              command.Exactly(1),
		ValidArgsFunction: selection.CompleteGuests,
	}
	which := bootFlag(cmd, "show the boot `N`")
	return view.Query(cmd, view.View[[]api.Boot]{Text: printBoots}, func(ctx context.Context, server *client.Client, args []string) ([]api.Boot, error) {
		all, err := server.Boots(ctx, args[0])
		if err != nil || !cmd.Flags().Changed("boot") {
			return all, err
		}
		return oneBoot(all, *which)
	})
}

// bootFlag adds --boot.
func bootFlag(cmd *cobra.Command, usage string) *int {
	n := cmd.Flags().Int("boot", 0, usage+bootNumbers)
	command.CompleteWords(cmd, "boot", "0", "-1", "-2")
	return n
}

const bootNumbers = ": its number, 0 for the last one, -1 for the one before"

// oneBoot finds a boot by its number, or counted back from the last one.
func oneBoot(all []api.Boot, n int) ([]api.Boot, error) {
	if at := len(all) - 1 + n; n <= 0 && at >= 0 {
		return all[at : at+1], nil
	}
	for i := range all {
		if all[i].Number == n {
			return all[i : i+1], nil
		}
	}
	return nil, &client.Error{Status: 404, Code: api.CodeNoBoot, Message: fmt.Sprintf("no boot %d is on record", n)}
}

func printBoots(w io.Writer, all []api.Boot) error {
	if len(all) == 0 {
		return output.Printf(w, "no boot is on record\n")
	}
	var rows [][]string
	for _, b := range all {
		rows = append(rows, []string{fmt.Sprint(b.Number), b.Began.Local().Format(time.DateTime), lasted(b),
			string(b.Verdict.State), output.Dash(b.Verdict.Phase), reason(b.Verdict)})
	}
	if err := output.Table(w, []string{"BOOT", "BEGAN", "READY AFTER", "STATE", "PHASE", "REASON"}, rows); err != nil {
		return err
	}
	last := all[len(all)-1]
	output.Printf(w, "\nBOOT %d\n", last.Number)
	rows = nil
	for _, e := range last.Entries {
		rows = append(rows, entryCells(e, last.Began))
	}
	if err := output.Table(w, nil, rows); err != nil {
		return err
	}
	if last.Dropped > 0 {
		output.Printf(w, "and %d more that were not kept\n", last.Dropped)
	}
	return nil
}

// lasted is how long a boot took until it was ready.
func lasted(b api.Boot) string {
	if b.Reached.Ready == nil {
		return "-"
	}
	return seconds(b.Reached.Ready.Sub(b.Began))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// reason is a verdict's reason with the line of the template to blame.
func reason(v api.Verdict) string {
	if v.Template == nil {
		return output.Dash(v.Reason)
	}
	return fmt.Sprintf("%s (%s:%d)", v.Reason, v.Template.Name, v.Template.Line)
}

// entryCells is an entry in columns: when, what, result, duration, detail.
func entryCells(e api.BootEntry, began time.Time) []string {
	took := ""
	if e.Seconds > 0 {
		took = seconds(time.Duration(e.Seconds * float64(time.Second)))
	}
	return []string{"+" + seconds(max(0, e.At.Sub(began))), entryName(e), entryResult(e), took, e.Detail}
}

func entryName(e api.BootEntry) string {
	switch {
	case e.Name == "":
		return string(e.Kind)
	case e.Kind == api.EntryDHCP:
		return e.Name
	}
	return string(e.Kind) + " " + e.Name
}

func entryResult(e api.BootEntry) string {
	var words []string
	if e.Status != 0 {
		words = append(words, fmt.Sprint(e.Status))
	}
	if e.Result != "" {
		words = append(words, e.Result)
	}
	if e.Count > 1 {
		words = append(words, fmt.Sprintf("%d times", e.Count))
	}
	return strings.Join(words, ", ")
}

// entryLine is an entry in one line.
func entryLine(e api.BootEntry, began time.Time) string {
	var words []string
	for _, cell := range entryCells(e, began)[1:] {
		if cell != "" {
			words = append(words, cell)
		}
	}
	return strings.Join(words, "  ")
}
