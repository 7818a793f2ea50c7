// Package template has the commands that render and check user-data templates, without a
// server.
package template

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/userdata"
	"mdserver/stpl"
)

// Command is the command template, with those below it.
func Command() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "template",
		Short:   "Render and check user-data templates",
		Example: "  mdserver template check /etc/mdserver/userdata",
	}, renderCommand(), checkCommand())
}

func renderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render FILE",
		Short: "Render a template with the variables of a JSON file",
		Example: `  mdserver template render web1.yaml
  mdserver template render web1.yaml --vars web1.json`,
		Args: command.Exactly(1),
	}
	varsFile := cmd.Flags().String("vars", "", "JSON `FILE` with one object: the variables")
	views := cmd.Flags().StringSlice("views", nil, "`DIR` with included templates (default: the template's own)")
	escape := command.ChoiceFlag(cmd, "escape", "how {{ }} is escaped", "html", "none")
	none := command.ChoiceFlag(cmd, "none", "what None prints", "text", "empty")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts := engineOptions(escape.Value, none.Value)
		if opts.Roots = *views; len(opts.Roots) == 0 {
			opts.Roots = []string{filepath.Dir(args[0])}
		}
		vars, err := readVars(*varsFile)
		if err != nil {
			return err
		}
		return render(cmd, args[0], opts, vars)
	}
	return cmd
}

func engineOptions(escape, none string) stpl.Options {
	opts := userdata.TemplateOptions()
	if escape == "none" {
		opts.Escape = stpl.EscapeNone
	}
	if none == "empty" {
		opts.None = stpl.NoneEmpty
	}
	return opts
}

func readVars(file string) (map[string]any, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, exit.With(exit.Unreadable, err)
	}
	vars, err := stpl.ParseVariables(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return vars, nil
}

func render(cmd *cobra.Command, file string, opts stpl.Options, vars map[string]any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return exit.With(exit.Unreadable, err)
	}
	body, raw, err := userdata.Raw(file, string(data), false)
	if err != nil {
		return failed(cmd, err, file, string(data))
	}
	if raw {
		return output.Raw(cmd, []byte(body))
	}
	tpl, err := stpl.New(opts).Compile(file, body)
	if err != nil {
		return failed(cmd, err, file, string(data))
	}
	out, err := tpl.Render(cmd.Context(), vars)
	if err != nil {
		return failed(cmd, err, file, string(data))
	}
	return output.Raw(cmd, out.Text)
}

// failed prints FILE:LINE: Kind: message, as compilers do, and the text of
// the line if it is in this file.
func failed(cmd *cobra.Command, err error, file, text string) error {
	output.Printf(cmd.ErrOrStderr(), "%s\n", err)
	if bad, ok := errors.AsType[*stpl.Error](err); ok && bad.File == file {
		if source := textLine(text, bad.Line); source != "" {
			output.Printf(cmd.ErrOrStderr(), "    %s\n", source)
		}
	}
	return exit.Silently(exit.Failure)
}
