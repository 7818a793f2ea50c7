package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Uninstall removes what Install installed and the administrator did not change,
// and puts the Python mdserver's files back. Configuration and data stay unless
// Purge is set. On an error, the report lists what was done before.
func Uninstall(ctx context.Context, opts Options) (*Report, error) {
	j, err := newJob(opts)
	if err != nil {
		return nil, err
	}
	defer j.tree.Close()
	switch {
	case j.manifest.left && !j.Purge:
		return nil, fmt.Errorf("mdserver is already uninstalled; --purge removes the remaining configuration and data")
	case !j.manifest.left && !j.manifest.installed:
		return nil, fmt.Errorf("nothing is installed with the prefix %s: there is no %s", j.Prefix, manifestPath(j.Prefix))
	case j.Purge:
		if err := j.refusePurge(); err != nil {
			return nil, err
		}
	}
	return j.report, j.uninstall(ctx)
}

// refusePurge protects the Python mdserver's configuration and database from being
// removed.
func (j *job) refusePurge() error {
	const why = "purge: this host was upgraded from the Python mdserver, which uses the same configuration and data; "
	if j.manifest.Original {
		return errors.New(why + "remove by hand what you do not need")
	}
	for _, p := range append(j.manifest.paths(), j.manifest.Aside...) {
		if j.has(p + originalSuffix) {
			return errors.New(why + "uninstall without --purge and remove by hand what you do not need")
		}
	}
	return nil
}

func (j *job) uninstall(ctx context.Context) error {
	j.stopServices(ctx)
	j.removeTable()
	if j.Root == "" {
		j.withdraw(ctx)
		j.undo(ctx)
	}
	if err := j.removeFiles(ctx); err != nil {
		return errors.Join(again(err), j.saveRest())
	}
	started := false
	if j.live() {
		j.system(ctx, "systemctl", "daemon-reload")
		started = j.revive(ctx)
		j.indexManual(ctx)
	}
	if err := j.closeManifest(); err != nil {
		return errors.Join(again(err), j.saveRest())
	}
	j.removeDirectories()
	j.afterwards(started)
	return nil
}

// removeFiles removes files, puts those of the Python mdserver back, and purges
// if asked to.
func (j *job) removeFiles(ctx context.Context) error {
	for _, p := range j.manifest.paths() {
		if err := j.takeAway(p); err != nil {
			return err
		}
	}
	if err := j.putBack(); err != nil {
		return err
	}
	if !j.Purge {
		return nil
	}
	return j.purge(ctx)
}

// saveRest lists what is still there when Uninstall fails, so that the next one does
// the rest and nothing twice.
func (j *job) saveRest() error {
	if j.manifest.left {
		return j.manifest.store(j.tree, leftRecord, 0o600)
	}
	return j.manifest.save(j.tree)
}

// stopServices stops and disables the units that are about to be removed.
func (j *job) stopServices(ctx context.Context) {
	if !j.live() {
		return
	}
	for _, unit := range []string{dnsmasqUnit, serverUnit} {
		name := path.Join(unitDir, unit)
		if content, err := j.tree.Read(name); err == nil && sum(content) == j.manifest.Files[name].SHA256 {
			j.system(ctx, "systemctl", "disable", "--now", unit)
		}
	}
}

// closeManifest removes the list of what was installed. What is left of that is
// noted first, for a later purge.
func (j *job) closeManifest() error {
	if !j.Purge && j.has(etcDir) {
		if err := j.manifest.store(j.tree, leftRecord, 0o600); err != nil {
			return err
		}
	}
	return j.tree.RemoveIfThere(manifestPath(j.Prefix))
}

// removeTable ends port security, which outlives the server.
func (j *job) removeTable() {
	if j.Root != "" || j.RemoveTable == nil {
		return
	}
	const table = "nftables table bridge mdserver"
	if j.DryRun {
		j.report.add(Removed, table, "if it exists")
		return
	}
	switch there, err := j.RemoveTable(); {
	case err != nil:
		j.report.add(Failed, table, err.Error())
	case there:
		j.report.add(Removed, table, "")
	}
}

