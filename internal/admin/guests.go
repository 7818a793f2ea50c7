package admin

import (
	"fmt"
	"net/http"

	"mdserver/internal/api"
	"mdserver/internal/httpcommon"
)

func (b Backend) list(w http.ResponseWriter, _ *http.Request) {
	all := []api.Guest{}
	for inst := range b.Inventory.Snapshot().All() {
		all = append(all, b.Brief(inst))
	}
	answer(w, all)
}

func (b Backend) show(w http.ResponseWriter, r *http.Request) {
	inst, err := b.find(r.URL.Query().Get("ref"))
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, inst.WithoutSecrets())
}

func (b Backend) release(w http.ResponseWriter, r *http.Request) {
	inst, err := b.Inventory.Release(r.Context(), r.URL.Query().Get("ref"))
	if err != nil {
		refuse(w, err)
		return
	}
	b.Log.Info("guest released", "guest", inst.Name, "uuid", inst.UUID, "ipv4", inst.IPv4, "ipv6", inst.IPv6)
	if err := b.Publish(r.Context()); err != nil {
		b.Log.Warn("dnsmasq may still serve a released guest", "guest", inst.Name, "error", err)
	}
	answer(w, inst.WithoutSecrets())
}

func (b Backend) userdata(w http.ResponseWriter, r *http.Request) {
	inst, err := b.find(r.URL.Query().Get("ref"))
	if err != nil {
		refuse(w, err)
		return
	}
	if which := r.URL.Query().Get("boot"); which != "" {
		b.userdataOf(w, inst, which)
		return
	}
	body, err := b.Userdata(r.Context(), inst)
	if err != nil {
		refuseWith(w, http.StatusUnprocessableEntity, api.CodeUserdata, err)
		return
	}
	w.Header().Set("Content-Type", httpcommon.TypeBytes)
	_, _ = w.Write(body)
}

func (b Backend) password(w http.ResponseWriter, r *http.Request) {
	inst, err := b.find(r.URL.Query().Get("ref"))
	switch {
	case err != nil:
		refuse(w, err)
	case inst.Password == "":
		refuseWith(w, http.StatusNotFound, api.CodeNoPassword, fmt.Errorf("guest %q has posted no password", inst.Name))
	default:
		httpcommon.Text(w, inst.Password)
	}
}
