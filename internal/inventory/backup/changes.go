package backup

import (
	"reflect"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// Changes are what a restore does to the guests, by name.
type Changes struct {
	Added   []string // in the backup only
	Removed []string // in the present database only
	Changed []string // in both, and different
}

// Compare gives the changes that lead from the present guests to the backup's.
func Compare(present, backup []instance.Instance) Changes {
	var c Changes
	before := map[uuid.UUID]instance.Instance{}
	for _, guest := range present {
		before[guest.UUID] = guest
	}
	for _, guest := range backup {
		former, known := before[guest.UUID]
		switch {
		case !known:
			c.Added = append(c.Added, guest.Name)
		case !reflect.DeepEqual(former, guest):
			c.Changed = append(c.Changed, guest.Name)
		}
		delete(before, guest.UUID)
	}
	for _, guest := range present {
		if _, left := before[guest.UUID]; left {
			c.Removed = append(c.Removed, guest.Name)
		}
	}
	return c
}
