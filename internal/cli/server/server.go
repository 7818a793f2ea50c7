// Package server has the commands that run the server, and those that ask a running one
// how it and its networks are.
package server

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/counted"
)

// ReloadCommand is the command reload.
func ReloadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "reload",
		Short:   "Reload the server's configuration",
		Example: "  sudo mdserver reload",
		Long: `Reload the server's configuration, and print what changed and what
needs a restart. An invalid configuration is refused, and the old one stays active.`,
		Args: command.Exactly(0),
	}
	return view.Query(cmd, reloadedView, func(ctx context.Context, server *client.Client, _ []string) (api.Reloaded, error) {
		return server.Reload(ctx)
	})
}

var reloadedView = view.View[api.Reloaded]{
	Text: func(w io.Writer, r api.Reloaded) error {
		output.Printf(w, "reloaded %s\n", r.File)
		if len(r.Changed) > 0 {
			output.Printf(w, "active now: %s\n", strings.Join(r.Changed, ", "))
		}
		if len(r.Restart) > 0 {
			output.Printf(w, "changed, but needs a restart: %s\n", strings.Join(r.Restart, ", "))
		}
		return nil
	},
	Notes: func(w io.Writer, r api.Reloaded) {
		for _, warning := range r.Warnings {
			output.Printf(w, "warning: %s\n", warning)
		}
	},
}

// StatusCommand is the command status.
func StatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show server status",
		Example: `  mdserver status
  mdserver status -o json`,
		Long: `Show server status: networks, guests, libvirt, the health of each part of the
server, and everything that is wrong, such as a full disk or a network that is
not served, with commands that help. -o wide, csv and name list the parts of the
server.

The exit code is 0 if nothing is wrong, 6 if something is, and 5 if the server
cannot be reached. Warnings alone, such as a disk that is nearly full, are 0.`,
		Args: command.Exactly(0),
	}
	return view.Query(cmd, statusView, func(ctx context.Context, server *client.Client, _ []string) (api.Status, error) {
		return server.Status(ctx)
	})
}

var statusView = view.View[api.Status]{
	Text:  printStatus,
	Sheet: healthSheet,
	Wrong: api.Status.Wrong,
	Exit:  exit.Trouble,
}

func printStatus(w io.Writer, s api.Status) error {
	pairs := [][2]string{
		{"mdserver", fmt.Sprintf("%s, pid %d, up %s", s.Version, s.PID, time.Since(s.Started).Round(time.Second))},
		{"configuration", s.Config},
		{"listens on", s.Listen},
	}
	for _, n := range s.Networks {
		pairs = append(pairs, [2]string{"network", describeNetwork(n)})
	}
	for _, n := range s.Networks {
		pairs = append(pairs, [2]string{"port security", n.Name + " " + describeEnforced(n.PortSecurity)})
	}
	pairs = append(pairs, [][2]string{
		{"libvirt", describeLibvirt(s.Libvirt)},
		{"guests", strconv.Itoa(s.Guests)},
		{"other domains", describeNotServed(s.NotServed)},
		{"addresses", fmt.Sprintf("%d in use, %d in quarantine", s.Addresses.Used, s.Addresses.Resting)},
		{"imds", fmt.Sprintf("%s, %s, %s without one, %d refused",
			s.IMDS.Mode, counted.Of(s.IMDS.Tokens, "token", "tokens"), counted.Of(s.IMDS.WithoutToken, "request", "requests"), s.IMDS.Refused)},
		{"guests known by", s.Identity},
		{"turned away", fmt.Sprintf("%s and %s too many, %d by a wrong interface, %d from a wrong MAC, %d by a wrong port, %d of unknown origin",
			counted.Of(s.Refused.Connections, "connection", "connections"), counted.Of(s.Refused.Requests, "request", "requests"), s.Refused.Interface, s.Refused.MAC, s.Refused.Port, s.Refused.Unknown)},
	}...)
	if s.Store != nil {
		pairs = append(pairs, [2]string{"etcd", describeStore(*s.Store)}, [2]string{"spare addresses", describeSpares(s.Store.Spares)})
	}
	for _, n := range s.Networks {
		if n.Dnsmasq != nil {
			pairs = append(pairs, [2]string{"dnsmasq", n.Name + " " + describeDnsmasq(*n.Dnsmasq)})
		}
	}
	return output.ColoredFields(w, append(output.PlainFields(pairs), describeHealth(s)...))
}

func describeLibvirt(l api.Libvirt) string {
	since := time.Since(l.Since).Round(time.Second)
	switch {
	case l.URI == "off":
		return "not used"
	case l.Connected:
		return fmt.Sprintf("%s for %s, %s, %s", l.Socket, since, counted.Of(l.Domains, "domain", "domains"), counted.Of(l.Events, "event", "events"))
	case l.Error != "":
		return fmt.Sprintf("not reached for %s: %s", since, output.OneLine(l.Error))
	}
	return "not reached yet"
}

func describeStore(s api.Store) string {
	text := fmt.Sprintf("%d of %d members usable, revision %d as of %s ago, %s not shared, %s",
		s.Usable, s.Members, s.Revision, time.Duration(s.Staleness*float64(time.Second)).Round(time.Second), counted.Guests(s.Unshared), counted.Of(s.Conflicts, "conflict", "conflicts"))
	if !s.Drained.IsZero() {
		text += "; this host is drained since " + s.Drained.Local().Format(time.DateTime)
	}
	return text
}

// describeSpares counts the spare addresses of this host.
func describeSpares(spares []api.SpareAddresses) string {
	families := map[string]string{"ipv4": "IPv4", "ipv6": "IPv6"}
	var list []string
	for _, s := range spares {
		list = append(list, fmt.Sprintf("%d %s on %s", s.Addresses, families[s.Family], s.Network))
	}
	return strings.Join(list, ", ")
}

// describeNotServed counts the domains that are no guests; empty for none.
func describeNotServed(n api.NotServed) string {
	var list []string
	if n.Refused > 0 {
		list = append(list, fmt.Sprintf("%d refused", n.Refused))
	}
	if n.Unserved > 0 {
		list = append(list, fmt.Sprintf("%d on networks that are not served", n.Unserved))
	}
	if len(list) == 0 {
		return ""
	}
	return strings.Join(list, ", ") + " (mdserver instance ls --refused)"
}

func describeNetwork(n api.Network) string {
	text := n.Name
	for _, prefix := range []string{n.IPv4, n.IPv6} {
		if prefix != "" {
			text += " " + prefix
		}
	}
	return fmt.Sprintf("%s on %s, %s, by %s", text, output.Dash(n.Bridge), counted.Guests(n.Guests), n.Backend)
}

func describeDnsmasq(d api.Dnsmasq) string {
	text := string(d.Mode)
	if d.PID > 0 {
		text += ", pid " + strconv.Itoa(d.PID)
	}
	if d.Restarts > 0 {
		text += fmt.Sprintf(", restarted %s", counted.Of(d.Restarts, "time", "times"))
	}
	if d.Replaced > 0 {
		text += fmt.Sprintf(", did not answer %s", counted.Of(d.Replaced, "time", "times"))
	}
	if d.Repairs > 0 {
		text += fmt.Sprintf(", files or answers corrected %s", counted.Of(d.Repairs, "time", "times"))
	}
	if d.Warning != "" {
		text += "; " + d.Warning
	}
	return text
}
