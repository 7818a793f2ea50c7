// Package openstack is the OpenStack frontend of a guest's metadata:
//
//	/openstack                              versions
//	/openstack/{version}/meta_data.json     who the guest is, and its keys
//	/openstack/{version}/user_data          the rendered user-data
//	/openstack/{version}/vendor_data.json   the site's vendor-data for cloud-init
//	/openstack/{version}/vendor_data2.json  nothing: there are no vendor services
//	/openstack/{version}/network_data.json  addresses, routes, DNS servers
//	/openstack/{version}/password           what the guest posts, once
//
// Sources: "Metadata service" and "Vendordata" of the Nova documentation, and
// what cloud-init 22.4.2 and cloudbase-init make of the answers.
package openstack

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/caller"
	"mdserver/internal/httpcommon"
	"mdserver/internal/instance"
	"mdserver/internal/metadata"
	"mdserver/internal/userdata"
)

// Userdata renders a guest's user-data and vendor-data.
type Userdata interface {
	Render(ctx context.Context, guest *instance.Instance) (userdata.Rendered, error)
	VendorJSON(ctx context.Context, guest *instance.Instance, reporting bool) (userdata.Rendered, error)
}

// Passwords keeps what guests post as their passwords.
type Passwords interface {
	SetPassword(ctx context.Context, guest uuid.UUID, password string) error
}

// latest stands for the newest version.
const latest = "latest"

// versions are all that Nova lists, oldest first.
var versions = []string{
	"2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
	"2020-10-14", latest,
}

// atLeast reports whether a version has what came with another. Dates compare
// as text, and so does "latest" with dates.
func atLeast(version, since string) bool { return version >= since }

// Frontend answers requests for the OpenStack tree. Make one with New.
type Frontend struct {
	site      metadata.Site
	userdata  Userdata
	passwords Passwords
	random    io.Reader
}

// New makes the frontend of one configuration.
func New(site metadata.Site, ud Userdata, passwords Passwords) *Frontend {
	return &Frontend{site: site, userdata: ud, passwords: passwords, random: rand.Reader}
}

// request is one request of a guest for a file of the tree.
type request struct {
	w       http.ResponseWriter
	r       *http.Request
	version string
	guest   *instance.Instance
}

// file is one name of a version's directory.
type file struct {
	name   string
	since  string // the first version that has it
	writes bool   // takes POST
	serve  func(*Frontend, request)
}

var files = []file{
	{name: "meta_data.json", since: "2012-08-10", serve: (*Frontend).serveMetadata},
	{name: "user_data", since: "2012-08-10", serve: (*Frontend).serveUserdata},
	{name: "password", since: "2013-04-04", writes: true, serve: (*Frontend).servePassword},
	{name: "vendor_data.json", since: "2013-10-17", serve: (*Frontend).serveVendorData},
	{name: "network_data.json", since: "2015-10-15", serve: (*Frontend).serveNetworkData},
	{name: "vendor_data2.json", since: "2016-10-06", serve: (*Frontend).serveNothing},
}

// ServeHTTP implements http.Handler for everything from "/openstack" down; it
// expects a path in normal form and a known caller (see package httpcommon).
func (f *Frontend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/openstack"), "/")
	version, name, deeper := strings.Cut(path, "/")
	switch {
	case path == "":
		if httpcommon.OnlyReads(w, r) {
			httpcommon.Listing(w, versions)
		}
	case !slices.Contains(versions, version):
		httpcommon.NoSuchPath(w, r)
	case !deeper:
		if c, ok := guest(w, r, false); ok {
			f.serveListing(request{w, r, version, c.Guest})
		}
	default:
		f.serveFile(w, r, version, name)
	}
}

func (f *Frontend) serveFile(w http.ResponseWriter, r *http.Request, version, name string) {
	i := slices.IndexFunc(files, func(file file) bool { return file.name == name })
	if i < 0 || !atLeast(version, files[i].since) {
		httpcommon.NoSuchPath(w, r)
		return
	}
	if c, ok := guest(w, r, files[i].writes); ok {
		files[i].serve(f, request{w, r, version, c.Guest})
	}
}

// guest returns who asks, having refused the request if that is no guest or
// if the method is none that the path takes.
func guest(w http.ResponseWriter, r *http.Request, writes bool) (caller.Caller, bool) {
	c := httpcommon.Caller(r)
	posts := writes && r.Method == http.MethodPost
	if !posts && !httpcommon.OnlyReads(w, r) {
		return c, false
	}
	if c.Guest == nil {
		httpcommon.UnknownClient(w, c)
		return c, false
	}
	return c, true
}

// serveListing lists what answers: user_data only if the guest has any.
func (f *Frontend) serveListing(q request) {
	var names []string
	for _, file := range files {
		if !atLeast(q.version, file.since) {
			continue
		}
		if file.name == "user_data" {
			if _, err := f.userdata.Render(q.r.Context(), q.guest); errors.Is(err, userdata.ErrNoTemplate) {
				continue
			}
		}
		names = append(names, file.name)
	}
	httpcommon.Listing(q.w, names)
}

func (f *Frontend) serveUserdata(q request) {
	rendered, err := f.userdata.Render(q.r.Context(), q.guest)
	switch {
	case errors.Is(err, userdata.ErrNoTemplate):
		httpcommon.NotFound(q.w, "no user-data for "+q.guest.Hostname)
	case err != nil: // logged where it was found
		httpcommon.Refuse(q.w, http.StatusInternalServerError, "Userdata templating failure for "+q.guest.Hostname)
	default:
		httpcommon.Bytes(q.w, httpcommon.TypeBytes, rendered.Body)
	}
}
