package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"mdserver/internal/visible"
)

// Commands print by the functions of this file alone. They make each value
// visible, its line breaks included, so that no value can look like a line of
// its own; only a format breaks lines. Below them a visible.Writer is a net for
// all that cobra prints, too.

// Lengths of what is printed of one value, in bytes.
const (
	maxValue = 512
	maxText  = 16 << 10 // a sentence with values in it, or a line of an error
)

// catchAll puts the net below a command and those under it. Call the function
// it returns at the end.
func catchAll(root *cobra.Command) (finish func()) {
	out, err := &screen{Writer: visible.Writer{W: os.Stdout}}, &visible.Writer{W: os.Stderr}
	root.SetOut(out)
	root.SetErr(err)
	return func() {
		_ = out.Close()
		_ = err.Close()
	}
}

// screen is the net below standard output.
type screen struct {
	visible.Writer
	colored bool
}

// beneath is the output below the net, for what is visible by itself.
func beneath(w io.Writer) io.Writer {
	switch net := w.(type) {
	case *screen:
		return net.W
	case *visible.Writer:
		return net.W
	}
	return w
}

// canvas is where texts with colors are written to, and whether they may have
// them. Everything else in such a text must be visible characters.
func canvas(w io.Writer) (to io.Writer, color bool) {
	if s, ok := w.(*screen); ok && s.colored {
		return s.W, true
	}
	return w, false
}

// printRaw prints what must stay as it is, byte for byte. A terminal shows it
// made visible.
func printRaw(cmd *cobra.Command, data []byte) error {
	w := beneath(cmd.OutOrStdout())
	if isTerminal(w) {
		w = cmd.OutOrStdout()
	}
	_, err := w.Write(data)
	return err
}

// verbatim is a text of our own that may have several lines.
type verbatim string

// printf prints like fmt.Fprintf, with all texts among its arguments visible.
func printf(w io.Writer, format string, args ...any) error {
	isColored := func(arg any) bool { _, is := arg.(colored); return is }
	color := false
	if slices.ContainsFunc(args, isColored) {
		w, color = canvas(w)
	}
	shown := make([]any, len(args))
	for i, arg := range args {
		shown[i] = printed(arg, color)
	}
	_, err := fmt.Fprintf(w, format, shown...)
	return err
}

// printed makes a value visible that fmt would print as a text.
func printed(value any, color bool) any {
	switch v := value.(type) {
	case verbatim:
		return value
	case colored:
		if !color {
			v.color = ""
		}
		return v
	case error, fmt.Stringer: // a number, too
	default:
		if v := reflect.ValueOf(value); v.CanInt() || v.CanUint() || v.CanFloat() {
			return value
		}
	}
	return visible.Limit(fmt.Sprint(value), maxText)
}

// printError prints an error. Further lines of it are indented, so that none
// looks like another message.
func printError(w io.Writer, err error) {
	head := "mdserver: "
	for line := range strings.SplitSeq(err.Error(), "\n") {
		printf(w, "%s%s\n", head, line)
		head = "  "
	}
}

func printJSON(w io.Writer, value any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(visible.JSON{W: &text})
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(text.Bytes())
	return err
}

// printJSONLine prints a document in one line.
func printJSONLine(w io.Writer, value any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(visible.JSON{W: &text})
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(text.Bytes())
	return err
}

// table prints rows in aligned columns under a heading, unless that is nil.
func table(w io.Writer, heading []string, rows [][]string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if heading != nil {
		fmt.Fprintln(tw, strings.Join(heading, "\t"))
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = visible.Limit(cell, maxValue)
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	return tw.Flush()
}

// fields prints "name: value" lines with aligned values; empty ones are left out.
func fields(w io.Writer, pairs [][2]string) error {
	return coloredFields(w, plainFields(pairs))
}

func plainFields(pairs [][2]string) []field {
	var list []field
	for _, pair := range pairs {
		list = append(list, field{pair[0], colored{text: pair[1]}})
	}
	return list
}

// field is a line "name: value".
type field struct {
	name  string
	value colored
}

// coloredFields is fields with values that have colors.
func coloredFields(w io.Writer, list []field) error {
	to, color := canvas(w)
	tw := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, f := range list {
		if f.value.text != "" {
			fmt.Fprintf(tw, "%s:\t%s\n", visible.Limit(f.name, maxValue), printed(f.value, color))
		}
	}
	return tw.Flush()
}

// printable marks where a text that came from outside begins and ends, if that
// cannot be seen: it is quoted where it holds something that is not to be
// printed.
func printable(s string) string {
	s = visible.Quotable(s, maxValue-len(`""`))
	quoted := strconv.Quote(s)
	if s == "" || quoted[1:len(quoted)-1] != s || strings.TrimSpace(s) != s {
		return quoted
	}
	return s
}

// oneLine joins the lines of an error.
func oneLine(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ") }
