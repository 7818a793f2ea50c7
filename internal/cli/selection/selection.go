// Package selection is how people name guests, networks and hosts on the command line:
// references, filters, and the words that a shell offers for them.
package selection

import (
	"context"
	"errors"
	"slices"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/client"
	"mdserver/internal/instance"
)

// Selected is the guests that were selected, with what `mdserver instance ls` shows
// beside them.
type Selected struct {
	Guests  []api.Guest
	Others  []api.Refusal     // domains that are no guests
	Bridges map[string]string // by network
	Now     time.Time
}

// Server answers questions about guests, as a *client.Client does.
type Server interface {
	Status(ctx context.Context) (api.Status, error)
	Hosts(ctx context.Context) ([]api.Host, error)
	Instance(ctx context.Context, ref string) (instance.Instance, error)
	Guests(ctx context.Context) ([]api.Guest, error)
	Refusals(ctx context.Context) ([]api.Refusal, error)
}

// Guests asks the server for the guests that have one of the names, if there
// are names, and pass the filter.
func Guests(ctx context.Context, server Server, filter Filter, names []string) (Selected, error) {
	list := Selected{Guests: []api.Guest{}, Bridges: map[string]string{}, Now: time.Now()}
	status, err := server.Status(ctx)
	if err != nil {
		return list, err
	}
	for _, n := range status.Networks {
		list.Bridges[n.Name] = n.Bridge
	}
	if err := filter.checkNetworks(status.Networks); err != nil {
		return list, err
	}
	if len(filter.hosts) > 0 {
		hosts, err := server.Hosts(ctx)
		if err == nil {
			err = filter.checkHosts(hosts)
		}
		if err != nil {
			return list, err
		}
	}
	named, err := Find(ctx, server, names)
	if err != nil {
		return list, err
	}
	all, err := server.Guests(ctx)
	if err != nil {
		return list, err
	}
	for _, guest := range all {
		if (len(names) == 0 || contains(named, guest.Instance)) && filter.passes(guest) {
			list.Guests = append(list.Guests, guest)
		}
	}
	if len(names) == 0 && !filter.Active() {
		list.Others, err = server.Refusals(ctx)
	}
	return list, err
}

// Find returns the guests that are named, each once. The error has all names that
// are not a guest's.
func Find(ctx context.Context, server Server, names []string) (found []instance.Instance, unknown error) {
	var errs []error
	for _, name := range names {
		guest, err := server.Instance(ctx, name)
		if _, refused := errors.AsType[*client.Error](err); err != nil && !refused {
			return nil, err // there is no server to ask for the other names
		}
		switch {
		case err != nil:
			errs = append(errs, err)
		case !contains(found, guest):
			found = append(found, guest)
		}
	}
	return found, errors.Join(errs...)
}

func contains(guests []instance.Instance, guest instance.Instance) bool {
	return slices.ContainsFunc(guests, func(other instance.Instance) bool { return other.UUID == guest.UUID })
}
