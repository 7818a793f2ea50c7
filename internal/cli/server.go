package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/admin"
)

func userdataCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "user-data NAME",
		Short: "Print the user-data that a guest would get now",
		Long: `Print the user-data that a guest would get now, byte for byte. If its template
fails, print the error with file and line, and exit with 1.

` + refHelp,
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeGuests,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := client(cmd)
			if err != nil {
				return err
			}
			body, err := c.Userdata(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(body)
			return err
		},
	}
}

func exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "export",
		Short:   "Print the inventory in another program's format",
		Long:    "Print the inventory in another program's format. \"legacy\" is the JSON database of\nthe original mdserver, which it reads as its db_file.",
		Example: "  mdserver export --format legacy > db_file.json",
		Args:    args(cobra.NoArgs),
	}
	format := cmd.Flags().String("format", "legacy", "format of the output: legacy")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := client(cmd)
		if err != nil {
			return err
		}
		data, err := c.Export(cmd.Context(), *format)
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(data)
		return err
	}
	return cmd
}

func reloadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make the server read its configuration again",
		Long: `Make the server read its configuration again, and print what changed and what
needs a restart. A bad configuration is refused and the old one stays in force.`,
		Args: args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := client(cmd)
		if err != nil {
			return err
		}
		result, err := c.Reload(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), result)
		}
		printReloaded(cmd, result)
		return nil
	}
	return cmd
}

func printReloaded(cmd *cobra.Command, r admin.Reloaded) {
	for _, w := range r.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "reloaded %s\n", r.File)
	if len(r.Changed) > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "in force now: %s\n", strings.Join(r.Changed, ", "))
	}
	if len(r.Restart) > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "changed, but needs a restart: %s\n", strings.Join(r.Restart, ", "))
	}
}

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the server fares",
		Long:  "Show how the server fares. The exit code is 1 if it does not run or if dnsmasq is in trouble.",
		Args:  args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := client(cmd)
		if err != nil {
			return err
		}
		status, err := c.Status(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), status)
		} else {
			err = printStatus(cmd, status)
		}
		if err == nil && status.Dnsmasq.LastError != "" {
			return &exitError{code: exitFailure}
		}
		return err
	}
	return cmd
}

func printStatus(cmd *cobra.Command, s admin.Status) error {
	dns := string(s.Dnsmasq.Mode)
	if s.Dnsmasq.PID > 0 {
		dns += ", pid " + strconv.Itoa(s.Dnsmasq.PID)
	}
	if s.Dnsmasq.Restarts > 0 {
		dns += fmt.Sprintf(", restarted %d times", s.Dnsmasq.Restarts)
	}
	return fields(cmd.OutOrStdout(), [][2]string{
		{"mdserver", fmt.Sprintf("%s, pid %d, up %s", s.Version, s.PID, time.Since(s.Started).Round(time.Second))},
		{"configuration", s.Config},
		{"listens on", s.Listen},
		{"network", s.Network},
		{"guests", strconv.Itoa(s.Guests)},
		{"addresses", fmt.Sprintf("%d in use, %d resting", s.Addresses.Used, s.Addresses.Resting)},
		{"imds", fmt.Sprintf("%s, %d tokens, %d requests without one, %d refused",
			s.IMDS.Mode, s.IMDS.Tokens, s.IMDS.WithoutToken, s.IMDS.Refused)},
		{"turned away", fmt.Sprintf("%d connections and %d requests too many, %d by a wrong interface, %d from a wrong MAC",
			s.Refused.Connections, s.Refused.Requests, s.Refused.Interface, s.Refused.MAC)},
		{"dnsmasq", dns},
		{"trouble", s.Dnsmasq.LastError},
	})
}
