package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/boltstore"
)

// Order is what an administrator has asked for: a small file beside the database,
// which the server follows when it starts with the other backend, and removes then.
type Order struct {
	To      string    `json:"to"` // a backend of config.Store
	Created time.Time `json:"created"`

	// Into etcd.
	Prefix    string      `json:"prefix,omitempty"`
	Inventory string      `json:"inventory,omitempty"` // the ID of the one below the prefix
	HostID    string      `json:"host_id,omitempty"`   // of this host, from then on
	Copied    []uuid.UUID `json:"copied,omitempty"`    // guests that the fleet did not have before, as far as they were copied
	Complete  bool        `json:"complete,omitempty"`  // all guests of that time are copied

	// Out of etcd.
	All bool `json:"all,omitempty"` // the database keeps the guests of other hosts, too
}

// OrderFile is the file of the order for a database.
func OrderFile(database string) string { return database + ".migrate" }

// Former is the backup that the server makes of its inventory before it changes
// over to a backend.
func Former(database, to string) string { return database + ".before-" + to }

// ReadOrder reads the order for a database. It returns an empty one if there is none.
func ReadOrder(database string) (Order, error) {
	var o Order
	text, err := os.ReadFile(OrderFile(database))
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		return Order{}, fmt.Errorf("the order to migrate, %s: %w; `mdserver store migrate` writes it again", OrderFile(database), err)
	}
	return o, nil
}

// Write writes the order beside a database.
func (o Order) Write(database string) error {
	text, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return err
	}
	path := OrderFile(database)
	if err := renameio.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return boltstore.GiveToService(database, path)
}

// RemoveOrder removes the order for a database, if there is one.
func RemoveOrder(database string) error {
	err := os.Remove(OrderFile(database))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// AddCopied notes guests that are about to be copied.
func (o *Order) AddCopied(guests []instance.Instance) {
	known := map[uuid.UUID]bool{}
	for _, id := range o.Copied {
		known[id] = true
	}
	for i := range guests {
		if !known[guests[i].UUID] {
			o.Copied = append(o.Copied, guests[i].UUID)
		}
	}
}

// Undo is the change that takes copied guests out of the fleet's table again, with
// the names of these guests. Guests that another host has registered since stay.
func (o Order) Undo(fleet instance.Table) (c instance.Change, names []string) {
	for _, guest := range fleet.Instances {
		if guest.HostID == o.HostID && slices.Contains(o.Copied, guest.UUID) {
			c.Delete = append(c.Delete, guest.UUID)
			names = append(names, guest.Name)
		}
	}
	return c, names
}

// ConflictsError are the conflicts that keep guests from being copied.
type ConflictsError []Conflict

func (e ConflictsError) Error() string {
	list := []string{"nothing was written, because guests of this host conflict with others of the fleet:"}
	for _, c := range e {
		list = append(list, c.String())
	}
	return strings.Join(list, "\n")
}
