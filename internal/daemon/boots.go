package daemon

import (
	"path/filepath"
	"slices"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/timeline"
	"mdserver/internal/timeline/archive"
	"mdserver/internal/timeline/verdict"
	"mdserver/internal/userdata/blame"
)

// openTimeline opens the record of boots. Without its file it is kept in memory, and
// guests are served all the same.
func (d *Daemon) openTimeline(cfg *config.Config) {
	path := filepath.Join(filepath.Dir(cfg.Server.Database), "boots.db")
	kept, err := archive.Open(path, d.log)
	if err != nil {
		d.log.Error("the record of boots is kept in memory only", "path", path, "error", err)
		d.timeline = d.newTimeline(nil)
		return
	}
	d.archive = kept
	d.timeline = d.newTimeline(kept)
	for _, guest := range d.timeline.Guests() { // released while the file could not be written
		if _, known := d.inventory.Snapshot().ByUUID(guest); !known {
			d.timeline.Forget(guest)
		}
	}
}

func (d *Daemon) newTimeline(kept timeline.Archive) *timeline.Log {
	record := timeline.New(kept, d.log)
	record.Measured = d.metrics.BootPhase
	return record
}

func (d *Daemon) closeTimeline() error {
	if d.archive == nil {
		return nil
	}
	return d.archive.Close()
}

// boots returns the boots of a guest with the verdicts on them, the oldest first.
func (d *Daemon) boots(guest *instance.Instance) ([]api.Boot, error) {
	all, err := d.timeline.Boots(guest.UUID)
	for i := range all {
		d.judge(&all[i])
	}
	return all, err
}

// presentBoot returns the last boot of a guest, nil if none is on record, with the entries
// that its verdict depends on. Its verdict is off if it has ended and did not fail.
func (d *Daemon) presentBoot(guest *instance.Instance) *api.Boot {
	return d.present(d.timeline.Present(guest.UUID))
}

func (d *Daemon) present(b api.Boot, known bool) *api.Boot {
	if !known {
		return nil
	}
	d.judge(&b)
	if v := &b.Verdict; isOver(&b) {
		v.Reason, v.State, v.Since = "it was "+string(v.State)+" before", api.BootOff, *b.Ended
	}
	return &b
}

// bootState returns the state of a guest's present boot. It looks for nothing to
// blame, and reads no template.
func (d *Daemon) bootState(guest *instance.Instance) api.BootState {
	b, ok := d.timeline.Present(guest.UUID)
	if !ok {
		return api.BootUnknown
	}
	d.judgeState(&b)
	if isOver(&b) {
		return api.BootOff
	}
	return b.Verdict.State
}

// isOver reports whether a boot has ended after it was up.
func isOver(b *api.Boot) bool {
	return b.Ended != nil && (b.Verdict.State == api.Ready || b.Verdict.State == api.Degraded)
}

// blamable are the states of boots that a line of a template may be to blame for.
var blamable = []api.BootState{api.Failed, api.Degraded, api.Stuck}

// judge adds the verdict to a boot, with the line of a template that is to blame.
func (d *Daemon) judge(b *api.Boot) {
	d.judgeState(b)
	if v := &b.Verdict; v.Template == nil && slices.Contains(blamable, v.State) {
		v.Template = d.blame(b)
	}
}

// judgeState adds the verdict to a boot.
func (d *Daemon) judgeState(b *api.Boot) {
	b.Verdict = verdict.Of(*b, time.Now(), d.config.Load().Server.StuckAfter)
	if b.Verdict.State == api.Ready {
		d.checkIgnored(&b.Verdict, b.Userdata)
	}
	b.Reached.Ready = nil
	if b.Verdict.State == api.Ready {
		b.Reached.Ready = &b.Verdict.Since
	}
}

// mostMistakes bounds the user-data whose check is remembered.
const mostMistakes = 16384

// checkIgnored makes the verdict on a boot degraded if cloud-init ignored the
// user-data with this hash. Older releases do not report that.
func (d *Daemon) checkIgnored(v *api.Verdict, hash string) {
	mistake, known := d.mistakes.Get(hash)
	if !known {
		body, err := d.timeline.Content(hash)
		if err != nil || body == nil {
			return
		}
		mistake = blame.Mistake(body)
		d.mistakes.Add(hash, mistake, int64(len(hash)+len(mistake)))
	}
	if mistake != "" {
		v.State, v.Error, v.Reason = api.Degraded, mistake, "cloud-init ignored the user-data: "+mistake
	}
}

// blame finds the line of the template that made a boot fail, nil if none is known.
func (d *Daemon) blame(b *api.Boot) *api.TemplateLine {
	body, err := d.timeline.Content(b.Userdata)
	if err != nil || body == nil {
		return nil
	}
	return blame.Line(b.Template, body, b.Verdict.Module, b.Verdict.Error)
}

// guestBrief is a guest as it is listed.
func (d *Daemon) guestBrief(guest *instance.Instance) api.Guest {
	return d.briefWith(guest, d.presentBoot(guest))
}

func (d *Daemon) briefWith(guest *instance.Instance, boot *api.Boot) api.Guest {
	g := api.Guest{Instance: guest.WithoutSecrets(), State: d.state(guest)}
	if boot != nil {
		brief := boot.Brief()
		g.Boot = &brief
	}
	return g
}
