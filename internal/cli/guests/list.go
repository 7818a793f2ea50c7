package guests

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/instance"
)

func listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls [NAME...]",
		Aliases: []string{"list"},
		Short:   "List guests, and the domains that are refused",
		Long: `List guests with their state: running, off, away (migrated or saved to a
file), gone (undefined), or unknown to libvirt. BOOT is how far its boot has come,
or how it went; see "mdserver boots --help". AGE is the time since a guest was first
registered. -o wide adds the host, the network, the bridge, the tap device and more.

Names and filters select guests; a guest must match all filters. A tag filter is
TAG=VALUE, TAG!=VALUE, or TAG for guests that have the tag; commas separate several.

Without names and filters, refused domains are listed below the table, with the
reason. -o json and the other formats for programs list guests only.

With --refused, list the domains that are not guests, because of an error or because
none of their networks is served, and what to do about each.

` + selection.RefHelp,
		Example: `  mdserver instance ls
  mdserver instance ls --network mds --state running,off
  mdserver instance ls -l role=web -o wide
  mdserver instance ls --host kvm1
  mdserver instance ls web1 web2 -o json`,
		ValidArgsFunction: selection.CompleteGuests,
	}
	view.Flags(cmd, true)
	filter := selection.Flags(cmd)
	selection.HostFlag(cmd, filter)
	refused := cmd.Flags().Bool("refused", false, "list the domains that are not guests, and why")
	cmd.Args = func(_ *cobra.Command, names []string) error {
		if *refused && (len(names) > 0 || filter.Active()) {
			return exit.With(exit.Usage, errors.New("--refused takes no names and no filters"))
		}
		return nil
	}
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, names []string) error {
		if *refused {
			others, err := server.Refusals(cmd.Context())
			if err != nil {
				return err
			}
			return view.Show(cmd, refusalsView, others)
		}
		list, err := selection.Guests(cmd.Context(), server, *filter, names)
		if err != nil {
			return err
		}
		return view.Show(cmd, guestsView, list)
	})
	return cmd
}

var guestsView = view.View[selection.Selected]{
	Data:  func(l selection.Selected) any { return l.Guests },
	Sheet: guestSheet,
	Below: func(w io.Writer, l selection.Selected) { printNotServed(w, l.Others) },
}

func guestSheet(list selection.Selected) view.Sheet {
	s := view.Sheet{
		Columns: []string{"NAME", "HOSTNAME", "IPV4", "IPV6", "MAC", "INSTANCE-ID", "STATE", "BOOT", "AGE"},
		Wide:    []string{"UUID", "NETWORK", "BRIDGE", "TAP", "FIRST SEEN", "LAST UPDATE", "HOST"},
	}
	for _, guest := range list.Guests {
		s.Names = append(s.Names, selection.Word(guest.Instance))
		s.Rows = append(s.Rows, []string{
			output.Printable(guest.Name), guest.Hostname, family(guest.Instance, netip.Addr.Is4), family(guest.Instance, netip.Addr.Is6),
			guest.MAC.String(), guest.ID, stateCell(guest), bootCell(guest.Boot), age(list.Now.Sub(guest.FirstSeen)),
			guest.UUID.String(), eachPlace(guest.Instance, func(a instance.Attachment) string { return a.Network }),
			eachPlace(guest.Instance, func(a instance.Attachment) string { return list.Bridges[a.Network] }),
			eachPlace(guest.Instance, guest.Target),
			guest.FirstSeen.Format(time.RFC3339), guest.LastUpdate.Format(time.RFC3339), output.Name(guest.Host),
		})
	}
	return s
}

// stateCell is what a guest does, and whether the other hosts do not know of it yet.
func stateCell(guest api.Guest) string {
	if guest.Unshared {
		return string(guest.State) + ", unshared"
	}
	return string(guest.State)
}

// bootCell is how a guest's boot goes: how far it is, or how it went.
func bootCell(b *api.BootBrief) string {
	switch {
	case b == nil:
		return ""
	case b.Verdict.State == api.Booting:
		return b.Verdict.Phase
	}
	return string(b.Verdict.State)
}

// eachPlace joins what the guest's places on networks have.
func eachPlace(inst instance.Instance, of func(instance.Attachment) string) string {
	var list []string
	for _, place := range inst.Attachments() {
		if text := of(place); text != "" {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

// age is a duration in its largest unit, such as 3d.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/day)
}
