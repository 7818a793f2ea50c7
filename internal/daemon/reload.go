package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"mdserver/internal/api"
	"mdserver/internal/config"
)

// reload reads the configuration again and applies everything that can change
// while the server runs. SIGHUP and the control interface both call it. An invalid
// configuration is refused as a whole; the old one stays active.
func (d *Daemon) reload(ctx context.Context) (api.Reloaded, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if err := emptied(d.opts.ConfigFile); err != nil {
		return api.Reloaded{}, fmt.Errorf("configuration refused: %w", err)
	}
	cfg, warnings, err := config.Load(d.opts.ConfigFile)
	if err != nil {
		return api.Reloaded{}, fmt.Errorf("configuration refused:\n%w", err)
	}
	result := api.Reloaded{File: d.opts.ConfigFile}
	changed, restart := config.Diff(d.config.Load(), cfg)
	result.Changed, result.Restart = append([]string{}, changed...), append([]string{}, restart...) // for JSON
	for _, w := range warnings {
		result.Warnings = append(result.Warnings, w.String())
		d.log.Warn("configuration", "warning", w.String())
	}
	cfg = cfg.KeepFixed(d.config.Load())
	if err := cfg.Clash(); err != nil {
		return api.Reloaded{}, fmt.Errorf("configuration refused: %w", err)
	}
	d.opts.Log.Reload(cfg)
	d.config.Store(cfg)
	if err := d.takeOver(ctx, cfg); err != nil {
		d.log.Error("the networks were not updated by the reload", "error", err)
		result.Warnings = append(result.Warnings, err.Error())
	}
	if err := d.exporter.Set(cfg.Metrics.Listen); err != nil {
		result.Warnings = append(result.Warnings, err.Error())
	}
	d.timeline.Wake() // stuck_after may be another one
	d.log.Info("configuration reloaded", "changed", result.Changed, "needs_restart", result.Restart)
	return result, nil
}

// emptied refuses a file with nothing in it. An editor or a full disk leaves such
// files, and the defaults would take all keys and limits away from the guests.
func emptied(path string) error {
	text, err := os.ReadFile(path)
	if err != nil || len(bytes.TrimSpace(text)) > 0 {
		return nil // what cannot be read is reported when it is loaded
	}
	return fmt.Errorf("%s is empty; to use the defaults, add a comment", path)
}

// takeOver applies the networks of the configuration, and everything that depends
// on it.
func (d *Daemon) takeOver(ctx context.Context, cfg *config.Config) error {
	d.libvirt.presence.SetRest(cfg.Libvirt.ReleaseAfter)
	errBefore := d.applier.Ask(ctx)
	errNetworks := d.networks.Reconfigure(ctx, cfg)
	// What new backends know of their networks holds from now on.
	return errors.Join(errBefore, errNetworks, d.applier.Ask(ctx))
}
