package cli

import (
	"cmp"
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/visible"
)

// view is how the result of a command is shown. Every result has a JSON and a
// YAML form: that of its data.
type view[T any] struct {
	text  func(w io.Writer, value T) error // for people; nil: the table of sheet
	notes func(w io.Writer, value T)       // what people read on standard error
	sheet func(value T) sheet              // of a list
	below func(w io.Writer, value T)       // what people read below the table
	data  func(value T) any                // for programs; nil: the value itself
	wrong func(value T) bool               // whether the command fails
	exit  int                              // its exit code then; 0: exitFailure
}

// sheet is a list in rows and columns. An empty cell is shown as a dash.
type sheet struct {
	columns []string
	wide    []string // further columns for -o wide and -o csv
	rows    [][]string
	names   []string // of the rows, as words for a shell; nil: the first column
}

// Formats of results.
const (
	formatTable = "table"
	formatWide  = "wide"
	formatJSON  = "json"
	formatYAML  = "yaml"
	formatCSV   = "csv"
	formatName  = "name"
)

// formatUnit tells -o from other flags of that name.
const formatUnit = "FORMAT"

// resultFlags adds the flags of a command that shows a result: -o and --json,
// and for a list --no-headers.
func resultFlags(cmd *cobra.Command, list bool) {
	f := &oneOf{formatTable, []string{formatTable, formatJSON, formatYAML}, formatUnit}
	if list {
		f.accepted = []string{formatTable, formatWide, formatJSON, formatYAML, formatCSV, formatName}
		cmd.Flags().Bool("no-headers", false, "print no column names")
		cmd.Flags().BoolFuncP("quiet", "q", "print names only, as -o name does", shorthand(f, formatName))
	}
	cmd.Flags().VarP(f, "output", "o", "output `FORMAT`: "+strings.Join(f.accepted, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(f.accepted, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	cmd.Flags().BoolFunc("json", "print JSON, as -o json does", shorthand(f, formatJSON))
}

// shorthand is the value of a flag without an argument that chooses a format.
func shorthand(f *oneOf, chosen string) func(text string) error {
	return func(text string) error {
		on, err := strconv.ParseBool(text)
		if on {
			f.value = chosen
		}
		return err
	}
}

// formatOf is the format that the flags of a command choose. It is empty for a
// command without a result.
func formatOf(cmd *cobra.Command) string {
	if flag := cmd.Flags().Lookup("output"); flag != nil && flag.Value.Type() == formatUnit {
		return flag.Value.String()
	}
	return ""
}

// show prints a result in the format that the flags of the command choose.
func show[T any](cmd *cobra.Command, v view[T], value T) error {
	if err := v.print(cmd, value); err != nil {
		return err
	}
	if v.wrong != nil && v.wrong(value) {
		return exit.Silently(cmp.Or(v.exit, exit.Failure))
	}
	return nil
}

func (v view[T]) print(cmd *cobra.Command, value T) error {
	w, chosen := cmd.OutOrStdout(), formatOf(cmd)
	switch {
	case chosen == formatJSON:
		return output.JSON(w, v.dataOf(value))
	case chosen == formatYAML:
		return output.YAML(w, v.dataOf(value))
	case chosen == formatTable && v.text != nil:
		if v.notes != nil {
			v.notes(cmd.ErrOrStderr(), value)
		}
		return v.text(w, value)
	}
	bare, _ := cmd.Flags().GetBool("no-headers")
	err := v.sheet(value).print(w, chosen, !bare)
	if err == nil && v.below != nil && !bare && (chosen == formatTable || chosen == formatWide) {
		v.below(w, value)
	}
	return err
}

func (v view[T]) dataOf(value T) any {
	if v.data == nil {
		return value
	}
	return v.data(value)
}

func (s sheet) print(w io.Writer, as string, headers bool) error {
	switch as {
	case formatName:
		for i, row := range s.rows {
			name := row[0]
			if s.names != nil {
				name = s.names[i]
			}
			output.Printf(w, "%s\n", name)
		}
		return nil
	case formatCSV:
		return s.printCSV(w, headers)
	}
	columns := s.columns
	if as == formatWide {
		columns = slices.Concat(columns, s.wide)
	}
	rows := make([][]string, 0, len(s.rows))
	for _, row := range s.rows {
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
func (s sheet) printCSV(w io.Writer, headers bool) error {
	out := csv.NewWriter(w)
	if headers {
		var names []string
		for _, column := range slices.Concat(s.columns, s.wide) {
			names = append(names, strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(column)))
		}
		_ = out.Write(names) // Error reports it
	}
	for _, row := range s.rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = visible.Limit(cell, output.MaxText)
		}
		_ = out.Write(cells)
	}
	out.Flush()
	return out.Error()
}
