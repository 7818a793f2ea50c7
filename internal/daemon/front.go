package daemon

import (
	"context"
	"net/http"
	"net/netip"

	"mdserver/internal/config"
	"mdserver/internal/face"
	"mdserver/internal/face/ec2"
	"mdserver/internal/face/nocloud"
	"mdserver/internal/face/openstack"
	"mdserver/internal/face/service"
	"mdserver/internal/imds"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/userdata"
)

// front is everything that answers guests under one configuration. A reload
// replaces it as a whole.
type front struct {
	http.Handler
	renderer *userdata.Renderer
}

func (d *Daemon) newFront(cfg *config.Config, networks []instance.Network) *front {
	renderer := userdata.New(cfg, d.log)
	about := service.New(service.Info{
		Name:          cfg.Service.Name,
		Type:          cfg.Service.Type,
		Version:       cfg.Service.Version,
		ReleaseDate:   cfg.Service.ReleaseDate,
		Location:      cfg.Service.Location,
		EC2Versions:   cfg.Service.EC2Versions,
		Configuration: cfg.Dump(),
	})
	mux := http.NewServeMux()
	mux.Handle("POST /instance-upload", localOnly(d.backend().Upload))
	mux.Handle("/service", about)
	mux.Handle("/service/", about)
	site := siteMetadata(cfg, networks)
	mux.Handle("/openstack", openstack.New(site, renderer, d.inventory))
	mux.Handle("/openstack/", openstack.New(site, renderer, d.inventory))
	mux.Handle("/nocloud", nocloud.New(site, renderer))
	mux.Handle("/nocloud/", nocloud.New(site, renderer))
	tree := ec2.New(cfg.Service.EC2Versions, site, renderer, d.identity)
	mux.Handle("/", imds.New(imdsSettings(cfg), d.tokenKey, &d.tokens, d.log, tree))
	return &front{mux, renderer}
}

func localOnly(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !face.Caller(r).IsLocal() {
			face.Unauthorised(w, face.Caller(r))
			return
		}
		next(w, r)
	})
}

func (d *Daemon) renderUserdata(ctx context.Context, guest *instance.Instance) ([]byte, error) {
	rendered, err := d.front.Load().renderer.Render(ctx, guest)
	return rendered.Body, err
}

// liveGuests looks guests up in the inventory as it is at that moment.
type liveGuests struct{ inventory *inventory.Inventory }

func (g liveGuests) ByAddr(addr netip.Addr) (*instance.Instance, bool) {
	return g.inventory.Snapshot().ByAddr(addr)
}

func (g liveGuests) ByMAC(mac instance.MAC) (*instance.Instance, bool) {
	return g.inventory.Snapshot().ByMAC(mac)
}
