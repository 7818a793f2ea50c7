package admin

import (
	"context"
	"errors"
	"net/http"

	"mdserver/internal/api"
	"mdserver/internal/instance"
)

// SSH is what SSH clients ask for.
type SSH interface {
	// Describe returns what clients need to know of a guest.
	Describe(*instance.Instance) api.SSHGuest
	// Find returns the guest that a client means by a host.
	Find(host string) (*instance.Instance, bool)
	// CA returns the keys of host certificates; false if none are signed.
	CA() (api.SSHAuthority, bool)
	// RotateCA has another key sign host certificates from now on.
	RotateCA(context.Context) error
}

func (b Backend) ssh(w http.ResponseWriter, r *http.Request) {
	list := []api.SSHGuest{}
	query := r.URL.Query()
	switch {
	case query.Has("ref"):
		guest, err := b.find(query.Get("ref"))
		if err != nil {
			refuse(w, err)
			return
		}
		list = append(list, b.SSH.Describe(guest))
	case query.Has("host"):
		if guest, ok := b.SSH.Find(query.Get("host")); ok {
			list = append(list, b.SSH.Describe(guest))
		}
	default:
		for guest := range b.Inventory.Snapshot().All() {
			list = append(list, b.SSH.Describe(guest))
		}
	}
	answer(w, list)
}

func (b Backend) sshCA(w http.ResponseWriter, _ *http.Request) {
	ca, ok := b.SSH.CA()
	if !ok {
		refuseWith(w, http.StatusConflict, api.CodeNoHostCA, errors.New("the server signs no host certificates; set host_ca = yes in the section [ssh] of its configuration"))
		return
	}
	answer(w, ca)
}

// rotateSSHCA answers like sshCA.
func (b Backend) rotateSSHCA(w http.ResponseWriter, r *http.Request) {
	if _, ok := b.SSH.CA(); ok {
		if err := b.SSH.RotateCA(r.Context()); err != nil {
			refuse(w, err)
			return
		}
	}
	b.sshCA(w, r)
}
