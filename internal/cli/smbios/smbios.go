// Package smbios has the command that makes a guest's image recognize the metadata
// server.
package smbios

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/guests"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/selection"
	"mdserver/internal/cli/view"
	"mdserver/internal/config"
	"mdserver/internal/libvirt"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/definition"
	"mdserver/internal/smbios"
)

// Command is the command smbios.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "smbios NAME",
		Short: "Make a guest's image recognize the metadata server",
		Long: `Show which cloud an unmodified image detects by a guest's virtual hardware, and
what to add to the guest's domain so that cloud-init finds mdserver. There are
several ways, because mdserver speaks the protocols of several clouds. The command
explains what each means for the guest, and recommends one.

With --as, only the XML for that way is printed. With --apply, it is added to the
definition that libvirt stores; without --as, the recommended way is used.
Everything else in the definition stays the same. A running guest must be shut
down and started to find the change.

NAME is the domain's name or its UUID. The domain is read from libvirt, so the
server does not have to run.`,
		Example: `  mdserver smbios web1
  mdserver smbios web1 --apply
  mdserver smbios web1 --as nocloud`,
		Args:              command.Exactly(1),
		ValidArgsFunction: selection.CompleteGuests,
	}
	view.Flags(cmd, false)
	var opt options
	cmd.Flags().StringVar((*string)(&opt.datasource), "as", "", "`CLOUD` to look like: openstack, nocloud, ec2 (Amazon), ec2-clone or nocloud-net")
	cmd.Flags().BoolVar(&opt.apply, "apply", false, "add it to the domain's definition")
	cmd.Flags().BoolVarP(&opt.yes, "yes", "y", false, "do not ask, even if the guest will set itself up again")
	_ = cmd.RegisterFlagCompletionFunc("as", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return datasourceNames(), cobra.ShellCompDirectiveNoFileComp
	})
	cmd.RunE = command.WithConfig(func(cmd *cobra.Command, cfg *config.Config, args []string) error {
		return run(cmd, cfg, args[0], opt)
	})
	return cmd
}

type options struct {
	datasource smbios.Datasource
	apply, yes bool
}

func datasourceNames() []string {
	var names []string
	for _, f := range smbios.Datasources() {
		names = append(names, string(f))
	}
	return names
}

func run(cmd *cobra.Command, cfg *config.Config, name string, opt options) error {
	if opt.datasource != smbios.None && opt.datasource.Title() == smbios.None.Title() {
		return exit.With(exit.Usage, fmt.Errorf("--as %s: choose one of %s", opt.datasource, strings.Join(datasourceNames(), ", ")))
	}
	uri := cfg.Libvirt.URI
	if uri.Off {
		return errors.New("libvirt is not used: [libvirt] uri is off")
	}
	endpoint := connection.Endpoint{Session: uri.Session, Socket: uri.Socket}
	stored, err := definition.Read(cmd.Context(), endpoint, name)
	if errors.Is(err, definition.ErrUnreachable) {
		return fmt.Errorf("%w\n`mdserver doctor` finds out why", err)
	}
	if err != nil {
		return err
	}
	guest, err := newDisguise(cfg, stored)
	switch {
	case err != nil:
		return err
	case !opt.apply && opt.datasource == smbios.None:
		return guest.explain(cmd)
	}
	look, changed, err := guest.wear(opt.datasource)
	switch {
	case err != nil:
		return err
	case !opt.apply:
		return guest.show(cmd, look)
	}
	return guest.apply(cmd, changed, opt, func() error { return definition.Store(cmd.Context(), endpoint, changed.xml) })
}

// disguise is a guest whose SMBIOS will be changed.
type disguise struct {
	stored definition.Domain
	domain smbios.Domain
	server smbios.Server
}

func newDisguise(cfg *config.Config, stored definition.Domain) (*disguise, error) {
	domain, err := smbios.Parse(stored.XML)
	guest, _ := libvirt.ParseDomain([]byte(stored.XML)) // its metadata; none of a guest that is on no network
	return &disguise{stored: stored, domain: domain, server: smbios.ServerFor(cfg, guest.Metadata)}, err
}

// changedDefinition is a definition with another look.
type changedDefinition struct {
	datasource smbios.Datasource
	xml        string
	changes    []smbios.Change
}

// wear makes the definition with a look, the recommended one if none is chosen.
func (g *disguise) wear(datasource smbios.Datasource) (smbios.Look, changedDefinition, error) {
	if datasource == smbios.None {
		datasource = smbios.Recommend(g.domain, g.server)
	}
	look, err := smbios.LookOf(datasource, g.domain, g.server)
	if err != nil {
		return look, changedDefinition{}, fmt.Errorf("%s as %s: %w", output.Printable(g.domain.Name), datasource, err)
	}
	xml, changes, err := look.Apply(g.stored.XML)
	return look, changedDefinition{datasource, xml, changes}, err
}

// apply stores the changed definition, and asks first if the guest will set itself
// up again.
func (g *disguise) apply(cmd *cobra.Command, changed changedDefinition, opt options, store func() error) error {
	name := output.Printable(g.domain.Name)
	if len(changed.changes) > 0 {
		if err := g.agree(cmd, name, changed.datasource, opt.yes); err != nil {
			return err
		}
		if err := store(); err != nil {
			return fmt.Errorf("libvirt refuses the changed definition of %s, which is unchanged: %w", name, err)
		}
	}
	applied := map[string]any{"name": g.domain.Name, "face": changed.datasource, "changes": nonNil(changed.changes), "running": g.stored.Running}
	return view.Show(cmd, view.View[map[string]any]{
		Text:  func(w io.Writer, _ map[string]any) error { return g.printApplied(w, changed) },
		Notes: func(w io.Writer, _ map[string]any) { g.printCaution(w, changed) },
	}, applied)
}

func (g *disguise) printCaution(w io.Writer, changed changedDefinition) {
	if caution := smbios.Caution(changed.datasource, g.domain, g.server); caution != "" && len(changed.changes) > 0 {
		output.Printf(w, "warning: %s\n", caution)
	}
}

func (g *disguise) printApplied(w io.Writer, changed changedDefinition) error {
	name := output.Printable(g.domain.Name)
	if len(changed.changes) == 0 {
		return output.Printf(w, "%s detects %s already\n", name, changed.datasource.Title())
	}
	output.Printf(w, "%s will detect %s:\n", name, changed.datasource.Title())
	for _, c := range changed.changes {
		output.Printf(w, "  %s\n", c)
	}
	switch {
	case g.stored.Running:
		output.Printf(w, "It runs: shut it down and start it; a reboot from within is not enough.\n")
	case g.stored.Saved:
		output.Printf(w, "Its saved state starts as it was: shut it down after that, and start it again.\n")
	}
	return nil
}

// agree asks for what makes a guest that is set up a new machine.
func (g *disguise) agree(cmd *cobra.Command, name string, to smbios.Datasource, agreed bool) error {
	from, _ := g.domain.Datasource()
	if !smbios.Moves(from, to) {
		return nil
	}
	output.Printf(cmd.ErrOrStderr(), "%s detects %s. With %s, its instance-id changes.\n\n%s\n", name, from.Title(), to.Title(), output.Verbatim(guests.NewMachine))
	if agreed {
		return nil
	}
	if err := command.NeedsTerminal(cmd, "to set up "+name+" again"); err != nil {
		return err
	}
	return command.Confirm(cmd, "Change "+name+"?")
}

func nonNil(changes []smbios.Change) []smbios.Change {
	if changes == nil {
		return []smbios.Change{}
	}
	return changes
}
