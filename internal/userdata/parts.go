package userdata

import (
	"context"
	"fmt"
	"strings"

	"mdserver/internal/instance"
	"mdserver/internal/userdata/multipart"
	"mdserver/stpl"
)

// maxParts bounds how many parts a document has: each takes at least the work
// of finding a file.
const maxParts = 100

// renderParts makes the user-data of a guest whose metadata names several
// templates. Each is searched like userdata_prefix and rendered by itself, one
// that is named again only once. All of them share the limits of one template.
func (r *Renderer) renderParts(ctx context.Context, guest *instance.Instance, names []string) (Rendered, []fingerprint, error) {
	if len(names) > maxParts {
		return Rendered{}, nil, fmt.Errorf("%s names %d parts, accepted: at most %d", instance.KeyUserdataParts, len(names), maxParts)
	}
	var (
		parts  []multipart.Part
		files  []string
		prints []fingerprint
		size   int
		budget = r.engine.NewBudget()
		made   = map[string]Rendered{}
	)
	for _, name := range names {
		rendered, before := made[name]
		if !before {
			var watched []fingerprint
			var err error
			rendered, watched, err = r.renderPart(ctx, &budget, guest, name)
			prints = append(prints, watched...)
			if err != nil {
				return Rendered{}, prints, fmt.Errorf("part %.100q: %w", name, err)
			}
			made[name] = rendered
		}
		if size += len(rendered.Body); size > r.maxSize {
			return Rendered{}, prints, fmt.Errorf("part %.100q: %w", name, multipart.ErrTooLarge)
		}
		parts = append(parts, multipart.Part{Name: name, Body: rendered.Body})
		files = append(files, rendered.Template)
	}
	body, err := multipart.Join(parts, r.maxSize)
	return Rendered{Body: body, Template: strings.Join(files, ", ")}, prints, err
}

func (r *Renderer) renderPart(ctx context.Context, budget *stpl.Budget, guest *instance.Instance, name string) (Rendered, []fingerprint, error) {
	found, watched, err := r.firstOf([]string{name})
	if err != nil {
		return Rendered{}, watched, err
	}
	if found.name == "" {
		return Rendered{}, watched, fmt.Errorf("%w: %s; tried %s", ErrNoTemplate, instance.KeyUserdataParts, r.tried(name))
	}
	return r.renderTemplate(ctx, budget, guest, found)
}
