package boots

import (
	"context"
	"fmt"
	"io"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
)

// UserdataCommand is the command user-data, with those below it.
func UserdataCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user-data NAME",
		Short: "Print a guest's user-data",
		Example: `  mdserver user-data web1
  mdserver user-data web1 --boot -1
  mdserver user-data diff web1`,
		Long: `Print a guest's user-data as it would be now, byte for byte; on a terminal,
control characters are shown as escape sequences. If its template fails, print
the error with file and line, and exit with 1.

--boot prints what the guest got in a boot. It may contain secrets.

` + selection.RefHelp,
		Args:              command.Exactly(1),
		ValidArgsFunction: selection.CompleteGuests,
	}
	boot := bootFlag(cmd, "print what the guest got in the boot `N`")
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, args []string) error {
		get := server.Userdata
		if cmd.Flags().Changed("boot") {
			get = func(ctx context.Context, ref string) ([]byte, error) { return server.UserdataOf(ctx, ref, *boot) }
		}
		body, err := get(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return output.Raw(cmd, body)
	})
	cmd.AddCommand(diffCommand())
	return cmd
}

func diffCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff NAME",
		Short: "Compare the user-data that a guest got in two boots",
		Example: `  mdserver user-data diff web1
  mdserver user-data diff web1 --boot -2
  mdserver user-data diff web1 --boot 3 --boot 5`,
		Long: `Compare the user-data that a guest got in two boots, as diff -u does: in the boot
before the last and in the last. With one --boot, compare that one with the last; with
two, those. It may contain secrets.

` + selection.RefHelp,
		Args:              command.Exactly(1),
		ValidArgsFunction: selection.CompleteGuests,
	}
	view.Flags(cmd, false)
	boots := cmd.Flags().IntSlice("boot", []int{-1, 0}, "compare the boot `N`"+bootNumbers)
	command.CompleteWords(cmd, "boot", "0", "-1", "-2")
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, args []string) error {
		pair := *boots
		if len(pair) == 1 {
			pair = append(pair, 0)
		}
		if len(pair) != 2 {
			return exit.With(exit.Usage, fmt.Errorf("%d boots cannot be compared; name one or two", len(pair)))
		}
		var texts [2]string
		for i, n := range pair {
			body, err := server.UserdataOf(cmd.Context(), args[0], n)
			if err != nil {
				return err
			}
			texts[i] = string(body)
		}
		return view.Show(cmd, diffView(cmd), diffOf(pair, texts))
	})
	return cmd
}

// userdataDiff is the difference between what a guest got in two boots.
type userdataDiff struct {
	Boots []int  `json:"boots"` // as they were named
	Equal bool   `json:"equal"`
	Diff  string `json:"diff"` // in the unified format
}

// diffOf compares the texts of two boots.
func diffOf(boots []int, texts [2]string) userdataDiff {
	return userdataDiff{Boots: boots, Equal: texts[0] == texts[1],
		Diff: udiff.Unified(fmt.Sprintf("boot %d", boots[0]), fmt.Sprintf("boot %d", boots[1]), texts[0], texts[1])}
}

func diffView(cmd *cobra.Command) view.View[userdataDiff] {
	return view.View[userdataDiff]{Text: func(w io.Writer, d userdataDiff) error {
		if d.Equal {
			return output.Printf(w, "the user-data is the same\n")
		}
		return output.Raw(cmd, []byte(d.Diff))
	}}
}
