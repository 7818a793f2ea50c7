package draft

import (
	"mdserver/internal/instance"
)

// Reprovision gives the guest that ref means a new instance-id, and returns its new
// record.
func (d *Draft) Reprovision(ref string) (instance.Instance, error) {
	current, err := d.base.Find(ref)
	if err != nil {
		return instance.Instance{}, err
	}
	changed := *current
	changed.ID = d.freshID()
	changed.LastUpdate = d.now
	d.put(current, &changed)
	return changed, nil
}

// freshID is an instance-id that no guest has.
func (d *Draft) freshID() string {
	for {
		id := instance.NewID()
		if _, taken := d.ByID(id); !taken {
			return id
		}
	}
}
