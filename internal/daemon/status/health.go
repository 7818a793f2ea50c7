package status

import (
	"fmt"
	"path/filepath"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/counted"
	"mdserver/internal/dnsmasq"
	"mdserver/internal/health"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/logging/queue"
	"mdserver/internal/networks"
)

// parts are those of the server that report their health, besides the networks.
var parts = []string{"database", "log", "disk", "libvirt", "clock", "snapshots"}

// diskTime is how long the file systems may take to answer.
const diskTime = time.Second

// Health is the health of all parts now.
func (r *Reporter) Health() []health.Part {
	cfg := r.parts.Config()
	names := parts[:len(parts):len(parts)]
	if r.parts.Hosts.Shared() {
		names = append(names, "etcd")
	}
	if r.parts.Keys.Shared() {
		names = append(names, "keys")
	}
	served, troubles := networkParts(r.parts.Networks.Status(), r.parts.Ports.Trouble)
	return r.monitor.Observe(time.Now(), append(names, served...), append(r.hostTrouble(cfg), troubles...))
}

// networkParts lists the names of the networks as parts, and what is wrong with them. ports
// returns what port security lacks on a network.
func networkParts(served []networks.Status, ports func(network string) string) (names []string, found []health.Trouble) {
	for _, n := range served {
		name := "network " + n.Network.Name
		names = append(names, name)
		if message := networkTrouble(n.Trouble, ports(n.Network.Name)); message != "" {
			found = append(found, health.Trouble{Part: name, State: health.Wrong, Message: message})
		}
	}
	return names, found
}

// hostTrouble lists what is wrong besides what the networks report.
func (r *Reporter) hostTrouble(cfg *config.Config) []health.Trouble {
	all := append(r.parts.Upkeep.Trouble(), r.parts.Hosts.Trouble()...)
	all = append(all, r.parts.Keys.Trouble()...)
	all = append(all, r.logTrouble(cfg)...)
	all = append(all, r.disks.Look(diskTime, func() []health.Trouble { return diskTrouble(cfg) })...)
	all = append(all, r.libvirtTrouble()...)
	all = append(all, r.parts.Clock.Trouble()...)
	if err := r.parts.Exporter.Failure(); err != nil {
		all = append(all, health.Trouble{Part: "metrics", State: health.Wrong, Message: err.Error()})
	}
	return all
}

func (r *Reporter) logTrouble(cfg *config.Config) []health.Trouble {
	all := queueTrouble("the log's stream", r.parts.Log.Stream())
	if file := cfg.Server.LogFile; file != "" {
		all = append(all, queueTrouble("the log file "+file, r.parts.Log.File())...)
	}
	return all
}

func queueTrouble(target string, s queue.Status) []health.Trouble {
	switch {
	case !s.Stuck.IsZero():
		return []health.Trouble{{Part: "log", State: health.Wrong, Since: s.Stuck,
			Message: fmt.Sprintf("%s has accepted no line since %s; %s lost so far", target, s.Stuck.Format(time.TimeOnly), counted.Of(s.Lost, "line is", "lines are"))}}
	case s.Error != "":
		return []health.Trouble{{Part: "log", State: health.Wrong,
			Message: fmt.Sprintf("%s cannot be written: %s; %s lost so far", target, s.Error, counted.Of(s.Lost, "line is", "lines are"))}}
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
func (r *Reporter) libvirtTrouble() []health.Trouble {
	s := r.parts.Libvirt()
	if s.Connected || s.Error == "" || s.Socket == "" {
		return nil
	}
	return []health.Trouble{{Part: "libvirt", State: health.Wrong, Message: "no connection: " + s.Error, Since: s.Since,
		Look: []string{"systemctl status libvirtd.service"}}}
}

// Line looks at the server's health and returns the status that `systemctl status`
// shows. addresses are where guests are served.
func (r *Reporter) Line(addresses string) string {
	return line(r.parts.Inventory.Snapshot().Len(), addresses, api.Status{Health: r.Health()}.Trouble())
}

// line returns a status line. It names only the first trouble, and counts the others.
func line(guests int, addresses string, trouble []health.Trouble) string {
	line := fmt.Sprintf("serving %s on %s", counted.Guests(guests), addresses)
	switch len(trouble) {
	case 0:
		return line
	case 1:
		return fmt.Sprintf("%s; %s: %s; see `mdserver status`", line, trouble[0].State, trouble[0])
	default:
		return fmt.Sprintf("%s; %s: %s; and %d more, see `mdserver status`", line, trouble[0].State, trouble[0], len(trouble)-1)
	}
}
