package userdata

import (
	"bytes"
	"context"
	"errors"

	"mdserver/internal/instance"
	"mdserver/internal/userdata/multipart"
)

// reporting puts what makes cloud-init report behind a document, as one message with
// it. The document's part is called name. A document that cloud-init does not handle
// by its first words, such as Ignition's, stays as it is, and so does one that would
// become too large.
func (r *Renderer) reporting(name string, render renderFunc) renderFunc {
	return func(ctx context.Context, guest *instance.Instance) (Rendered, []fingerprint, error) {
		rendered, prints, err := render(ctx, guest)
		if err != nil {
			return rendered, prints, err
		}
		parts := r.reports(guest)
		empty := len(bytes.TrimSpace(rendered.Body)) == 0
		if len(parts) == 0 || !empty && !multipart.Known(rendered.Body, r.maxSize) {
			return rendered, prints, nil
		}
		if !empty {
			parts = append([]multipart.Part{{Name: name, Body: rendered.Body}}, parts...)
		}
		body, err := multipart.Join(parts, r.maxSize)
		if errors.Is(err, multipart.ErrTooLarge) {
			r.warnOnce(rendered.Template, "guests do not report their boots: with the request for it, the document would be larger than userdata_size")
			return rendered, prints, nil
		}
		return Rendered{Body: body, Template: rendered.Template}, prints, err
	}
}