func (j *job) takeAway(name string) error {
	if j.manifest.Files[name].Config && !j.Purge {
		if j.has(name) {
			j.report.add(Kept, name, "configuration")
		}
		return nil
	}
	gone, err := j.removeUnchanged(name, "")
	if err != nil {
		return err
	}
	if err := j.restore(name, gone); err != nil {
		return err
	}
	if gone {
		delete(j.manifest.Files, name)
	}
	return nil
}

// restore puts the Python mdserver's file back if mdserver's is gone.
func (j *job) restore(name string, gone bool) error {
	backup := name + originalSuffix
	if !j.has(backup) {
		return nil
	}
	j.manifest.Original = true
	if !gone {
		j.report.add(Kept, backup, name+" is in its place")
		return nil
	}
	if err := j.tree.Rename(backup, name); err != nil {
		return fmt.Errorf("restore the Python mdserver's file: %w", err)
	}
	j.report.add(Restored, name, "from "+backup)
	return nil
}

// purge removes configuration, data, run directory, log and user.
func (j *job) purge(ctx context.Context) error {
	logs, err := j.rotatedLogs()
	if err != nil {
		return err
	}
	targets := append([]string{stateDir, runDir, logFile}, logs...)
	for _, name := range append(targets, etcDir) { // last, since leftRecord is in it
		if !j.has(name) {
			continue
		}
		if err := j.tree.RemoveAll(name); err != nil {
			return fmt.Errorf("purge: %w", err)
		}
		j.report.add(Removed, name, "with its contents")
	}
	for _, user := range []string{j.manifest.CreatedUser, j.manifest.CreatedDnsmasqUser} {
		if user != "" && j.Root == "" && !j.NoUser {
			j.system(ctx, "userdel", user)
		}
	}
	return nil
}

func (j *job) rotatedLogs() ([]string, error) {
	dir, err := j.tree.OpenDir(path.Dir(logFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("purge: %w", err)
	}
	defer dir.Close()
	names, err := fs.Glob(dir.FS(), path.Base(logFile)+`[.\-]*`)
	for i, name := range names {
		names[i] = path.Join(path.Dir(logFile), name)
	}
	return names, err
}

// removeDirectories removes those that we made and that are empty now.
func (j *job) removeDirectories() {
	for _, dir := range slices.Backward(j.manifest.Directories) {
		keep := dir == etcDir || dir == stateDir || strings.HasPrefix(dir, etcDir+"/") || strings.HasPrefix(dir, stateDir+"/")
		if keep || j.DryRun {
			continue
		}
		err := j.tree.Remove(dir)
		switch {
		case err == nil:
			j.report.add(Removed, dir+"/", "")
		case errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrNotExist):
		default:
			j.report.add(Kept, dir+"/", err.Error())
		}
	}
}

// afterwards says what is still there, and what is left to do.
func (j *job) afterwards(started bool) {
	for _, dir := range []string{etcDir, stateDir} {
		if j.has(dir) && !j.Purge {
			j.report.add(Kept, dir+"/", "configuration and data")
		}
	}
	if j.manifest.CreatedUser != "" && !j.Purge {
		j.report.add(Kept, "user "+j.manifest.CreatedUser, "owns the data")
	}
	original := slices.ContainsFunc(j.report.Changes, func(c Change) bool {
		return c.Action == Restored && strings.HasSuffix(c.Name, "/"+serverUnit)
	})
	switch {
	case original && !started:
		j.report.next("start the Python mdserver again", "systemctl start mdserver.service")
	case !original && j.has("/etc/libvirt/qemu/networks/mds.xml"): // the Python mdserver serves it, too
		j.report.next("remove the guests' network, if it is not used", "virsh net-destroy mds", "virsh net-undefine mds")
	}
}
