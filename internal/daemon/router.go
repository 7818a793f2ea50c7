package daemon

import (
	"context"
	"net/http"
	"strings"

	"mdserver/internal/config"
	"mdserver/internal/daemon/systemd"
	"mdserver/internal/frontend/ec2"
	"mdserver/internal/frontend/nocloud"
	"mdserver/internal/frontend/openstack"
	"mdserver/internal/frontend/service"
	"mdserver/internal/httpcommon"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
	"mdserver/internal/report"
	"mdserver/internal/userdata"
)

// router is everything that answers guests under one configuration. A reload
// replaces it as a whole.
type router struct {
	http.Handler
	renderer *userdata.Renderer
	networks []instance.Network
}

func (d *Daemon) newRouter(cfg *config.Config, networks []instance.Network) *router {
	renderer := userdata.New(cfg, reportParts(cfg), d.log)
	renderer.OnRender(d.metrics.Render)
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
	served := recorder{renderer, d.timeline}
	tree := ec2.New(cfg.Service.EC2Versions, site, served, d.keys.Identity)
	gate := imds.New(imdsSettings(cfg), d.keys.TokenKey, &d.tokens, d.log)
	root := gate.EC2(tree)
	return &router{servedHosts(cfg).Only(frontends{
		root: root,
		byName: map[string]http.Handler{
			"instance-upload": upload(localOnly(d.uploads(cfg)), root),
			"service":         about,
			systemd.ProbeName: localOnly(http.HandlerFunc(d.answerProbe)),
			"openstack":       gate.Frontend("openstack", openstack.New(site, served, d.inventory)),
			"nocloud":         gate.Frontend("nocloud", nocloud.New(site, served)),
			report.Name:       d.reports, // without a token: cloud-init's webhook has none
		},
	}), renderer, networks}
}

// answerProbe answers the server's own request, after it has read the inventory as
// each request for metadata does.
func (d *Daemon) answerProbe(w http.ResponseWriter, r *http.Request) {
	d.inventory.Snapshot().ByAddr(httpcommon.Caller(r).Addr)
	w.WriteHeader(http.StatusNoContent)
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

func (d *Daemon) renderUserdata(ctx context.Context, guest *instance.Instance) ([]byte, error) {
	rendered, err := d.router.Load().renderer.Render(ctx, guest)
	return rendered.Body, err
}
