package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mdserver/internal/userdata"
	"mdserver/stpl"
)

func templateCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "template",
		Short: "Render and check user-data templates",
	}, renderCommand(), templateCheckCommand())
}

func renderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render FILE",
		Short: "Print what a template gives with variables of a JSON file",
		Args:  args(cobra.ExactArgs(1)),
	}
	varsFile := cmd.Flags().String("vars", "", "JSON file with one object: the variables")
	views := cmd.Flags().StringSlice("views", nil, "directory of included templates (default: the template's own)")
	escape := cmd.Flags().String("escape", "html", "what {{ }} does: html or none")
	none := cmd.Flags().String("none", "text", "what None prints: text or empty")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts, err := engineOptions(*escape, *none)
		if err != nil {
			return err
		}
		if opts.Roots = *views; len(opts.Roots) == 0 {
			opts.Roots = []string{filepath.Dir(args[0])}
		}
		vars, err := readVars(*varsFile)
		if err != nil {
			return err
		}
		return renderTemplate(cmd, args[0], opts, vars)
	}
	return cmd
}

func engineOptions(escape, none string) (stpl.Options, error) {
	opts := userdata.TemplateOptions()
	switch escape {
	case "html":
	case "none":
		opts.Escape = stpl.EscapeNone
	default:
		return opts, &exitError{exitUsage, fmt.Errorf("--escape %q, accepted: html, none", escape)}
	}
	switch none {
	case "text":
	case "empty":
		opts.None = stpl.NoneEmpty
	default:
		return opts, &exitError{exitUsage, fmt.Errorf("--none %q, accepted: text, empty", none)}
	}
	return opts, nil
}

func readVars(file string) (map[string]any, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	vars, err := stpl.ParseVariables(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return vars, nil
}

func renderTemplate(cmd *cobra.Command, file string, opts stpl.Options, vars map[string]any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	body, raw, err := userdata.Raw(file, string(data), false)
	if err != nil {
		return failedTemplate(cmd, err)
	}
	if raw {
		return printRaw(cmd, []byte(body))
	}
	tpl, err := stpl.New(opts).Compile(file, body)
	if err != nil {
		return failedTemplate(cmd, err)
	}
	out, err := tpl.Render(cmd.Context(), vars)
	if err != nil {
		return failedTemplate(cmd, err)
	}
	return printRaw(cmd, out.Text)
}

// failedTemplate prints FILE:LINE: Kind: message, as compilers do.
func failedTemplate(cmd *cobra.Command, err error) error {
	printf(cmd.ErrOrStderr(), "%s\n", err)
	return &exitError{code: exitFailure}
}
