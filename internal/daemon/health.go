package daemon

import (
	"fmt"
	"path/filepath"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/health"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/logging/queue"
)

// health lists what is wrong besides what the networks tell of themselves.
func (d *Daemon) health(cfg *config.Config) []health.Trouble {
	var all []health.Trouble
	dir := filepath.Dir(cfg.Server.Database)
	if failure := d.inventory.WriteFailure(); failure != nil {
		all = append(all, health.Trouble{Part: "database", Since: failure.Since,
			Message: "the last change was not written: " + failure.Err.Error(),
			Look:    []string{"df -h " + dir, "journalctl -k -n 50"}})
	}
	all = append(all, health.Disk("database", dir)...)
	if file := cfg.Server.LogFile; file != "" {
		all = append(all, health.Disk("log", filepath.Dir(file))...)
		all = append(all, logTrouble("the log file "+file, d.opts.Log.File())...)
	}
	all = append(all, logTrouble("the log's stream", d.opts.Log.Stream())...)
	if failure := d.snapshotFailure.Load(); failure != nil {
		all = append(all, *failure)
	}
	return append(all, d.libvirtTrouble(cfg)...)
}

func logTrouble(target string, s queue.Status) []health.Trouble {
	switch {
	case !s.Stuck.IsZero():
		return []health.Trouble{{Part: "log", Since: s.Stuck,
			Message: fmt.Sprintf("%s has taken no line since %s; %d lines are lost so far", target, s.Stuck.Format(time.TimeOnly), s.Lost)}}
	case s.Error != "":
		return []health.Trouble{{Part: "log", Message: fmt.Sprintf("%s cannot be written: %s; %d lines are lost so far", target, s.Error, s.Lost)}}
	}
	return nil
}

// libvirtTrouble is a connection that was there and is lost. A host without
// libvirt is in no trouble: guests may be registered by hand.
func (d *Daemon) libvirtTrouble(cfg *config.Config) []health.Trouble {
	s := d.following.status(cfg)
	if s.Connected || s.Error == "" || s.Socket == "" {
		return nil
	}
	return []health.Trouble{{Part: "libvirt", Message: "no connection: " + s.Error, Since: s.Since,
		Look: []string{"systemctl status libvirtd.service"}}}
}

// trouble lists all that is wrong, as the status does, but counts nothing: it is
// asked for every few seconds.
func (d *Daemon) trouble() []health.Trouble {
	cfg := d.config.Load()
	s := api.Status{SetAside: boltstore.Asides(cfg.Server.Database), Withheld: d.withheldNow(), Health: d.health(cfg)}
	for _, n := range d.networks.Status() {
		name := n.Network.Name
		s.Networks = append(s.Networks, api.Network{Name: name, Trouble: networkTrouble(n.Trouble, d.ports.Trouble(name))})
	}
	return s.Trouble()
}

// statusLine is the status that `systemctl status` shows.
func (d *Daemon) statusLine(l listeners) string {
	line := fmt.Sprintf("serving %d guests on %s", d.inventory.Snapshot().Len(), l)
	trouble := d.trouble()
	if len(trouble) == 0 {
		return line
	}
	return fmt.Sprintf("%s; %d problems, see `mdserver status`: %s", line, len(trouble), trouble[0])
}
