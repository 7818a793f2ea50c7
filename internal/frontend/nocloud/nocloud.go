// Package nocloud is the NoCloud frontend of a guest's metadata, cloud-init's own
// format, over HTTP. A guest finds it by its SMBIOS serial number or kernel
// command line:
//
//	ds=nocloud;s=http://169.254.169.254/nocloud/;dsmode=net
//
//	/nocloud/                 listing
//	/nocloud/meta-data        YAML: who the guest is, and its keys
//	/nocloud/user-data        the rendered user-data
//	/nocloud/vendor-data      the site's vendor-data
//	/nocloud/network-config   YAML: addresses, routes, DNS servers (version 2)
//
// All four answer 200 to every guest, empty where there is nothing: cloud-init
// takes no seed without the first two, and asks ten times for each of the
// others when they are missing.
//
// Source: "NoCloud" and "Networking config Version 2" of the cloud-init
// documentation.
package nocloud

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/metadata"
	"mdserver/internal/userdata"
)

// Userdata renders a guest's user-data and vendor-data.
type Userdata interface {
	Render(ctx context.Context, guest *instance.Instance) (userdata.Rendered, error)
	Vendor(ctx context.Context, guest *instance.Instance, reporting bool) (userdata.Rendered, error)
}

// Frontend answers requests for the NoCloud seed. Make one with New.
type Frontend struct {
	site     metadata.Site
	userdata Userdata
}

// New makes the frontend of one configuration.
func New(site metadata.Site, ud Userdata) *Frontend { return &Frontend{site: site, userdata: ud} }

var names = []string{"meta-data", "user-data", "vendor-data", "network-config"}

// ServeHTTP implements http.Handler for everything from "/nocloud" down; it
// expects a path in normal form and a known caller (see package httpcommon).
func (f *Frontend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/nocloud"), "/")
	switch {
	case name != "" && !slices.Contains(names, name):
		httpcommon.NoSuchPath(w, r)
	case !httpcommon.OnlyReads(w, r):
	case name == "":
		httpcommon.Listing(w, names)
	case httpcommon.Caller(r).Guest == nil:
		httpcommon.UnknownClient(w, httpcommon.Caller(r))
	default:
		f.serve(w, r, name, httpcommon.Caller(r).Guest)
	}
}

func (f *Frontend) serve(w http.ResponseWriter, r *http.Request, name string, guest *instance.Instance) {
	doc := metadata.New(guest, f.site)
	switch name {
	case "meta-data":
		serveYAML(w, describe(&doc))
	case "network-config":
		serveYAML(w, describeNetwork(&doc))
	case "user-data":
		rendered, err := f.userdata.Render(r.Context(), guest)
		serveBytes(w, rendered, err, "Userdata", guest)
	case "vendor-data":
		rendered, err := f.userdata.Vendor(r.Context(), guest, httpcommon.FromCloudInit(r))
		serveBytes(w, rendered, err, "Vendordata", guest)
	}
}

func serveBytes(w http.ResponseWriter, rendered userdata.Rendered, err error, what string, guest *instance.Instance) {
	if err != nil && !errors.Is(err, userdata.ErrNoTemplate) { // logged where it was found
		httpcommon.Refuse(w, http.StatusInternalServerError, what+" templating failure for "+guest.Hostname)
		return
	}
	httpcommon.Bytes(w, httpcommon.TypeBytes, rendered.Body)
}

func serveYAML(w http.ResponseWriter, value any) {
	text, err := yaml.Marshal(value)
	if err != nil {
		httpcommon.Refuse(w, http.StatusInternalServerError, "Metadata failure")
		return
	}
	httpcommon.Text(w, string(text))
}
