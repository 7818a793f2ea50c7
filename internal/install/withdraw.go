package install

import (
	"context"
	"fmt"
	"strings"
)

// withdraw removes the server's entries from libvirt's networks. The server is
// the one that knows them, so it is done before the database goes.
func (j *job) withdraw(ctx context.Context) {
	const entries = "entries in libvirt's networks"
	if j.Withdraw == nil {
		return
	}
	if j.DryRun {
		j.report.add(Removed, entries, "mdserver's, if any")
		return
	}
	cfg, err := j.loadConfig()
	if err != nil {
		j.report.add(Failed, entries, err.Error())
		return
	}
	all, err := j.Withdraw(ctx, cfg, j.manifest.Withdrawn)
	if err != nil {
		j.report.add(Failed, entries, err.Error())
		return
	}
	for _, w := range all {
		name := "entries in libvirt's network " + w.Network
		if w.Removed > 0 {
			j.report.add(Removed, name, fmt.Sprintf("%d of mdserver", w.Removed))
		}
		if len(w.Problems) == 0 {
			j.manifest.Withdrawn = append(j.manifest.Withdrawn, w.Network)
			continue
		}
		j.report.add(Failed, name, strings.Join(w.Problems, "; "))
		if len(w.Commands) > 0 {
			j.report.next("remove mdserver's remaining entries in libvirt's network "+w.Network+
				"; leave out --live if the network does not run, and --config if it is not persistent", w.Commands...)
		}
	}
}
