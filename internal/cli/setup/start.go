package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/doctor"
	"mdserver/internal/install"
	"mdserver/internal/pace"
)

// startFlags adds the flags of "install --start" and returns what reads them.
func startFlags(cmd *cobra.Command) func() (*install.Start, error) {
	flags := cmd.Flags()
	start := flags.Bool("start", false, "configure and start mdserver and its network, and run doctor")
	network := flags.String("network", "", "with --start: serve the guests of the libvirt network `NAME`; mds is mdserver's own (default: the networks of the configuration, or the network default)")
	_ = cmd.RegisterFlagCompletionFunc("network", cobra.FixedCompletions([]string{"mds", "default"}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	files := flags.StringArray("key", nil, "with --start: give guests the SSH public keys in `FILE`; may be repeated")
	return func() (*install.Start, error) {
		if !*start {
			if flags.Changed("network") || flags.Changed("key") {
				return nil, exit.With(exit.Usage, errors.New("--network and --key have an effect with --start only"))
			}
			return nil, nil
		}
		asked := &install.Start{Network: *network}
		for _, file := range *files {
			keys, err := readKeys(file)
			if err != nil {
				return nil, err
			}
			asked.Keys = append(asked.Keys, keys...)
		}
		return asked, nil
	}
}

// readKeys reads the public keys in a file, one a line.
func readKeys(file string) ([]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, exit.With(exit.Unreadable, fmt.Errorf("read the SSH key: %w", err))
	}
	if strings.Contains(string(content), "PRIVATE KEY") {
		return nil, fmt.Errorf("%s is a private key; name the public one, %s.pub", file, file)
	}
	var keys []string
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no key", file)
	}
	return keys, nil
}

// settling is how long a server that was just started may take until libvirt,
// which was just reloaded, has answered it.
const settling = 15 * time.Second

// settled looks until nothing is wrong, or for as long as settling.
func settled(ctx context.Context, look func() doctor.Report) doctor.Report {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	for {
		report := look()
		if report.Healthy {
			return report
		}
		if pace.Sleep(ctx, time.Second); ctx.Err() != nil {
			return report
		}
	}
}

// finishStart prints what was done, what doctor says of the host, and what to
// do next. It fails if a step failed or something is wrong.
func finishStart(cmd *cobra.Command, report *install.Report) error {
	found := settled(cmd.Context(), func() doctor.Report { return examine(cmd.Context(), command.ConfigFile(cmd, nil), "") })
	return view.Show(cmd, view.View[*install.Report]{
		Text:  func(w io.Writer, report *install.Report) error { return printStarted(w, *report, found) },
		Wrong: func(report *install.Report) bool { return startFailed(*report, found) },
	}, report)
}

// isStarted reports whether an installation with these options and this error started the server.
func isStarted(opts install.Options, err error) bool {
	return opts.Start != nil && !opts.DryRun && err == nil
}

// startFailed reports whether a step failed or something is wrong with the host.
func startFailed(report install.Report, found doctor.Report) bool {
	failed := slices.ContainsFunc(report.Changes, func(c install.Change) bool { return c.Action == install.Failed })
	return failed || !found.Healthy
}

func printStarted(w io.Writer, report install.Report, found doctor.Report) error {
	next := report.Next
	report.Next = nil
	if err := printInstall(w, &report); err != nil {
		return err
	}
	output.Printf(w, "\nmdserver doctor:\n")
	printReport(w, found)
	printFindings(w, "Next:", next)
	return nil
}
