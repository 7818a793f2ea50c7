// Package service is the tree /service/, where mdserver describes itself: its
// name, its location, and what it serves.
package service

import (
	"net/http"
	"strings"

	"mdserver/internal/httpcommon"
)

// Info is what the tree shows. Configuration holds "key=value" lines without
// secrets; only callers on this host get to see them.
type Info struct {
	Name, Type, Version, ReleaseDate, Location string
	EC2Versions                                []string
	Configuration                              []string
}

// Frontend answers requests below /service/. It is immutable.
type Frontend struct {
	info   Info
	values map[string]string
}

// names is the listing of /service/, in the Python mdserver's order.
var names = []string{"name", "type", "version", "location", "ec2_versions"}

// New makes the frontend of one configuration.
func New(info Info) *Frontend {
	return &Frontend{info: info, values: map[string]string{
		"":             strings.Join(names, "\n"),
		"name":         info.Name,
		"type":         info.Type,
		"version":      info.Version + " (" + info.ReleaseDate + ")",
		"location":     info.Location,
		"ec2_versions": strings.Join(info.EC2Versions, "\n"),
	}}
}

// ServeHTTP implements http.Handler.
func (f *Frontend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/service"), "/")
	value, ok := f.values[name]
	switch {
	case !ok && name != "configuration":
		httpcommon.NoSuchPath(w, r)
	case !httpcommon.OnlyReads(w, r):
	case name != "configuration":
		httpcommon.Text(w, value)
	case httpcommon.Privileged(w, r):
		httpcommon.Listing(w, f.info.Configuration)
	}
}
