package install

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The Python mdserver has a path unit that starts its dnsmasq. mdserver has
// nothing of that name.
const pathUnit = "mdserver-dnsmasq.path"

const originalHookPath = hooksDir + "/qemu"

// originalUnits are the Python mdserver's, each after those that it needs.
var originalUnits = []struct {
	name      string
	recognise func(content []byte) bool
}{
	{serverUnit, isOriginalServerUnit},
	{pathUnit, isOriginalPathUnit},
	{dnsmasqUnit, isOriginalDnsmasqUnit},
}

// formerUnit is a unit of the Python mdserver as it was before the upgrade.
type formerUnit struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Active  bool   `json:"active"`
}

// noteOriginal remembers which of the Python mdserver's units are enabled and
// which run, before they are set aside. It is saved at once: an installation that
// is interrupted could not find out again.
func (j *job) noteOriginal(ctx context.Context) error {
	if !j.live() {
		return nil
	}
	noted := false
	for _, u := range originalUnits {
		if !j.isOriginal(path.Join(unitDir, u.name), u.recognise) {
			continue
		}
		now := formerUnit{u.name, j.unitIs(ctx, u.name, "enabled"), j.unitIs(ctx, u.name, "active")}
		j.manifest.Units = append(slices.DeleteFunc(j.manifest.Units, func(o formerUnit) bool { return o.Name == u.name }), now)
		noted = true
	}
	if !noted {
		return nil
	}
	return j.manifest.save(j.tree)
}

// unitIs asks systemctl is-enabled or is-active.
func (j *job) unitIs(ctx context.Context, unit, state string) bool {
	out, err := j.Query(ctx, "systemctl", "is-"+state, unit)
	return err == nil && strings.TrimSpace(out) == state
}

// isOriginal reports whether a file is there and is recognised as the Python
// mdserver's.
func (j *job) isOriginal(name string, recognise func([]byte) bool) bool {
	info, err := j.tree.Lstat(name)
	if err != nil || info == nil || !info.Mode().IsRegular() {
		return false
	}
	content, err := j.tree.Read(name)
	return err == nil && recognise(content)
}

// moveAside moves away files of the Python mdserver that mdserver does not
// replace: the unit that starts its dnsmasq, and the hook if nothing in it is the
// administrator's.
func (j *job) moveAside(ctx context.Context) error {
	unit := path.Join(unitDir, pathUnit)
	if j.isOriginal(unit, isOriginalPathUnit) {
		if j.former(pathUnit).Enabled {
			j.system(ctx, "systemctl", "disable", pathUnit)
		}
		if err := j.moveFile(unit); err != nil {
			return err
		}
	}
	if !j.isOriginal(originalHookPath, isShippedHook) {
		return nil
	}
	return j.moveFile(originalHookPath)
}

// former is a unit as noteOriginal remembers it, and zero if it does not.
func (j *job) former(unit string) formerUnit {
	i := slices.IndexFunc(j.manifest.Units, func(u formerUnit) bool { return u.Name == unit })
	if i < 0 {
		return formerUnit{}
	}
	return j.manifest.Units[i]
}

func (j *job) moveFile(name string) error {
	backup := name + originalSuffix
	if j.has(backup) {
		j.report.add(Kept, name, backup+" exists already")
		return nil
	}
	if !slices.Contains(j.manifest.Aside, name) {
		j.manifest.Aside = append(j.manifest.Aside, name)
	}
	if err := j.manifest.save(j.tree); err != nil { // first, for an installation that is interrupted
		return err
	}
	if err := j.tree.Rename(name, backup); err != nil {
		return fmt.Errorf("rename the Python mdserver's file: %w", err)
	}
	j.report.add(Moved, name, "to "+backup+"; \"mdserver uninstall\" puts it back")
	return nil
}

// stopPathUnit stops the unit that was set aside. It comes after daemon-reload:
// the Python mdserver stops with that unit, and this one does not.
func (j *job) stopPathUnit(ctx context.Context) {
	if slices.Contains(j.manifest.Aside, path.Join(unitDir, pathUnit)) && j.unitIs(ctx, pathUnit, "active") {
		j.system(ctx, "systemctl", "stop", pathUnit)
	}
}

// putBack restores what moveAside has moved.
func (j *job) putBack() error {
	for _, name := range j.manifest.Aside {
		if err := j.restore(name, !j.has(name)); err != nil {
			return err
		}
	}
	j.manifest.Aside = slices.DeleteFunc(j.manifest.Aside, func(name string) bool { return !j.has(name + originalSuffix) })
	return nil
}

// revive enables and starts the Python mdserver's units as they were, and reports
// whether it started the server.
func (j *job) revive(ctx context.Context) (started bool) {
	var enabled, active []string
	for _, u := range originalUnits {
		if !j.DryRun && !j.isOriginal(path.Join(unitDir, u.name), u.recognise) {
			continue
		}
		former := j.former(u.name)
		if former.Enabled {
			enabled = append(enabled, u.name)
		}
		if former.Active {
			active = append(active, u.name)
		}
	}
	if len(enabled) > 0 {
		j.system(ctx, "systemctl", append([]string{"enable"}, enabled...)...)
	}
	if len(active) > 0 {
		started = j.system(ctx, "systemctl", append([]string{"start"}, active...)...)
	}
	j.manifest.Units = nil
	return started && slices.Contains(active, serverUnit)
}
