// Package view shows the results of commands: as text or a table for people, and as
// JSON, YAML, CSV or names for programs.
package view

import (
	"cmp"
	"context"
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/client"
	"mdserver/internal/visible"
)

// View is how the result of a command is shown. Every result has a JSON and a
// YAML form: that of its data.
type View[T any] struct {
	Text  func(w io.Writer, value T) error // for people; nil: the table of sheet
	Notes func(w io.Writer, value T)       // what people read on standard error
	Sheet func(value T) Sheet              // of a list
	Below func(w io.Writer, value T)       // what people read below the table
	Data  func(value T) any                // for programs; nil: the value itself
	Wrong func(value T) bool               // whether the command fails
	Exit  int                              // its exit code then; 0: exit.Failure
}

// Sheet is a list in rows and columns. An empty cell is shown as a dash.
type Sheet struct {
	Columns []string
	Wide    []string // further columns for -o wide and -o csv
	Rows    [][]string
	Names   []string // of the rows, as words for a shell; nil: the first column
}

// Formats of results.
const (
	FormatTable = "table"
	FormatWide  = "wide"
	FormatJSON  = "json"
	FormatYAML  = "yaml"
	FormatCSV   = "csv"
	FormatName  = "name"
)

// formatUnit tells -o from other flags of that name.
const formatUnit = "FORMAT"

// Flags adds the flags of a command that shows a result: -o and --json,
// and for a list --no-headers.
func Flags(cmd *cobra.Command, list bool) {
	f := command.NewOneOf(FormatTable, []string{FormatTable, FormatJSON, FormatYAML}, formatUnit)
	if list {
		f.Accepted = []string{FormatTable, FormatWide, FormatJSON, FormatYAML, FormatCSV, FormatName}
		cmd.Flags().Bool("no-headers", false, "print no column names")
		cmd.Flags().BoolFuncP("quiet", "q", "print names only, as -o name does", shorthand(f, FormatName))
	}
	cmd.Flags().VarP(f, "output", "o", "output `FORMAT`: "+strings.Join(f.Accepted, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(f.Accepted, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	cmd.Flags().BoolFunc("json", "print JSON, as -o json does", shorthand(f, FormatJSON))
}

// shorthand is the value of a flag without an argument that chooses a format.
func shorthand(f *command.OneOf, chosen string) func(text string) error {
	return func(text string) error {
		on, err := strconv.ParseBool(text)
		if on {
			f.Value = chosen
		}
		return err
	}
}

// FormatOf is the format that the flags of a command choose. It is empty for a
// command without a result. One that prints documents as they come, by a --json of
// its own, has no -o.
func FormatOf(cmd *cobra.Command) string {
	if flag := cmd.Flags().Lookup("output"); flag != nil && flag.Value.Type() == formatUnit {
		return flag.Value.String()
	}
	if documents, _ := cmd.Flags().GetBool("json"); documents {
		return FormatJSON
	}
	return ""
}

// Report declares a command that works out a result and shows it.
func Report[T any](cmd *cobra.Command, v View[T], get func(cmd *cobra.Command, args []string) (T, error)) *cobra.Command {
	Flags(cmd, v.Sheet != nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		value, err := get(cmd, args)
		if err != nil {
			return err
		}
		return Show(cmd, v, value)
	}
	return cmd
}

// Query declares a command that gets its result from the server and shows it.
func Query[T any](cmd *cobra.Command, v View[T], get func(ctx context.Context, server *client.Client, args []string) (T, error)) *cobra.Command {
	return Report(cmd, v, func(cmd *cobra.Command, args []string) (result T, err error) {
		server, err := command.Connect(cmd)
		if err != nil {
			return result, err
		}
		return get(cmd.Context(), server, args)
	})
}

// Show prints a result in the format that the flags of the command choose.
func Show[T any](cmd *cobra.Command, v View[T], value T) error {
	if err := v.print(cmd, value); err != nil {
		return err
	}
	if v.Wrong != nil && v.Wrong(value) {
		return exit.Silently(cmp.Or(v.Exit, exit.Failure))
	}
	return nil
}

func (v View[T]) print(cmd *cobra.Command, value T) error {
	w, chosen := cmd.OutOrStdout(), FormatOf(cmd)
	switch {
	case chosen == FormatJSON:
		return output.JSON(w, v.dataOf(value))
	case chosen == FormatYAML:
		return output.YAML(w, v.dataOf(value))
	case chosen == FormatTable && v.Text != nil:
		if v.Notes != nil {
			v.Notes(cmd.ErrOrStderr(), value)
		}
		return v.Text(w, value)
	}
	bare, _ := cmd.Flags().GetBool("no-headers")
	err := v.Sheet(value).Print(w, chosen, !bare)
	if err == nil && v.Below != nil && !bare && (chosen == FormatTable || chosen == FormatWide) {
		v.Below(w, value)
	}
	return err
}

func (v View[T]) dataOf(value T) any {
	if v.Data == nil {
		return value
	}
	return v.Data(value)
}

func (s Sheet) Print(w io.Writer, as string, headers bool) error {
	switch as {
	case FormatName:
		for i, row := range s.Rows {
			name := row[0]
			if s.Names != nil {
				name = s.Names[i]
			}
			output.Printf(w, "%s\n", name)
		}
		return nil
	case FormatCSV:
		return s.printCSV(w, headers)
	}
	columns := s.Columns
	if as == FormatWide {
		columns = slices.Concat(columns, s.Wide)
	}
	rows := make([][]string, 0, len(s.Rows))
	for _, row := range s.Rows {
		cells := make([]string, len(columns))
		for i := range cells {
			cells[i] = output.Dash(row[i])
		}
		rows = append(rows, cells)
	}
	if !headers {
		columns = nil
	}
	return output.Table(w, columns, rows)
}

// printCSV prints all columns by RFC 4180, except that lines end as they do on
// Unix. Column names are in lower case with underscores.
func (s Sheet) printCSV(w io.Writer, headers bool) error {
	out := csv.NewWriter(w)
	if headers {
		var names []string
		for _, column := range slices.Concat(s.Columns, s.Wide) {
			names = append(names, strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(column)))
		}
		_ = out.Write(names) // Error reports it
	}
	for _, row := range s.Rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = visible.Limit(cell, output.MaxText)
		}
		_ = out.Write(cells)
	}
	out.Flush()
	return out.Error()
}
