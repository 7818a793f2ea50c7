package userdata

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/tree"
)

// Explain renders the user-data of a guest and lists where its template was
// looked for, in that order.
func (r *Renderer) Explain(ctx context.Context, guest *instance.Instance) api.TemplateChoice {
	choice := api.TemplateChoice{Candidates: r.candidates(guest)}
	rendered, err := r.Render(ctx, guest)
	if err != nil {
		choice.Error = err.Error()
		return choice
	}
	choice.Serves = rendered.Template
	return choice
}

// candidates follow search and renderParts.
func (r *Renderer) candidates(guest *instance.Instance) []api.TemplateCandidate {
	if parts := guest.Metadata.UserdataParts(); len(parts) > 0 {
		var all []api.TemplateCandidate
		for _, name := range parts[:min(len(parts), maxParts)] {
			all = append(all, r.files("the domain's userdata_parts", name)...)
		}
		return all
	}
	if prefix, insists := guest.Metadata.UserdataPrefix(); insists {
		return r.files("the domain's userdata_prefix, and no other", prefix)
	}
	all := append(r.files("the domain's name", guest.Name), r.files("the MAC address", guest.MAC.String())...)
	if r.defaultTemplate != "" {
		all = append(all, newCandidate("default_template", r.defaultTemplate, filepath.Dir(r.defaultTemplate), filepath.Base(r.defaultTemplate)))
	}
	return append(all, api.TemplateCandidate{Rule: "the default", Path: builtinName, There: true})
}

// files are those that a name can mean.
func (r *Renderer) files(rule, name string) []api.TemplateCandidate {
	if name == "" || len(name) > maxName {
		return nil
	}
	var all []api.TemplateCandidate
	for _, suffix := range r.suffixes {
		all = append(all, newCandidate(rule, filepath.Join(r.dir, name+suffix), r.dir, name+suffix))
	}
	return all
}

func newCandidate(rule, path, dir, name string) api.TemplateCandidate {
	c := api.TemplateCandidate{Rule: rule, Path: path}
	_, err := readFile(tree.Open(dir, name))
	c.There = !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errDirectory)
	if c.There && err != nil {
		c.Wrong = err.Error()
	}
	return c
}
