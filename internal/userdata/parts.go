package userdata

import (
	"context"
	"fmt"
	"strings"

	"mdserver/internal/instance"
	"mdserver/internal/userdata/multipart"
)

// renderParts makes the user-data of a guest whose metadata names several
// templates. Each is searched like userdata_prefix and rendered for itself.
func (r *Renderer) renderParts(ctx context.Context, guest *instance.Instance, names []string) (Rendered, []fingerprint, error) {
	var (
		parts  []multipart.Part
		files  []string
		prints []fingerprint
	)
	for _, name := range names {
		rendered, watched, err := r.renderPart(ctx, guest, name)
		prints = append(prints, watched...)
		if err != nil {
			return Rendered{}, prints, fmt.Errorf("part %q: %w", name, err)
		}
		parts = append(parts, multipart.Part{Name: name, Body: rendered.Body})
		files = append(files, rendered.Template)
	}
	body, err := multipart.Join(parts)
	return Rendered{body, strings.Join(files, ", ")}, prints, err
}

func (r *Renderer) renderPart(ctx context.Context, guest *instance.Instance, name string) (Rendered, []fingerprint, error) {
	found, watched, err := r.firstOf([]string{name})
	if err != nil {
		return Rendered{}, watched, err
	}
	if found.name == "" {
		return Rendered{}, watched, fmt.Errorf("%w, asked for by %s", ErrNoTemplate, instance.KeyUserdataParts)
	}
	return r.renderTemplate(ctx, guest, found)
}
