package cli

import (
	"io"

	"github.com/spf13/cobra"

	"mdserver/internal/instance"
	"mdserver/internal/smbios"
)

// choice is one face and what it means, for a program or a person.
type choice struct {
	Face         smbios.Face `json:"face"`
	Recommended  bool        `json:"recommended"`
	Impossible   string      `json:"impossible,omitempty"` // why
	Consequences []string    `json:"consequences"`
	XML          string      `json:"xml,omitempty"`
	VirtInstall  string      `json:"virt_install,omitempty"` // the option
}

func (g *disguise) choice(face smbios.Face) choice {
	c := choice{Face: face, Recommended: face == smbios.Recommend(g.domain, g.server), Consequences: face.Consequences()}
	if caution := smbios.Caution(face, g.domain, g.server); caution != "" {
		c.Consequences = append(c.Consequences, caution)
	}
	look, err := smbios.LookOf(face, g.domain, g.server)
	if err != nil {
		c.Impossible, c.Recommended = err.Error(), false
		return c
	}
	c.XML, c.VirtInstall = look.XML(), look.VirtInstall()
	return c
}

// explain tells what the guest is taken for and what it could be taken for.
func (g *disguise) explain(cmd *cobra.Command) error {
	face, why := g.domain.Face()
	var choices []choice
	for _, f := range smbios.Faces() {
		choices = append(choices, g.choice(f))
	}
	v := view[map[string]any]{text: func(w io.Writer, _ map[string]any) error { return g.printChoices(w, choices) }}
	return show(cmd, v, map[string]any{"name": g.domain.Name, "uuid": g.domain.UUID, "face": face, "why_none": why,
		"readings": g.domain.Readings(), "choices": choices})
}

func (g *disguise) printChoices(w io.Writer, choices []choice) error {
	face, why := g.domain.Face()
	name := printable(g.domain.Name)
	if face == smbios.None {
		printf(w, "%s recognizes no cloud: %s.\nAn image whose cloud-init is not told where to look stays as it is.\n", name, why)
	} else {
		printf(w, "%s is taken for %s.\n", name, face.Title())
	}
	for _, text := range g.domain.Readers() {
		printf(w, "%s\n", text)
	}
	for _, c := range choices {
		c.print(w)
	}
	if face == smbios.None && g.domain.HasSMBIOS() {
		printf(w, "\nTo do as recommended:   mdserver smbios %s --apply\n", g.ref())
	}
	printf(w, "To see the XML of one:  mdserver smbios %s --as FACE\n", g.ref())
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
	printf(w, "\n%s%s\n", c.Face, mark)
	if c.Impossible != "" {
		printf(w, "  not for this guest: %s\n", c.Impossible)
		return
	}
	for _, text := range c.Consequences {
		printf(w, "  %s\n", text)
	}
}

// show prints the XML of one look, and beside it what that means.
func (g *disguise) show(cmd *cobra.Command, look smbios.Look) error {
	return show(cmd, view[choice]{
		text: func(w io.Writer, _ choice) error { return printf(w, "%s", verbatim(look.XML())) },
		notes: func(w io.Writer, c choice) {
			printf(w, "%s as %s; with `virsh edit`, add what is missing of this, or use --apply:\n", printable(g.domain.Name), look.Face)
			for _, text := range c.Consequences {
				printf(w, "  %s\n", text)
			}
			printf(w, "virt-install has an option that does the same: %s\n", c.VirtInstall)
		},
	}, g.choice(look.Face))
}
