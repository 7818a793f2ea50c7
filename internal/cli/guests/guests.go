// Package guests has the commands that list, show, explain, add, remove and reprovision
// guests.
package guests

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
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
	"mdserver/internal/libvirt"
)

// Command is the command instance, with those below it.
func Command() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "instance",
		Aliases: []string{"instances", "guest"},
		Short:   "List, show, add, remove and reprovision guests",
		Example: `  mdserver instance ls
  mdserver instance show web1`,
	}, addCommand(), listCommand(), showCommand(), removeCommand(), reprovisionCommand(), passwordCommand())
}

func addCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add FILE|-",
		Short: "Register the guest of a domain definition, or update it",
		Example: `  virsh dumpxml web1 | mdserver instance add -
  mdserver instance add web1.xml`,
		Args: command.Exactly(1),
	}
	return view.Report(cmd, registeredView, func(cmd *cobra.Command, args []string) (registered api.Registered, err error) {
		xml, err := readDefinition(cmd, args[0])
		if err != nil {
			return registered, err
		}
		server, err := command.Connect(cmd)
		if err != nil {
			return registered, err
		}
		registered, err = server.Register(cmd.Context(), xml)
		if err != nil {
			err = fmt.Errorf("%s: %w", args[0], err)
		}
		return registered, err
	})
}

// readDefinition reads a domain definition from a file, or from standard input if
// name is "-".
func readDefinition(cmd *cobra.Command, name string) ([]byte, error) {
	in, err := command.OpenInput(cmd, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	xml, err := io.ReadAll(io.LimitReader(in, libvirt.MaxDomainXML+1))
	if err != nil {
		return nil, exit.With(exit.Unreadable, err)
	}
	if len(xml) > libvirt.MaxDomainXML {
		return nil, fmt.Errorf("%s: %w", name, libvirt.ErrTooLarge)
	}
	return xml, nil
}

var registeredView = view.View[api.Registered]{
	Text: func(w io.Writer, r api.Registered) error {
		verb := "updated"
		if r.Created {
			verb = "registered"
		}
		return output.Printf(w, "%s %s: %s, host name %s\n", verb, output.Printable(r.Instance.Name), addresses(r.Instance), r.Instance.Hostname)
	},
	Notes: func(w io.Writer, r api.Registered) {
		if r.Warning != "" {
			output.Printf(w, "warning: %s\n", r.Warning)
		}
	},
}

func addresses(inst instance.Instance) string {
	if list := join(inst.Addrs()); list != "" {
		return list
	}
	return "no address"
}

func join(addrs []netip.Addr) string {
	list := make([]string, 0, len(addrs))
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return strings.Join(list, ", ")
}

// family gives a guest's addresses of one family on all networks.
func family(inst instance.Instance, is func(netip.Addr) bool) string {
	return join(slices.DeleteFunc(inst.Addrs(), func(a netip.Addr) bool { return !is(a) }))
}

func addr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show everything that is known about a guest",
		Example: `  mdserver instance show web1
  mdserver instance show 52:54:00:12:34:56 -o json`,
		Long:              "Show everything that is known about a guest.\n\n" + selection.RefHelp,
		Args:              command.Exactly(1),
		ValidArgsFunction: selection.CompleteGuests,
	}
	return view.Query(cmd, view.View[instance.Instance]{Text: printInstance}, func(ctx context.Context, server *client.Client, args []string) (instance.Instance, error) {
		return server.Instance(ctx, args[0])
	})
}

func printInstance(w io.Writer, inst instance.Instance) error {
	pairs := [][2]string{
		{"name", output.Printable(inst.Name)},
		{"host name", inst.Hostname},
		{"UUID", inst.UUID.String()},
		{"instance-id", inst.ID},
		{"MAC", inst.MAC.String()},
		{"IPv4", addr(inst.IPv4)},
		{"IPv6", addr(inst.IPv6)},
		{"location", inst.Location},
		{"first seen", inst.FirstSeen.Local().Format(time.DateTime)},
		{"last update", inst.LastUpdate.Local().Format(time.DateTime)},
	}
	if inst.Presence.State != "" {
		pairs = append(pairs, [2]string{"in libvirt", fmt.Sprintf("%s since %s", inst.Presence.State, inst.Presence.Since.Local().Format(time.DateTime))})
	}
	if inst.Epoch > 0 {
		pairs = append(pairs, [2]string{"host", describeHome(inst.Home)})
	}
	if inst.Unshared {
		pairs = append(pairs, [2]string{"unshared", "the other hosts do not have this record yet, because etcd did not answer"})
	}
	for _, h := range inst.Hardware.Facts() {
		pairs = append(pairs, [2]string{h.Name, output.Printable(h.Value)})
	}
	for i, place := range inst.Places() {
		pairs = append(pairs, [2]string{"interface", describeInterface(inst.Interfaces[i], place)})
	}
	flat := inst.Metadata.Flat()
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		pairs = append(pairs, [2]string{"metadata " + key, output.Printable(flat[key])})
	}
	for _, w := range inst.Metadata.Warnings {
		pairs = append(pairs, [2]string{"metadata warning", output.Printable(w)})
	}
	return output.Fields(w, pairs)
}

// describeHome names the host that has a guest, and how often it has moved.
func describeHome(h instance.Home) string {
	switch {
	case h.HostID == "":
		return fmt.Sprintf("none (epoch %d)", h.Epoch)
	case h.FromID != "":
		return fmt.Sprintf("%s (epoch %d), on its way from %s", output.Printable(h.Host), h.Epoch, output.Printable(h.FromHost))
	}
	return fmt.Sprintf("%s (epoch %d)", output.Printable(h.Host), h.Epoch)
}

// describeInterface names the network of an interface, and the guest's addresses
// there if it is a served one.
func describeInterface(nic instance.Interface, place instance.Attachment) string {
	ours := place != (instance.Attachment{})
	network := nic.Network
	switch {
	case ours && place.Network != "":
		network = place.Network
	case network == "" && nic.Bridge != "":
		network = "the bridge " + nic.Bridge
	case network == "":
		network = "(no libvirt network)"
	}
	text := nic.MAC.String() + " on " + output.Printable(network)
	if addrs := join(place.Addrs()); ours && addrs != "" {
		text += ": " + addrs
	}
	return text
}
