package router

import (
	"context"
	"errors"

	"mdserver/internal/instance"
	"mdserver/internal/timeline"
	"mdserver/internal/userdata"
)

// recorder is a renderer that notes what guests are given.
type recorder struct {
	*userdata.Renderer
	record *timeline.Log
}

// Render implements the frontends' Userdata.
func (r recorder) Render(ctx context.Context, guest *instance.Instance) (userdata.Rendered, error) {
	rendered, err := r.Renderer.Render(ctx, guest)
	return r.note(guest, timeline.UserdataDocument, rendered, err)
}

// RenderReporting implements ec2.Userdata.
func (r recorder) RenderReporting(ctx context.Context, guest *instance.Instance) (userdata.Rendered, error) {
	rendered, err := r.Renderer.RenderReporting(ctx, guest)
	return r.note(guest, timeline.UserdataDocument, rendered, err)
}

// Vendor implements nocloud.Userdata.
func (r recorder) Vendor(ctx context.Context, guest *instance.Instance, reporting bool) (userdata.Rendered, error) {
	rendered, err := r.Renderer.Vendor(ctx, guest, reporting)
	return r.note(guest, timeline.VendordataDocument, rendered, err)
}

// VendorJSON implements openstack.Userdata.
func (r recorder) VendorJSON(ctx context.Context, guest *instance.Instance, reporting bool) (userdata.Rendered, error) {
	rendered, err := r.Renderer.VendorJSON(ctx, guest, reporting)
	return r.note(guest, timeline.VendordataDocument, rendered, err)
}

func (r recorder) note(guest *instance.Instance, kind string, rendered userdata.Rendered, err error) (userdata.Rendered, error) {
	switch {
	case errors.Is(err, context.Canceled), err == nil && len(rendered.Body) == 0:
	case err != nil:
		r.record.RenderFailed(guest.UUID, kind, err.Error(), userdata.FailedLine(err))
	default:
		r.record.Served(guest.UUID, timeline.Document{Kind: kind, Body: rendered.Body, Hash: rendered.Hash, Template: rendered.Template})
	}
	return rendered, err
}
