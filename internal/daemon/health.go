package daemon

import (
	"fmt"
	"path/filepath"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/daemon/listen"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/health"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/logging/queue"
)

// healthPeriod is how often the server looks at its health.
const healthPeriod = 2 * time.Second

// parts are those of the server that report their health, besides the networks.
var parts = []string{"database", "log", "disk", "libvirt", "clock", "snapshots"}

// healthState is what the server remembers about its health.
type healthState struct {
	monitor health.Monitor
	clock   *health.Clock
	disks   health.Patience
}

// diskTime is how long the file systems may take to answer.
const diskTime = time.Second

// health is the health of all parts now.
func (d *Daemon) health() []health.Part {
	cfg := d.config.Load()
	names := parts[:len(parts):len(parts)]
	if d.store.Shared != nil {
		names = append(names, "etcd")
	}
	if d.keys.Shared() {
		names = append(names, "keys")
	}
	found := d.hostTrouble(cfg)
	for _, n := range d.networks.Status() {
		name := networkPart(n.Network.Name)
		names = append(names, name)
		if message := networkTrouble(n.Trouble, d.ports.Trouble(n.Network.Name)); message != "" {
			found = append(found, health.Trouble{Part: name, State: health.Wrong, Message: message})
		}
	}
	return d.healthState.monitor.Observe(time.Now(), names, found)
}

func networkPart(name string) string { return "network " + name }

// hostTrouble lists what is wrong besides what the networks report.
func (d *Daemon) hostTrouble(cfg *config.Config) []health.Trouble {
	all := append(d.upkeep.Trouble(), d.hosts.Trouble()...)
	all = append(all, d.keys.Trouble()...)
	all = append(all, d.logTrouble(cfg)...)
	all = append(all, d.healthState.disks.Look(diskTime, func() []health.Trouble { return diskTrouble(cfg) })...)
	all = append(all, d.libvirtTrouble(cfg)...)
	all = append(all, d.healthState.clock.Trouble()...)
	if err := d.exporter.Failure(); err != nil {
		all = append(all, health.Trouble{Part: "metrics", State: health.Wrong, Message: err.Error()})
	}
	return all
}

func (d *Daemon) logTrouble(cfg *config.Config) []health.Trouble {
	all := queueTrouble("the log's stream", d.opts.Log.Stream())
	if file := cfg.Server.LogFile; file != "" {
		all = append(all, queueTrouble("the log file "+file, d.opts.Log.File())...)
	}
	return all
}

func queueTrouble(target string, s queue.Status) []health.Trouble {
	switch {
	case !s.Stuck.IsZero():
		return []health.Trouble{{Part: "log", State: health.Wrong, Since: s.Stuck,
			Message: fmt.Sprintf("%s has accepted no line since %s; %d lines are lost so far", target, s.Stuck.Format(time.TimeOnly), s.Lost)}}
	case s.Error != "":
		return []health.Trouble{{Part: "log", State: health.Wrong,
			Message: fmt.Sprintf("%s cannot be written: %s; %d lines are lost so far", target, s.Error, s.Lost)}}
	}
	return nil
}

// diskTrouble looks at the directories that the server writes to, and at what it
// has set aside there.
func diskTrouble(cfg *config.Config) []health.Trouble {
	dirs := []string{filepath.Dir(cfg.Server.Database)}
	for _, n := range cfg.Networks {
		if n.Backend == config.BackendDnsmasq && dnsmasq.Mode(n.Run) != dnsmasq.Off {
			dirs = append(dirs, n.BaseDir)
		}
	}
	var all []health.Trouble
	for _, dir := range dirs {
		all = append(all, health.Directory(dir)...)
	}
	for _, file := range boltstore.Asides(cfg.Server.Database) {
		all = append(all, health.Trouble{Part: "database", State: health.Wrong,
			Message: "damaged records of the database were set aside in " + file,
			Look:    []string{"mdserver database check"}})
	}
	if file := cfg.Server.LogFile; file != "" {
		all = append(all, health.Disk(filepath.Dir(file))...)
	}
	return all
}

// libvirtTrouble is a connection that is lost, or a libvirt that does not answer. A
// host without libvirt is in no trouble: guests may be registered by hand.
func (d *Daemon) libvirtTrouble(cfg *config.Config) []health.Trouble {
	s := d.libvirt.status(cfg)
	if s.Connected || s.Error == "" || s.Socket == "" {
		return nil
	}
	return []health.Trouble{{Part: "libvirt", State: health.Wrong, Message: "no connection: " + s.Error, Since: s.Since,
		Look: []string{"systemctl status libvirtd.service"}}}
}

// statusLine looks at the server's health and returns the status that `systemctl
// status` shows.
func (d *Daemon) statusLine(sockets listen.Sockets) string {
	line := fmt.Sprintf("serving %d guests on %s", d.inventory.Snapshot().Len(), sockets)
	switch trouble := (api.Status{Health: d.health()}).Trouble(); len(trouble) {
	case 0:
		return line
	case 1:
		return fmt.Sprintf("%s; %s: %s; see `mdserver status`", line, trouble[0].State, trouble[0])
	default:
		return fmt.Sprintf("%s; %s: %s; and %d more, see `mdserver status`", line, trouble[0].State, trouble[0], len(trouble)-1)
	}
}
