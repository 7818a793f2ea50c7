package migrate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"mdserver/internal/instance"
)

// Backends, as config.Store has them.
const (
	ToEtcd = "etcd"
	ToBolt = "bolt"
)

// ErrNoOrder: the administrator has not asked for the guests to be moved.
var ErrNoOrder = errors.New("`mdserver store migrate --to etcd` brings them there")

// Join moves the guests of a database into etcd when the server starts. It
// implements etcdstore.Joining.
type Join struct {
	Order    Order
	Ours     instance.Table
	Host     Host // this one
	Database string
	Log      *slog.Logger
}

// NewJoin follows the order for a database. prefix is the one that the server uses.
// Errors: ErrNoOrder, and those of ReadOrder.
func NewJoin(database, prefix string, host Host, ours instance.Table, log *slog.Logger) (*Join, error) {
	order, err := ReadOrder(database)
	switch {
	case err != nil:
		return nil, err
	case order.To != ToEtcd || !order.Complete:
		return nil, ErrNoOrder
	case order.Prefix != prefix:
		return nil, fmt.Errorf("they were copied below %s, and store.prefix is %s; %w", order.Prefix, prefix, ErrNoOrder)
	}
	return &Join{order, ours, host, database, log}, nil
}

// Decide returns what has changed since the guests were copied.
func (j *Join) Decide(id string, fleet instance.Table) (instance.Change, error) {
	if id != j.Order.Inventory {
		return instance.Change{}, fmt.Errorf("they were copied into the inventory %s, and this one is %q; %w", j.Order.Inventory, id, ErrNoOrder)
	}
	c := Compare(j.Ours, fleet, j.Host, j.Order.Copied)
	if len(c.Conflicts) > 0 {
		return instance.Change{}, ConflictsError(c.Conflicts)
	}
	return c.Change, nil
}

// Done ends the migration.
func (j *Join) Done() {
	if err := RemoveOrder(j.Database); err != nil {
		j.Log.Warn("the order to migrate could not be removed; it has no effect any more", "file", OrderFile(j.Database), "error", err)
	}
	j.Log.Info("the guests of this host are in etcd; their state before is a backup", "guests", len(j.Ours.Instances), "backup", Former(j.Database, ToEtcd))
}

// Detacher is the part of a store that Leave needs.
type Detacher interface {
	Load(ctx context.Context) (instance.Table, error)
	Apply(ctx context.Context, changes []instance.Change) error
}

// Leave makes a cache of etcd a database of this host: guests of other hosts are
// removed from it, unless the order keeps them. It returns the names of the removed
// guests.
func (o Order) Leave(ctx context.Context, cache Detacher, host Host) ([]string, error) {
	if o.All {
		return nil, nil
	}
	table, err := cache.Load(ctx)
	if err != nil {
		return nil, err
	}
	var change instance.Change
	var names []string
	for _, guest := range table.Instances {
		if host.others(&guest) {
			change.Delete = append(change.Delete, guest.UUID)
			names = append(names, guest.Name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	return names, cache.Apply(ctx, []instance.Change{change})
}
