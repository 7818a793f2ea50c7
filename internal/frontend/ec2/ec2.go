// Package ec2 is the EC2 frontend of a guest's metadata: the tree that AWS
// documents as the Instance Metadata Service, as far as cloud-init and its kin
// need it to configure a guest, and the signed document that proves a guest's
// identity.
//
//	/                              versions, bare
//	/{version}/                    dynamic, meta-data and user-data, bare
//	/{version}/dynamic/…           the signed identity document
//	/{version}/meta-data/…         one value, or a listing
//	/{version}/user-data           the rendered user-data
//
// Source: "Instance metadata and user data", Amazon EC2 User Guide; wording of
// refusals: the Python mdserver 0.6.5.
package ec2

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"mdserver/internal/caller"
	"mdserver/internal/httpcommon"
	"mdserver/internal/identity"
	"mdserver/internal/instance"
	"mdserver/internal/metadata"
	"mdserver/internal/userdata"
)

// Userdata renders a guest's user-data.
type Userdata interface {
	Render(ctx context.Context, guest *instance.Instance) (userdata.Rendered, error)
	RenderReporting(ctx context.Context, guest *instance.Instance) (userdata.Rendered, error)
}

// Identity signs the identity documents of guests.
type Identity interface {
	Sign(guest uuid.UUID, document []byte) (identity.Signed, error)
}

// Frontend answers requests for the EC2 tree. Make one with New; its settings never
// change.
type Frontend struct {
	versions []string
	site     metadata.Site
	userdata Userdata
	identity Identity
	booting  *cloudInits
	subjects sync.Pool // of *subject, so that a request makes no garbage of one
}

// New makes the frontend that serves the given versions, dates or "latest".
func New(versions []string, site metadata.Site, ud Userdata, id Identity) *Frontend {
	return &Frontend{versions: versions, site: site, userdata: ud, identity: id, booting: newCloudInits()}
}

// ServeHTTP implements http.Handler for everything from "/" down; it expects
// a path in normal form and a known caller (see package httpcommon).
func (f *Frontend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	version, rest, deeper := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case version == "" && !deeper:
		if httpcommon.OnlyReads(w, r) {
			httpcommon.Listing(w, f.versions)
		}
	case !slices.Contains(f.versions, version):
		httpcommon.NoSuchPath(w, r)
	default:
		f.serveVersion(w, r, rest)
	}
}

func (f *Frontend) serveVersion(w http.ResponseWriter, r *http.Request, path string) {
	top, rest, deeper := strings.Cut(path, "/")
	switch {
	case top == "":
		f.serveTop(w, r)
	case top == "dynamic":
		f.serveDynamic(w, r, rest)
	case top == "meta-data":
		f.serveMetadata(w, r, rest)
	case top == "user-data" && !deeper:
		f.serveUserdata(w, r)
	default:
		httpcommon.NoSuchPath(w, r)
	}
}

// serveTop lists what a version has, by bare names as AWS does. user-data is there
// if the guest has any; a client that is not a guest gets all three.
func (f *Frontend) serveTop(w http.ResponseWriter, r *http.Request) {
	if !httpcommon.OnlyReads(w, r) {
		return
	}
	names := []string{"dynamic", "meta-data", "user-data"}
	if c := httpcommon.Caller(r); c.Guest != nil {
		if _, err := f.userdata.Render(r.Context(), c.Guest); errors.Is(err, userdata.ErrNoTemplate) {
			names = names[:2]
		}
	}
	httpcommon.Listing(w, names)
}

// guest returns who asks, having refused the request if that is no guest or
// if the request would change something.
func guest(w http.ResponseWriter, r *http.Request) (caller.Caller, bool) {
	c := httpcommon.Caller(r)
	if !httpcommon.OnlyReads(w, r) {
		return c, false
	}
	if c.Guest == nil {
		httpcommon.UnknownClient(w, c)
		return c, false
	}
	return c, true
}

func (f *Frontend) serveMetadata(w http.ResponseWriter, r *http.Request, path string) {
	c, ok := guest(w, r)
	if !ok {
		return
	}
	f.booting.asks(r, c.Guest.UUID)
	s := f.subject(c.Guest)
	defer f.subjects.Put(s)
	text, ok := resolve(s, metaData, path)
	switch {
	case ok:
		httpcommon.Text(w, text)
	case strings.HasPrefix(path, "public-keys/"):
		httpcommon.NotFound(w, "Not found")
	default:
		httpcommon.NoSuchPath(w, r)
	}
}

// subject makes a guest that of a request.
func (f *Frontend) subject(guest *instance.Instance) *subject {
	s, ok := f.subjects.Get().(*subject)
	if !ok {
		s = &subject{}
	}
	*s = subject{Document: s.Document}
	s.Fill(guest, &f.site)
	return s
}

func (f *Frontend) serveUserdata(w http.ResponseWriter, r *http.Request) {
	c, ok := guest(w, r)
	if !ok {
		return
	}
	render := f.userdata.Render
	if f.booting.asks(r, c.Guest.UUID) {
		render = f.userdata.RenderReporting
	}
	rendered, err := render(r.Context(), c.Guest)
	switch {
	case errors.Is(err, userdata.ErrNoTemplate):
		httpcommon.NotFound(w, "Metadata prefix userdata not found for "+c.Addr.String())
	case err != nil: // logged where it was found
		httpcommon.Refuse(w, http.StatusInternalServerError, "Userdata templating failure for "+c.Guest.Hostname)
	default:
		httpcommon.Bytes(w, httpcommon.TypeBytes, rendered.Body)
	}
}
