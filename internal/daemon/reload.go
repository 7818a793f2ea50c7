package daemon

import (
	"context"
	"errors"
	"fmt"

	"mdserver/internal/admin"
	"mdserver/internal/config"
)

// reload reads the configuration again and puts in force what can change
// while running. SIGHUP and the control interface both come here. A bad
// configuration is refused as a whole; the old one goes on serving.
func (d *Daemon) reload(ctx context.Context) (admin.Reloaded, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	cfg, warnings, err := config.Load(d.opts.ConfigFile)
	if err != nil {
		return admin.Reloaded{}, fmt.Errorf("configuration refused:\n%w", err)
	}
	result := admin.Reloaded{File: d.opts.ConfigFile}
	changed, restart := config.Diff(d.config.Load(), cfg)
	result.Changed, result.Restart = append([]string{}, changed...), append([]string{}, restart...) // for JSON
	for _, w := range warnings {
		result.Warnings = append(result.Warnings, w.String())
		d.log.Warn("configuration", "warning", w.String())
	}
	cfg = cfg.KeepFixed(d.config.Load())
	if err := cfg.Clash(); err != nil {
		return admin.Reloaded{}, fmt.Errorf("configuration refused: %w", err)
	}
	d.logs.reload(cfg)
	d.config.Store(cfg)
	if err := d.takeOver(ctx, cfg); err != nil {
		d.log.Error("the networks do not follow the reload", "error", err)
		result.Warnings = append(result.Warnings, err.Error())
	}
	d.log.Info("configuration reloaded", "changed", result.Changed, "needs_restart", result.Restart)
	return result, nil
}

// takeOver puts the networks of the configuration in force, and what else is
// made of it.
func (d *Daemon) takeOver(ctx context.Context, cfg *config.Config) error {
	d.following.keeper.SetRest(cfg.Libvirt.ReleaseAfter)
	errTake := d.takeNetworks(ctx)
	return errors.Join(errTake, d.publisher.rewrite(ctx, cfg))
}
