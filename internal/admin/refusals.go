package admin

import (
	"errors"
	"fmt"
	"net/http"

	"mdserver/internal/api"
	"mdserver/internal/explain"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/nearest"
	"mdserver/internal/shell"
)

// refusals lists the domains that are no guests.
func (b Backend) refusals(w http.ResponseWriter, _ *http.Request) {
	answer(w, b.Inventory.Refusals().All())
}

// unreadable notes a definition that cannot be read, and returns why.
func (b Backend) unreadable(domain instance.Domain, source string, err error) error {
	b.Log.Warn("domain definition refused", "from", source, "guest", domain.Name, "error", err)
	b.Inventory.Refuse(api.Refusal{Name: domain.Name, UUID: domain.UUID, State: api.Refused, Source: source, Reason: err.Error()})
	return err
}

// find finds the guest that a reference means. If there is none, the error says
// why the domain of that name is not a guest, or suggests a guest's name.
func (b Backend) find(ref string) (*instance.Instance, error) {
	inst, err := b.Inventory.Snapshot().Find(ref)
	if !errors.Is(err, denied.ErrNotFound) {
		return inst, err
	}
	for _, r := range b.Inventory.Refusals().Find(ref) {
		return nil, fmt.Errorf("%w: the domain %q is %s: %s; see `mdserver explain %s`", denied.ErrNotFound, r.Name, r.State, r.Reason, shell.Quote(ref))
	}
	if w, ok := b.withheld(ref); ok {
		return nil, fmt.Errorf("%w: %s; see `mdserver explain %s`", denied.ErrNotFound, w, shell.Quote(ref))
	}
	names := func(yield func(string) bool) {
		for guest := range b.Inventory.Snapshot().All() {
			if !yield(guest.Name) {
				return
			}
		}
	}
	if near := nearest.Word(ref, names); near != "" {
		err = fmt.Errorf("%w; did you mean %q?", err, near)
	}
	return nil, err
}

// withheld finds a guest whose record was set aside.
func (b Backend) withheld(ref string) (storage.Withheld, bool) {
	for _, w := range b.Inventory.Withheld() {
		if w.Means(ref) {
			return w, true
		}
	}
	return storage.Withheld{}, false
}

// explain tells all of a guest, or why a domain is none.
func (b Backend) explain(w http.ResponseWriter, r *http.Request) {
	ref := r.URL.Query().Get("ref")
	inst, err := b.find(ref)
	if err == nil {
		answer(w, b.Explain(r.Context(), inst))
		return
	}
	if refused := b.Inventory.Refusals().Find(ref); errors.Is(err, denied.ErrNotFound) && len(refused) > 0 {
		answer(w, explain.Refused(refused[0], b.Status().Started))
		return
	}
	if withheld, ok := b.withheld(ref); errors.Is(err, denied.ErrNotFound) && ok {
		answer(w, explain.Withheld(withheld, b.Status().Started))
		return
	}
	refuse(w, err)
}
