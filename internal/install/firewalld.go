package install

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// zoneLibvirt begins a command on firewalld's zone libvirt, into which libvirt
// puts its bridges. It admits DHCP and DNS, and rejects HTTP.
var zoneLibvirt = []string{"firewall-cmd", "--permanent", "--zone=libvirt"}

var reloadFirewalld = []string{"firewall-cmd", "--reload"}

// inZone is a command that does one thing in firewalld's zone libvirt.
func inZone(what string) []string { return append(slices.Clone(zoneLibvirt), what) }

// opening names the metadata port for firewalld, and reports whether firewalld
// runs and whether its zone libvirt admits the port.
func (j *job) opening(ctx context.Context, port int) (name string, runs, admitted bool) {
	name = fmt.Sprintf("port=%d/tcp", port)
	if port == 80 {
		name = "service=http"
	}
	if _, err := j.Query(ctx, "firewall-cmd", "--state"); err != nil {
		return name, false, false
	}
	ask := inZone("--query-" + name)
	_, err := j.Query(ctx, ask[0], ask[1:]...)
	return name, true, err == nil
}

// openFirewall lets guests reach the metadata port through firewalld.
func (j *job) openFirewall(ctx context.Context) {
	name, runs, admitted := j.opening(ctx, j.port)
	switch {
	case !runs:
	case admitted:
		j.report.add(Unchanged, "firewalld zone libvirt", "admits "+name)
	case j.undoable(ctx, inZone("--add-"+name), inZone("--remove-"+name)):
		j.system(ctx, reloadFirewalld[0], reloadFirewalld[1:]...)
	}
}

// adviseFirewall says how to do that by hand.
func (j *job) adviseFirewall(ctx context.Context) {
	if !j.live() || j.Load == nil {
		return
	}
	cfg, err := j.loadConfig()
	if err != nil {
		return // "mdserver config check" says what is wrong with it
	}
	if name, runs, admitted := j.opening(ctx, cfg.Server.Port); runs && !admitted {
		j.report.next("open firewalld for guests' metadata requests",
			strings.Join(inZone("--add-"+name), " "), strings.Join(reloadFirewalld, " "))
	}
}
