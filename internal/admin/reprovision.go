package admin

import "net/http"

func (b Backend) reprovision(w http.ResponseWriter, r *http.Request) {
	inst, err := b.Inventory.Reprovision(r.Context(), r.URL.Query().Get("ref"))
	if err != nil {
		refuse(w, err)
		return
	}
	b.Log.Info("the guest has a new instance-id", "guest", inst.Name, "uuid", inst.UUID, "instance_id", inst.ID)
	answer(w, inst.WithoutSecrets())
}
