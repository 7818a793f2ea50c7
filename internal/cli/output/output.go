// Package output prints what commands have to say. Commands print by its functions
// alone. They make each value visible, its line breaks included, so that no value can
// look like a line of its own; only a format breaks lines. Below them a visible.Writer
// is a net for all that cobra prints, too.
package output

import (
	"bytes"
	"cmp"
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
	"golang.org/x/sys/unix"

	"mdserver/internal/visible"
)

// Lengths of what is printed of one value, in bytes.
const (
	MaxValue = 512
	MaxText  = 16 << 10 // a sentence with values in it, or a line of an error
)

// CatchAll puts the net below a command and those under it. Call the function
// it returns at the end: it returns an error if something could not be printed.
func CatchAll(root *cobra.Command) (finish func() error) {
	out, err := &Screen{Writer: visible.Writer{W: os.Stdout}}, &visible.Writer{W: os.Stderr}
	root.SetOut(out)
	root.SetErr(err)
	return func() error {
		_ = err.Close()
		return cmp.Or(out.Close(), out.failed)
	}
}

// Screen is the net below standard output.
type Screen struct {
	visible.Writer
	Colored bool
	failed  error // the first write error: commands print many lines before they check for one
}

// Write implements io.Writer.
func (s *Screen) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	s.failed = cmp.Or(s.failed, err)
	return n, err
}

// Beneath is the output below the net, for what is visible by itself.
func Beneath(w io.Writer) io.Writer {
	switch net := w.(type) {
	case *Screen:
		return net.W
	case *visible.Writer:
		return net.W
	}
	return w
}

// canvas is where texts with colors are written to, and whether they may have
// them. Everything else in such a text must be visible characters.
func canvas(w io.Writer) (to io.Writer, color bool) {
	if s, ok := w.(*Screen); ok && s.Colored {
		return s.W, true
	}
	return w, false
}

// Raw prints what must stay as it is, byte for byte. A terminal shows it
// made visible.
func Raw(cmd *cobra.Command, data []byte) error {
	w := Beneath(cmd.OutOrStdout())
	if IsTerminal(w) {
		w = cmd.OutOrStdout()
	}
	_, err := w.Write(data)
	return err
}

// IsTerminal tells whether an input or output is a terminal: whether there is
// a person to ask, or to be shown something.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// Verbatim is a text of our own that may have several lines.
type Verbatim string

// Printf prints like fmt.Fprintf, with all texts among its arguments visible.
func Printf(w io.Writer, format string, args ...any) error {
	isColored := func(arg any) bool { _, is := arg.(Colored); return is }
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
	case Verbatim:
		return value
	case Colored:
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
	return visible.Limit(fmt.Sprint(value), MaxText)
}

// Error prints an error. Further lines of it are indented, so that none
// looks like another message.
func Error(w io.Writer, err error) {
	head := "mdserver: "
	for line := range strings.SplitSeq(err.Error(), "\n") {
		Printf(w, "%s%s\n", head, line)
		head = "  "
	}
}

// JSON prints a document.
func JSON(w io.Writer, value any) error {
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

// JSONLine prints a document in one line.
func JSONLine(w io.Writer, value any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(visible.JSON{W: &text})
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(text.Bytes())
	return err
}

// Table prints rows in aligned columns under a heading, unless that is nil.
func Table(w io.Writer, heading []string, rows [][]string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if heading != nil {
		fmt.Fprintln(tw, strings.Join(heading, "\t"))
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = visible.Limit(cell, MaxValue)
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	return tw.Flush()
}

// Fields prints "name: value" lines with aligned values; empty ones are left out.
func Fields(w io.Writer, pairs [][2]string) error {
	return ColoredFields(w, PlainFields(pairs))
}

// PlainFields are lines without colors.
func PlainFields(pairs [][2]string) []Field {
	var list []Field
	for _, pair := range pairs {
		list = append(list, Field{pair[0], Paint(pair[1], "")})
	}
	return list
}

// Field is a line "name: value".
type Field struct {
	Name  string
	Value Colored
}

// ColoredFields is fields with values that have colors.
func ColoredFields(w io.Writer, list []Field) error {
	to, color := canvas(w)
	tw := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, f := range list {
		if f.Value.text != "" {
			fmt.Fprintf(tw, "%s:\t%s\n", visible.Limit(f.Name, MaxValue), printed(f.Value, color))
		}
	}
	return tw.Flush()
}

// Printable marks where a text that came from outside begins and ends, if that
// cannot be seen: it is quoted where it holds something that is not to be
// printed.
func Printable(s string) string {
	s = visible.Quotable(s, MaxValue-len(`""`))
	quoted := strconv.Quote(s)
	if s == "" || quoted[1:len(quoted)-1] != s || strings.TrimSpace(s) != s {
		return quoted
	}
	return s
}

// Name is a name from outside, or nothing.
func Name(name string) string {
	if name == "" {
		return ""
	}
	return Printable(name)
}

// OneLine joins the lines of an error.
func OneLine(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ") }

// Dash is a text for a cell of a table that must not be empty.
func Dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
