package daemon

import (
	"errors"
	"net/http"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/exporter"
	"mdserver/internal/httpcommon"
)

// monitoringHandler serves what the key metrics.listen is for.
func (d *Daemon) monitoringHandler() http.Handler {
	handler := exporter.Handler(exporter.Sources{
		Metrics: d.metrics.Handler(),
		Ready:   d.readiness,
		Guests:  d.listGuests,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		monitoringHosts(d.config.Load()).Only(handler).ServeHTTP(w, r)
	})
}

// monitoringHosts are the names under which this host is monitored. A web page
// that has its own name resolve to this host reads nothing.
func monitoringHosts(cfg *config.Config) *httpcommon.Hosts {
	short, _, _ := strings.Cut(cfg.Service.Hostname, ".")
	names := []string{"localhost", cfg.Service.Hostname, short}
	return httpcommon.NewHosts(nil, append(names, cfg.Server.AcceptHosts...))
}

// readiness says why guests are not served; nil: they are.
func (d *Daemon) readiness() error {
	if !d.serving.Load() {
		return errors.New("the server starts or stops: guests are not served")
	}
	return nil
}

// listGuests lists all guests, sorted by name, without their secrets.
func (d *Daemon) listGuests() []api.Guest {
	list := []api.Guest{}
	for inst := range d.inventory.Snapshot().All() {
		list = append(list, api.Guest{Instance: inst.WithoutSecrets(), State: d.state(inst)})
	}
	return list
}

// countGuests counts the guests by the state of their domains.
func (d *Daemon) countGuests() map[api.State]int {
	counts := map[api.State]int{}
	for inst := range d.inventory.Snapshot().All() {
		counts[d.state(inst)]++
	}
	return counts
}

// countBoots counts the guests by the verdicts on their last boots.
func (d *Daemon) countBoots() map[api.BootState]int {
	counts := map[api.BootState]int{}
	for inst := range d.inventory.Snapshot().All() {
		counts[d.boots.State(inst)]++
	}
	return counts
}
