package admin

import (
	"context"
	"net/http"

	"mdserver/internal/instance"
)

func (b Backend) reprovision(w http.ResponseWriter, r *http.Request) {
	inst, err := b.Inventory.Reprovision(r.Context(), r.URL.Query().Get("ref"))
	if err != nil {
		refuse(w, err)
		return
	}
	b.Log.Info("guest has a new instance-id", "guest", inst.Name, "uuid", inst.UUID, "instance_id", inst.ID)
	answer(w, inst.WithoutSecrets())
}

// Reprovision gives a guest a new instance-id and returns its new record.
func (c *Client) Reprovision(ctx context.Context, ref string) (instance.Instance, error) {
	var inst instance.Instance
	return inst, c.call(ctx, http.MethodPost, "/v1/reprovision?"+query("ref", ref), nil, &inst)
}
