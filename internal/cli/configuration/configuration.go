// Package configuration has the commands that check and show the configuration file.
// They never ask the server.
package configuration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/dnsmasq"
)

// Command is about the configuration file; it never asks the server.
func Command() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:   "config",
		Short: "Check and show the configuration",
		Example: `  mdserver config check
  mdserver config get mdserver.port`,
	}, checkCommand(), getCommand(), dumpCommand(), defaultCommand())
}

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a configuration",
		Example: `  mdserver config check
  mdserver config check --original /etc/mdserver/old.conf`,
		Long: `Check a configuration and the files that it includes, and print each problem with
its file and line. The exit code is 1 if a problem prevents the server from
starting, 0 if there are only warnings or none, and 3 if a file cannot be read.

For a configuration of the Python mdserver that was not imported yet, lines that
begin with "upgrade:" list what will be different, in order of weight: templates
that will not run, keys that have another meaning, paths that the server's unit
cannot reach, and the Python mdserver's hook and units on this host. Keys that
are not set are included if the Python mdserver's database, hook or units are on
this host, or with --original.
This needs neither root nor an installation.`,
		Args: command.AtMost(1),
	}
	original := cmd.Flags().Bool("original", false, "treat the configuration as one of the Python mdserver")
	return view.Report(cmd, checkView, func(cmd *cobra.Command, args []string) (checkReport, error) {
		file := command.ConfigFile(cmd, args)
		c, warnings, err := config.Load(file)
		if config.IsUnreadable(err) {
			return checkReport{}, exit.With(exit.Unreadable, err)
		}
		if err == nil {
			err = errors.Join(store.Check(c), checkConfFiles(cmd.Context(), c))
		}
		found := newCheckReport(file, warnings, err)
		if c != nil {
			found.Upgrade = fromOriginal(c, "/", *original)
		}
		return found, nil
	})
}

var checkView = view.View[checkReport]{
	Text:  func(w io.Writer, r checkReport) error { r.print(w); return nil },
	Sheet: checkReport.sheet,
	Wrong: func(r checkReport) bool { return !r.OK },
}

// checkConfFiles has dnsmasq check the files of the administrator that it is to
// read, each once.
func checkConfFiles(ctx context.Context, c *config.Config) error {
	var errs []error
	checked := map[string]bool{"": true}
	for _, n := range c.Networks {
		if checked[n.ConfFile] {
			continue
		}
		checked[n.ConfFile] = true
		if err := dnsmasq.CheckFile(ctx, c.Dnsmasq.Binary, n.ConfFile); err != nil {
			errs = append(errs, fmt.Errorf("conf_file of the network %s, %s: %w", n.Name, n.ConfFile, err))
		}
	}
	return errors.Join(errs...)
}

// checkReport is the outcome of a check; its fields are the JSON of --json.
type checkReport struct {
	File     string    `json:"file"`
	OK       bool      `json:"ok"`
	Problems []finding `json:"problems"`
	Warnings []finding `json:"warnings"`
	Upgrade  []finding `json:"upgrade"` // what the Python mdserver's configuration will mean
}

type finding struct {
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Key      string `json:"key,omitempty"`
	Value    string `json:"value,omitempty"`
	Text     string `json:"text"`
	Accepted string `json:"accepted,omitempty"`
	whole    string
}

func newCheckReport(file string, warnings []config.Warning, err error) checkReport {
	r := checkReport{File: file, OK: err == nil, Problems: []finding{}, Warnings: []finding{}, Upgrade: []finding{}}
	for _, e := range flatten(err) {
		f := finding{File: file, Text: e.Error(), whole: e.Error()}
		if p, ok := errors.AsType[*config.Problem](e); ok {
			f = finding{p.File, p.Line, p.Key, p.Value, p.Reason, p.Accepted, p.Error()}
		}
		r.Problems = append(r.Problems, f)
	}
	for _, w := range warnings {
		if w.Level >= slog.LevelWarn {
			r.Warnings = append(r.Warnings, finding{File: w.File, Line: w.Line, Key: w.Key, Text: w.Text, whole: w.String()})
		}
	}
	return r
}

// flatten undoes errors.Join.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

func (r checkReport) print(w io.Writer) {
	for _, p := range r.Problems {
		output.Printf(w, "%s: %s\n", output.State("error"), p.whole)
	}
	for _, f := range r.Warnings {
		output.Printf(w, "%s: %s\n", output.State("warning"), f.whole)
	}
	for _, f := range r.Upgrade {
		output.Printf(w, "upgrade: %s\n", f.whole)
	}
	if r.OK {
		output.Printf(w, "%s: the configuration is valid\n", r.File)
	}
}

func (r checkReport) sheet() view.Sheet {
	s := view.Sheet{Columns: []string{"KIND", "FILE", "LINE", "KEY", "MESSAGE"}, Wide: []string{"VALUE", "ACCEPTED"}}
	for _, list := range []struct {
		kind     string
		findings []finding
	}{{"error", r.Problems}, {"warning", r.Warnings}, {"upgrade", r.Upgrade}} {
		for _, f := range list.findings {
			s.Rows = append(s.Rows, []string{list.kind, f.File, strconv.Itoa(f.Line), f.Key, f.Text, f.Value, f.Accepted})
			s.Names = append(s.Names, f.Key)
		}
	}
	return s
}

func dumpCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dump [FILE]",
		Short: "Print all active values, without secrets",
		Example: `  mdserver config dump
  mdserver config dump -o wide`,
		Args: command.AtMost(1),
	}
	return view.Report(cmd, settingsView, func(cmd *cobra.Command, args []string) ([]config.Setting, error) {
		c, _, err := config.Load(command.ConfigFile(cmd, args))
		if err != nil {
			return nil, exit.With(exit.Unreadable, err)
		}
		return c.Effective(), nil
	})
}

var settingsView = view.View[[]config.Setting]{
	Text: func(w io.Writer, settings []config.Setting) error {
		for _, s := range settings {
			output.Printf(w, "%s=%s\n", s.Key, s.Value)
		}
		return nil
	},
	Sheet: func(settings []config.Setting) view.Sheet {
		s := view.Sheet{Columns: []string{"KEY", "VALUE"}, Wide: []string{"FILE", "LINE"}}
		for _, one := range settings {
			s.Rows = append(s.Rows, []string{one.Key, one.Value, one.File, strconv.Itoa(one.Line)})
		}
		return s
	},
}

func defaultCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "default",
		Short:   "Print a commented configuration with every key",
		Example: "  mdserver config default > mdserver.conf",
		Args:    command.Exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return output.Printf(cmd.OutOrStdout(), "%s", output.Verbatim(config.Example()))
		},
	}
}
