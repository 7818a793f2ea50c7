package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
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
file), gone (undefined), or unknown to libvirt. BOOT is how far its boot is, or how
it went, see "mdserver boots --help". AGE is the time since a guest was first
registered. -o wide adds the host, the network, the bridge, the tap device and more.

Names and filters select guests; a guest must match all filters. A tag filter is
TAG=VALUE, TAG!=VALUE, or TAG for guests that have the tag; commas separate several.

Without names and filters, refused domains are listed below the table, with the
reason. -o json and the other formats for programs list guests only.

With --refused, list the domains that are not guests, because of an error or because
none of their networks is served, and what to do about each.

` + refHelp,
		Example: `  mdserver instance ls
  mdserver instance ls --network mds --state running,off
  mdserver instance ls -l role=web -o wide
  mdserver instance ls --host kvm1
  mdserver instance ls web1 web2 -o json`,
		ValidArgsFunction: completeGuests,
	}
	view.Flags(cmd, true)
	filter := guestFilterFlags(cmd)
	hostFilterFlag(cmd, filter)
	refused := cmd.Flags().Bool("refused", false, "list the domains that are not guests, and why")
	cmd.Args = func(_ *cobra.Command, names []string) error {
		if *refused && (len(names) > 0 || filter.active()) {
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
		list, err := listGuests(cmd.Context(), server, *filter, names)
		if err != nil {
			return err
		}
		return view.Show(cmd, guestsView, list)
	})
	return cmd
}

// guestList is what `mdserver instance ls` shows. Programs get the guests alone.
type guestList struct {
	guests  []api.Guest
	others  []api.Refusal     // domains that are no guests
	bridges map[string]string // by network
	now     time.Time
}

// listGuests asks the server for the guests that have one of the names, if there
// are names, and pass the filter.
func listGuests(ctx context.Context, server *client.Client, filter guestFilter, names []string) (guestList, error) {
	list := guestList{guests: []api.Guest{}, bridges: map[string]string{}, now: time.Now()}
	status, err := server.Status(ctx)
	if err != nil {
		return list, err
	}
	for _, n := range status.Networks {
		list.bridges[n.Name] = n.Bridge
	}
	if err := filter.checkNetworks(status.Networks); err != nil {
		return list, err
	}
	if len(filter.hosts) > 0 {
		hosts, err := server.Hosts(ctx)
		if err == nil {
			err = filter.checkHosts(hosts)
		}
		if err != nil {
			return list, err
		}
	}
	named, err := find(ctx, server, names)
	if err != nil {
		return list, err
	}
	all, err := server.Guests(ctx)
	if err != nil {
		return list, err
	}
	for _, guest := range all {
		if (len(names) == 0 || contains(named, guest.Instance)) && filter.passes(guest) {
			list.guests = append(list.guests, guest)
		}
	}
	if len(names) == 0 && !filter.active() {
		list.others, err = server.Refusals(ctx)
	}
	return list, err
}

// find returns the guests that are named, each once. The error has all names that
// are not a guest's.
func find(ctx context.Context, server *client.Client, names []string) (found []instance.Instance, unknown error) {
	var errs []error
	for _, name := range names {
		guest, err := server.Instance(ctx, name)
		if _, refused := errors.AsType[*client.Error](err); err != nil && !refused {
			return nil, err // there is no server to ask for the other names
		}
		switch {
		case err != nil:
			errs = append(errs, err)
		case !contains(found, guest):
			found = append(found, guest)
		}
	}
	return found, errors.Join(errs...)
}

func contains(guests []instance.Instance, guest instance.Instance) bool {
	return slices.ContainsFunc(guests, func(other instance.Instance) bool { return other.UUID == guest.UUID })
}

var guestsView = view.View[guestList]{
	Data:  func(l guestList) any { return l.guests },
	Sheet: guestSheet,
	Below: func(w io.Writer, l guestList) { printNotServed(w, l.others) },
}

func guestSheet(list guestList) view.Sheet {
	s := view.Sheet{
		Columns: []string{"NAME", "HOSTNAME", "IPV4", "IPV6", "MAC", "INSTANCE-ID", "STATE", "BOOT", "AGE"},
		Wide:    []string{"UUID", "NETWORK", "BRIDGE", "TAP", "FIRST SEEN", "LAST UPDATE", "HOST"},
	}
	for _, guest := range list.guests {
		s.Names = append(s.Names, word(guest.Instance))
		s.Rows = append(s.Rows, []string{
			output.Printable(guest.Name), guest.Hostname, family(guest.Instance, netip.Addr.Is4), family(guest.Instance, netip.Addr.Is6),
			guest.MAC.String(), guest.ID, stateCell(guest), bootCell(guest.Boot), age(list.now.Sub(guest.FirstSeen)),
			guest.UUID.String(), eachPlace(guest.Instance, func(a instance.Attachment) string { return a.Network }),
			eachPlace(guest.Instance, func(a instance.Attachment) string { return list.bridges[a.Network] }),
			eachPlace(guest.Instance, guest.Target),
			guest.FirstSeen.Format(time.RFC3339), guest.LastUpdate.Format(time.RFC3339), named(guest.Host),
		})
	}
	return s
}

// named is a name from outside, or nothing.
func named(name string) string {
	if name == "" {
		return ""
	}
	return output.Printable(name)
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
