package draft

import (
	"github.com/google/uuid"

	"mdserver/internal/inventory/denied"
)

// SetPassword keeps the password that a guest posts, once for each instance-id.
func (d *Draft) SetPassword(id uuid.UUID, password string) error {
	current, ok := d.ByUUID(id)
	switch {
	case !ok:
		return denied.ErrNotFound
	case current.Password != "":
		return denied.ErrPasswordSet
	}
	changed := *current
	changed.Password = password
	d.put(current, &changed)
	return nil
}
