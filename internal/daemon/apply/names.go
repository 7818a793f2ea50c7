package apply

import (
	"context"
	"os"
	"strings"

	"mdserver/internal/config"
	"mdserver/internal/instance"
)

// ownNames are the names of this host that no guest may have, in lower case: those
// that the kernel and the configuration have, and their first labels. Its hosts
// file has further ones.
func ownNames(cfg *config.Config) []string {
	var names []string
	hostname, _ := os.Hostname() // none is none
	for _, name := range []string{hostname, cfg.Service.Hostname} {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if first, _, _ := strings.Cut(name, "."); first != "" {
			names = append(names, name, first)
		}
	}
	return names
}

// renameReserved gives another host name to guests whose name no guest may have,
// when that may have changed.
func (a *Applier) renameReserved(ctx context.Context, cfg *config.Config, networks []instance.Network) error {
	naming := strings.Join(ownNames(cfg), " ")
	for _, n := range networks {
		naming += "\n" + n.Name + " " + n.NamePrefix + " " + n.Domain
	}
	if naming == a.applied.naming {
		return nil
	}
	renamed, err := a.parts.Inventory.RenameReserved(ctx)
	if err == nil {
		a.applied.naming = naming
	}
	for _, r := range renamed {
		a.parts.Log.Warn("a guest's host name was changed, because its previous one is reserved",
			"guest", r.Guest.Name, "hostname", r.Guest.Hostname, "former", r.Former, "reason", r.Reason)
	}
	return err
}
