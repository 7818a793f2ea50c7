package timeline

import (
	"slices"
	"strings"
	"time"

	"mdserver/internal/api"
)

const (
	mostBoots   = 20  // of one guest
	mostEntries = 200 // of one boot
	// reserved is the room in a boot that only some entries can fill; see room.
	reserved = 10
	// sameStart is how much time may pass between two sources' reports of one start.
	sameStart     = 30 * time.Second
	longestDetail = 512 // bytes of a text that others chose
	// linger is how long after a stop something may arrive that was sent before.
	linger = 2 * time.Second
)

// boot is the present boot of a guest. A nil boot is none.
type boot struct {
	api.Boot
	changed bool // since the last stamp
}

// begin begins the next boot, and ends the present one.
func (g *guest) begin(at time.Time, first ...api.BootEntry) {
	next := &boot{Boot: api.Boot{Number: 1, Began: at}, changed: true}
	if g.boot != nil {
		former := g.boot.copy()
		if former.Ended == nil {
			former.Ended = &at
		}
		next.Number = former.Number + 1
		g.former = lastBoots(append(g.former, former))
	}
	g.boot = next
	for _, e := range first {
		next.add(e)
	}
}

// lastBoots are those of a guest's former boots that are kept beside the present one.
func lastBoots(all []api.Boot) []api.Boot { return all[max(0, len(all)-(mostBoots-1)):] }

func (b *boot) isOpen() bool { return b != nil && b.Ended == nil }

// isSameStart reports whether another source has reported the same start before.
func (b *boot) isSameStart(start api.BootEntry) bool {
	if !b.isOpen() || start.At.Sub(b.Began).Abs() > sameStart {
		return false
	}
	return !slices.ContainsFunc(b.Entries, func(e api.BootEntry) bool {
		return e.Kind == api.EntryRebooted || e.Kind == api.EntryStarted && e.Source == start.Source
	})
}

// startedBy adds a further source of the boot's start, in the order of time.
func (b *boot) startedBy(e api.BootEntry) {
	if e.At.Before(b.Began) {
		b.Began = e.At
	}
	b.add(e)
	slices.SortStableFunc(b.Entries, func(a, b api.BootEntry) int { return a.At.Compare(b.At) })
}

// isOver reports whether an entry belongs to a boot after this one: something of it
// comes after a stop, or cloud-init begins although it has finished.
func (b *boot) isOver(e api.BootEntry) bool {
	switch {
	case b == nil:
		return true
	case b.Ended != nil:
		return e.At.Sub(*b.Ended) > linger && e.Name != release
	case e.Kind == api.EntryStage && isFirst(e.Name):
		return slices.ContainsFunc(b.Entries, func(e api.BootEntry) bool { return e.Name == finalStage && e.Result != "" })
	}
	return false
}

// isFirst reports whether a stage, or the one that a step belongs to, is the first that
// a boot reports. cloud-init knows where to report only within it, so its start may
// be missing.
func isFirst(name string) bool {
	stage, _, _ := strings.Cut(name, "/")
	return stage == "init-local" || stage == "init-network"
}

const (
	release    = "DHCPRELEASE"   // the client shuts down
	finalStage = "modules-final" // the last of cloud-init's
)

// sign adds a sign of life.
func (b *boot) sign(e api.BootEntry) {
	if b.count(e) {
		return
	}
	b.reach(e)
	if i := b.running(e); i >= 0 {
		end := &b.Entries[i]
		if e.Seconds == 0 {
			e.Seconds = e.At.Sub(end.At).Seconds()
		}
		end.Result, end.Detail, end.Seconds, end.Revision = e.Result, e.Detail, e.Seconds, 0
		b.changed = true
		return
	}
	b.add(e)
}

// count counts an entry that repeats an earlier one, and reports whether it does.
func (b *boot) count(e api.BootEntry) bool {
	if e.Kind != api.EntryRequest && e.Kind != api.EntryDHCP {
		return false
	}
	for i := range b.Entries {
		former := &b.Entries[i]
		if former.Kind == e.Kind && former.Name == e.Name && former.Status == e.Status {
			former.Count = max(former.Count, 1) + 1
			b.alive(e.At)
			return true
		}
	}
	return false
}

// running finds the stage that an entry ends; -1 if there is none.
func (b *boot) running(e api.BootEntry) int {
	if e.Kind != api.EntryStage || e.Result == "" {
		return -1
	}
	return slices.IndexFunc(b.Entries, func(s api.BootEntry) bool {
		return s.Kind == api.EntryStage && s.Name == e.Name && s.Result == ""
	})
}

// add appends an entry if there is room. An entry that is left out is only counted: it
// causes no work, however many a guest sends.
func (b *boot) add(e api.BootEntry) {
	if len(b.Entries) >= room(e) {
		b.Dropped++
		return
	}
	b.changed = true
	e.Revision = 0
	b.Entries = append(b.Entries, e)
}

// room is how many entries a boot may have after this one. A guest chooses how many it
// sends and what it calls its stages, so it cannot fill the room of libvirt's entries, of
// cloud-init's results and of what the server itself noticed.
func room(e api.BootEntry) int {
	switch {
	case e.Kind == api.EntryStopped || e.Kind == api.EntryCrashed:
		return mostEntries + 1 // a boot ends once
	case e.Source == api.FromLibvirt || e.Source == api.FromHook:
		return mostEntries
	case e.Kind == api.EntryStatus || e.Kind == api.EntryStage && slices.Contains(stages, e.Name):
		return mostEntries - reserved
	case e.Source != api.FromGuest:
		return mostEntries - 2*reserved
	}
	return mostEntries - 3*reserved
}

// stages are cloud-init's, as its reports call them.
var stages = []string{"init-local", "init-network", "modules-config", finalStage}

func (b *boot) alive(at time.Time) {
	if at.After(b.Last) {
		b.Last = at
	}
}

// reach notes how far an entry brings the boot.
func (b *boot) reach(e api.BootEntry) {
	b.alive(e.At)
	first := func(when **time.Time, reached bool) {
		if reached && *when == nil {
			*when = &e.At
		}
	}
	answered := e.Kind == api.EntryRequest && e.Status/100 == 2
	first(&b.Reached.Lease, e.Kind == api.EntryDHCP && e.Name == "DHCPACK")
	first(&b.Reached.Metadata, answered && slices.Contains(Metadata(), e.Name))
	first(&b.Reached.Userdata, answered && slices.Contains(Userdata(), e.Name))
	first(&b.Reached.SSH, e.Kind == api.EntrySSH)
	first(&b.Reached.Ready, e.Kind == api.EntryStatus && e.Result == api.ResultSuccess)
}

// serve notes what the guest was given.
func (b *boot) serve(d Document) {
	to := &b.Vendordata
	if d.Kind == UserdataDocument {
		to = &b.Userdata
		b.Template = d.Template
	}
	b.changed = b.changed || *to != d.Hash
	*to = d.Hash
}

// stamp gives all that has changed a revision, and reports whether anything has.
func (b *boot) stamp(next func() uint64) bool {
	if !b.changed {
		return false
	}
	b.changed = false
	revision := next()
	b.Revision = revision
	for i := range b.Entries {
		if b.Entries[i].Revision == 0 {
			b.Entries[i].Revision = revision
		}
	}
	return true
}

func (b *boot) copy() api.Boot {
	out := b.Boot
	out.Entries = slices.Clone(b.Entries)
	return out
}
