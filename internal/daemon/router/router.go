// Package router answers guests under one configuration: it makes the frontends, and
// chooses among them by the path.
package router

import (
	"log/slog"
	"net/http"
	"strings"

	"mdserver/internal/config"
	"mdserver/internal/daemon/systemd"
	"mdserver/internal/frontend/ec2"
	"mdserver/internal/frontend/nocloud"
	"mdserver/internal/frontend/openstack"
	"mdserver/internal/frontend/service"
	"mdserver/internal/httpcommon"
	"mdserver/internal/identity"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/report"
	"mdserver/internal/timeline"
	"mdserver/internal/userdata"
)

// Parts are what the answers are made of, under every configuration.
type Parts struct {
	Inventory *inventory.Inventory
	Identity  *identity.Authority                                         // signs identity documents
	TokenKey  imds.Key                                                    // signs tokens
	Tokens    *imds.Counts                                                // of requests with tokens and without
	Timeline  *timeline.Log                                               // gets what guests were given
	Reports   http.Handler                                                // takes what guests report
	Upload    func(source string, w http.ResponseWriter, r *http.Request) // takes a definition, and who sent it
	Rendered  userdata.OnRender
	Log       *slog.Logger
}

// Router is everything that answers guests under one configuration. A reload
// replaces it as a whole.
type Router struct {
	http.Handler
	Renderer *userdata.Renderer // of what guests are given
	Networks []instance.Network // that the answers are made for
}

// New makes the answers for a configuration with its networks. Requests come by way
// of package httpserver, and their senders are known.
func New(cfg *config.Config, networks []instance.Network, parts Parts) *Router {
	renderer := userdata.New(cfg, reportParts(cfg), parts.Log)
	renderer.OnRender(parts.Rendered)
	about := service.New(service.Info{
		Name:          cfg.Service.Name,
		Type:          cfg.Service.Type,
		Version:       cfg.Service.Version,
		ReleaseDate:   cfg.Service.ReleaseDate,
		Location:      cfg.Service.Location,
		EC2Versions:   cfg.Service.EC2Versions,
		Configuration: cfg.Dump(),
	})
	site := siteMetadata(cfg, networks)
	served := recorder{renderer, parts.Timeline}
	tree := ec2.New(cfg.Service.EC2Versions, site, served, parts.Identity)
	gate := imds.New(imdsSettings(cfg), parts.TokenKey, parts.Tokens, parts.Log)
	root := gate.EC2(tree)
	return &Router{httpcommon.Terse(servedHosts(cfg).Only(frontends{
		root: root,
		byName: map[string]http.Handler{
			"instance-upload": upload(localOnly(uploads{cfg.Server.Upload, parts.Upload}), root),
			"service":         about,
			systemd.ProbeName: localOnly(probe(parts.Inventory)),
			"openstack":       gate.Frontend("openstack", openstack.New(site, served, parts.Inventory)),
			"nocloud":         gate.Frontend("nocloud", nocloud.New(site, served)),
			report.Name:       parts.Reports, // without a token: cloud-init's webhook has none
		},
	})), renderer, networks}
}

// probe answers the server's own request, after it has read the inventory as each
// request for metadata does.
func probe(inv *inventory.Inventory) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inv.Snapshot().ByAddr(httpcommon.Caller(r).Addr)
		w.WriteHeader(http.StatusNoContent)
	})
}

// frontends are chosen by the first name of a path in normal form; root has the
// rest. http.ServeMux would answer paths with dot segments with a redirect, which
// small clients do not follow.
type frontends struct {
	byName map[string]http.Handler
	root   http.Handler
}

// ServeHTTP implements http.Handler.
func (f frontends) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if named, ok := f.byName[name]; ok {
		named.ServeHTTP(w, r)
		return
	}
	f.root.ServeHTTP(w, r)
}

// upload receives posted domain XML; other handlers do the rest.
func upload(take, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/instance-upload" {
			take.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if httpcommon.Privileged(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}
