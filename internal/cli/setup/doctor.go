package setup

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/config"
	"mdserver/internal/counted"
	"mdserver/internal/doctor"
	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
	"mdserver/internal/etcd"
)

// DoctorCommand is the command doctor.
func DoctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Diagnose this host and suggest fixes",
		Example: `  sudo mdserver doctor
  sudo mdserver doctor -o json`,
		Long: `Look at everything between a guest and its metadata: the configuration, the
server, its data, libvirt with its networks, guests and hook, the bridge, routes,
ports, dnsmasq, the firewall and the clock. For each problem, the commands that
repair it are printed. Nothing is changed.

It works whether the server runs or not. Checks that need more rights than you
have are reported as unknown; root can run all of them.

The exit code is 0 if nothing is wrong, 1 if something is, and 3 if the
configuration cannot be read, so that nothing could be checked.`,
		Args: command.Exactly(0),
	}
	return view.Report(cmd, doctorView, func(cmd *cobra.Command, _ []string) (doctor.Report, error) {
		file := command.ConfigFile(cmd, nil)
		if err := readable(file); err != nil {
			return doctor.Report{}, exit.With(exit.Unreadable, err)
		}
		return examine(cmd.Context(), file, command.SocketFlag(cmd)), nil
	})
}

var doctorView = view.View[doctor.Report]{
	Text:  func(w io.Writer, found doctor.Report) error { printReport(w, found); return nil },
	Sheet: func(found doctor.Report) view.Sheet { return findingSheet(found.Findings) },
	Wrong: func(found doctor.Report) bool { return !found.Healthy },
}

// examine looks at the host with a configuration. The socket is that of the
// configuration if it is empty.
func examine(ctx context.Context, file, socket string) doctor.Report {
	return doctor.Examine(host.Read(ctx, file, func(cfg *config.Config) host.Client {
		if socket == "" {
			socket = cfg.Server.Socket
		}
		return client.New(socket)
	}, etcd.Inspect))
}

// readable makes sure that a file can be read.
func readable(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return file.Close()
}

func findingSheet(findings []finding.Finding) view.Sheet {
	s := view.Sheet{Columns: []string{"CHECK", "STATE", "CODE", "FINDING"}, Wide: []string{"ADVICE", "REMEDY"}}
	for _, f := range findings {
		s.Rows = append(s.Rows, []string{f.Check, string(f.State), f.Code, output.OneLine(f.Text), strings.Join(f.Advice, "; "), strings.Join(f.Remedy, "; ")})
	}
	return s
}

func printReport(w io.Writer, report doctor.Report) {
	for _, f := range report.Findings {
		output.Printf(w, "%-8s %s: %s\n", output.State(f.State), f.Check, output.OneLine(f.Text))
		for _, advice := range f.Advice {
			output.Printf(w, "%-8s   - %s\n", "", advice)
		}
		for _, command := range f.Remedy {
			output.Printf(w, "%-8s   %s\n", "", command)
		}
	}
	output.Printf(w, "\n%d wrong, %s, %d unknown, %d ok\n",
		report.Count(finding.Wrong), counted.Of(report.Count(finding.Warning), "warning", "warnings"), report.Count(finding.Unknown), report.Count(finding.OK))
}
