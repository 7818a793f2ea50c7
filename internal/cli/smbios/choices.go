package smbios

import (
	"io"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/instance"
	"mdserver/internal/smbios"
)

// choice is one datasource and what it means, for a program or a person.
type choice struct {
	Datasource   smbios.Datasource `json:"face"`
	Recommended  bool              `json:"recommended"`
	Impossible   string            `json:"impossible,omitempty"` // why
	Consequences []string          `json:"consequences"`
	XML          string            `json:"xml,omitempty"`
	VirtInstall  string            `json:"virt_install,omitempty"` // the option
}

func (g *disguise) choice(datasource smbios.Datasource) choice {
	c := choice{Datasource: datasource, Recommended: datasource == smbios.Recommend(g.domain, g.server), Consequences: datasource.Consequences()}
	if caution := smbios.Caution(datasource, g.domain, g.server); caution != "" {
		c.Consequences = append(c.Consequences, caution)
	}
	look, err := smbios.LookOf(datasource, g.domain, g.server)
	if err != nil {
		c.Impossible, c.Recommended = err.Error(), false
		return c
	}
	c.XML, c.VirtInstall = look.XML(), look.VirtInstall()
	return c
}

// explain tells what the guest is taken for and what it could be taken for.
func (g *disguise) explain(cmd *cobra.Command) error {
	datasource, why := g.domain.Datasource()
	var choices []choice
	for _, f := range smbios.Datasources() {
		choices = append(choices, g.choice(f))
	}
	v := view.View[map[string]any]{Text: func(w io.Writer, _ map[string]any) error { return g.printChoices(w, choices) }}
	return view.Show(cmd, v, map[string]any{"name": g.domain.Name, "uuid": g.domain.UUID, "face": datasource, "why_none": why,
		"readings": g.domain.Readings(), "choices": choices})
}

func (g *disguise) printChoices(w io.Writer, choices []choice) error {
	datasource, why := g.domain.Datasource()
	name := output.Printable(g.domain.Name)
	if datasource == smbios.None {
		output.Printf(w, "%s detects no datasource: %s.\ncloud-init does nothing, unless the image configures a datasource.\n", name, why)
	} else {
		output.Printf(w, "%s detects %s.\n", name, datasource.Title())
	}
	for _, text := range g.domain.Readers() {
		output.Printf(w, "%s\n", text)
	}
	for _, c := range choices {
		c.print(w)
	}
	output.Printf(w, "\n")
	if datasource == smbios.None && g.domain.HasSMBIOS() {
		output.Printf(w, "To apply the recommended one:  mdserver smbios %s --apply\n", g.ref())
	}
	output.Printf(w, "To see the XML of one:         mdserver smbios %s --as DATASOURCE\n", g.ref())
	return nil
}

// ref is the domain in a word that a shell takes as it is.
func (g *disguise) ref() string {
	if instance.ValidHostname(g.domain.Name) {
		return g.domain.Name
	}
	return g.domain.UUID
}

func (c choice) print(w io.Writer) {
	mark := ""
	if c.Recommended {
		mark = " (recommended)"
	}
	output.Printf(w, "\n%s%s\n", c.Datasource, mark)
	if c.Impossible != "" {
		output.Printf(w, "  not for this guest: %s\n", c.Impossible)
		return
	}
	for _, text := range c.Consequences {
		output.Printf(w, "  %s\n", text)
	}
}

// show prints the XML of one look, and beside it what that means.
func (g *disguise) show(cmd *cobra.Command, look smbios.Look) error {
	return view.Show(cmd, view.View[choice]{
		Text: func(w io.Writer, _ choice) error { return output.Printf(w, "%s", output.Verbatim(look.XML())) },
		Notes: func(w io.Writer, c choice) {
			output.Printf(w, "%s as %s; with `virsh edit`, add what is missing of this, or use --apply:\n", output.Printable(g.domain.Name), look.Datasource)
			for _, text := range c.Consequences {
				output.Printf(w, "  %s\n", text)
			}
			output.Printf(w, "virt-install has an option that does the same: %s\n", c.VirtInstall)
		},
	}, g.choice(look.Datasource))
}
