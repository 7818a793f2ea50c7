package userdata

import (
	"context"
	"os"
	"path/filepath"

	"mdserver/internal/instance"
)

// Choice tells which template serves a guest and why, for people.
type Choice struct {
	Serves     string      `json:"serves"` // a path, several with commas, or "(built-in)"; empty for none
	Candidates []Candidate `json:"candidates"`
	Error      string      `json:"error,omitempty"` // the guest gets none because of it
}

// Candidate is one place where a guest's template is looked for. The first one
// that is there serves.
type Candidate struct {
	Rule  string `json:"rule"`
	Path  string `json:"path"`
	There bool   `json:"there"`
}

// Explain renders the user-data of a guest and lists where its template was
// looked for, in that order.
func (r *Renderer) Explain(ctx context.Context, guest *instance.Instance) Choice {
	choice := Choice{Candidates: r.candidates(guest)}
	rendered, err := r.Render(ctx, guest)
	if err != nil {
		choice.Error = err.Error()
		return choice
	}
	choice.Serves = rendered.Template
	return choice
}

// candidates follow search and renderParts.
func (r *Renderer) candidates(guest *instance.Instance) []Candidate {
	if parts := guest.Metadata.UserdataParts(); len(parts) > 0 {
		var all []Candidate
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
		_, err := os.Stat(r.defaultTemplate)
		all = append(all, Candidate{"default_template", r.defaultTemplate, err == nil})
	}
	return append(all, Candidate{"if there is nothing else", builtinName, true})
}

// files are those that a name can mean. None lies outside the directory.
func (r *Renderer) files(rule, name string) []Candidate {
	if name == "" || len(name) > maxName {
		return nil
	}
	root, err := os.OpenRoot(r.dir)
	if err == nil {
		defer root.Close()
	}
	var all []Candidate
	for _, suffix := range r.suffixes {
		c := Candidate{Rule: rule, Path: filepath.Join(r.dir, name+suffix)}
		if root != nil {
			info, err := root.Stat(name + suffix)
			c.There = err == nil && info.Mode().IsRegular()
		}
		all = append(all, c)
	}
	return all
}
