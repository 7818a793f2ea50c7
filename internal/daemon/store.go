package daemon

import (
	"errors"

	"mdserver/internal/config"
)

// CheckStore reports whether this version can keep the inventory where [store]
// wants it.
func CheckStore(cfg *config.Config) error {
	if cfg.Store.Backend == config.BackendEtcd {
		return errors.New("store.backend = etcd: this version cannot use etcd yet, accepted: bolt")
	}
	return nil
}
