// Package ec2 is the EC2 face of a guest's metadata: the tree that AWS
// documents as the Instance Metadata Service, as far as cloud-init and its
// kin need it to configure a guest, and the signed document by which a guest
// shows others who it is.
//
//	/                              versions
//	/{version}/                    dynamic/, meta-data/ and user-data
//	/{version}/dynamic/…           the signed identity document
//	/{version}/meta-data/…         one value, or a listing
//	/{version}/user-data           the rendered user-data
//
// Source: "Instance metadata and user data", Amazon EC2 User Guide; wording of
// refusals: the original mdserver 0.6.5.
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
	"mdserver/internal/face"
	"mdserver/internal/identity"
	"mdserver/internal/instance"
	"mdserver/internal/metadata"
	"mdserver/internal/userdata"
)

// Userdata renders a guest's user-data.
type Userdata interface {
	Render(ctx context.Context, guest *instance.Instance) (userdata.Rendered, error)
}

// Identity signs the identity documents of guests.
type Identity interface {
	Sign(guest uuid.UUID, document []byte) (identity.Signed, error)
}

// Face answers requests for the EC2 tree. Make one with New; its settings never
// change.
type Face struct {
	versions []string
	site     metadata.Site
	userdata Userdata
	identity Identity
	subjects sync.Pool // of *subject, so that a request makes no garbage of one
}

// New makes the face that serves the given versions, dates or "latest".
func New(versions []string, site metadata.Site, ud Userdata, id Identity) *Face {
	return &Face{versions: versions, site: site, userdata: ud, identity: id}
}

// ServeHTTP implements http.Handler for everything from "/" down; it expects
// a path in normal form and a known caller (see package face).
func (f *Face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	version, rest, deeper := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case version == "" && !deeper:
		if face.OnlyReads(w, r) {
			face.Listing(w, f.versionList())
		}
	case !slices.Contains(f.versions, version):
		face.NoSuchPath(w, r)
	default:
		f.serveVersion(w, r, rest)
	}
}

func (f *Face) versionList() []string {
	list := make([]string, len(f.versions))
	for i, v := range f.versions {
		list[i] = v + "/"
	}
	return list
}

func (f *Face) serveVersion(w http.ResponseWriter, r *http.Request, path string) {
	top, rest, slash := strings.Cut(path, "/")
	switch {
	case top == "" && !slash:
		if face.OnlyReads(w, r) {
			face.Listing(w, []string{"dynamic/", "meta-data/", "user-data"})
		}
	case top == "dynamic":
		f.serveDynamic(w, r, rest)
	case top == "meta-data":
		f.serveMetadata(w, r, rest)
	case top == "user-data" && !slash:
		f.serveUserdata(w, r)
	default:
		face.NoSuchPath(w, r)
	}
}

// guest returns who asks, having refused the request if that is no guest or
// if the request would change something.
func guest(w http.ResponseWriter, r *http.Request) (caller.Caller, bool) {
	c := face.Caller(r)
	if !face.OnlyReads(w, r) {
		return c, false
	}
	if c.Guest == nil {
		face.UnknownClient(w, c)
		return c, false
	}
	return c, true
}

func (f *Face) serveMetadata(w http.ResponseWriter, r *http.Request, path string) {
	c, ok := guest(w, r)
	if !ok {
		return
	}
	s := f.subject(c.Guest)
	defer f.subjects.Put(s)
	text, ok := resolve(s, metaData, path)
	switch {
	case ok:
		face.Text(w, text)
	case strings.HasPrefix(path, "public-keys/"):
		face.NotFound(w, "Not found")
	default:
		face.NoSuchPath(w, r)
	}
}

// subject makes a guest that of a request.
func (f *Face) subject(guest *instance.Instance) *subject {
	s, ok := f.subjects.Get().(*subject)
	if !ok {
		s = &subject{}
	}
	*s = subject{Document: s.Document}
	s.Become(guest, &f.site)
	return s
}

func (f *Face) serveUserdata(w http.ResponseWriter, r *http.Request) {
	c, ok := guest(w, r)
	if !ok {
		return
	}
	rendered, err := f.userdata.Render(r.Context(), c.Guest)
	switch {
	case errors.Is(err, userdata.ErrNoTemplate):
		face.NotFound(w, "Metadata prefix userdata not found for "+c.Addr.String())
	case err != nil: // logged where it was found
		face.Refuse(w, http.StatusInternalServerError, "Userdata templating failure for "+c.Guest.Hostname)
	default:
		w.Header().Set("Content-Type", face.TypeBytes)
		_, _ = w.Write(rendered.Body)
	}
}
