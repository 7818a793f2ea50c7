package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"mdserver/internal/api"
	"mdserver/internal/inventory/denied"
)

// ErrHost: what was asked for cannot be done with this host.
var ErrHost = errors.New("the host stays as it is")

func (b Backend) hosts(w http.ResponseWriter, _ *http.Request) { answer(w, b.Hosts()) }

func (b Backend) forgetHost(w http.ResponseWriter, r *http.Request) {
	host, err := findHost(b.Hosts(), r.URL.Query().Get("ref"))
	if err != nil {
		refuse(w, err)
		return
	}
	force, _ := strconv.ParseBool(r.URL.Query().Get("force"))
	guests, err := b.ForgetHost(r.Context(), host.ID, force)
	if err != nil {
		refuse(w, err)
		return
	}
	b.Log.Info("host forgotten", "host", host.Name, "id", host.ID, "guests", guests)
	answer(w, api.Forgotten{Host: host, Guests: guests})
}

// runsOn tells which guests still run on a host.
func (b Backend) runsOn(w http.ResponseWriter, r *http.Request) {
	host, err := b.hostOrThis(r)
	if err != nil {
		refuse(w, err)
		return
	}
	guests, err := b.RunsOn(host.ID)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, api.RunsOn{Host: host, Guests: guests})
}

// drainHost takes a host out of service, or puts it back.
func (b Backend) drainHost(w http.ResponseWriter, r *http.Request) {
	host, err := b.hostOrThis(r)
	if err != nil {
		refuse(w, err)
		return
	}
	undo, _ := strconv.ParseBool(r.URL.Query().Get("undo"))
	if host.Drained, err = b.DrainHost(r.Context(), host.ID, !undo); err != nil {
		refuse(w, err)
		return
	}
	guests, err := b.RunsOn(host.ID)
	if err != nil {
		refuse(w, err)
		return
	}
	b.Log.Info("host drained, or put back into service", "host", host.Name, "id", host.ID, "drained", !undo, "guests", len(guests))
	answer(w, api.RunsOn{Host: host, Guests: guests})
}

// hostOrThis is the host that a request names, or this one.
func (b Backend) hostOrThis(r *http.Request) (api.Host, error) {
	hosts, ref := b.Hosts(), r.URL.Query().Get("ref")
	if i := slices.IndexFunc(hosts, func(host api.Host) bool { return host.This }); ref == "" && i >= 0 {
		return hosts[i], nil
	}
	return findHost(hosts, ref)
}

// findHost finds a host by its ID or its name.
func findHost(hosts []api.Host, ref string) (api.Host, error) {
	var found []api.Host
	var names []string
	for _, host := range hosts {
		if host.ID == ref && ref != "" {
			return host, nil
		}
		if host.Name == ref {
			found = append(found, host)
		}
		names = append(names, host.Name)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return api.Host{}, fmt.Errorf("%w: no such host: %q; there are: %s", denied.ErrNotFound, ref, strings.Join(names, ", "))
	}
	return api.Host{}, fmt.Errorf("%w: %d hosts have the name %q; use the ID of one, such as %s", denied.ErrAmbiguous, len(found), ref, found[0].ID)
}
