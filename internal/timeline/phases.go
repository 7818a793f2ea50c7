package timeline

import (
	"time"

	"mdserver/internal/api"
)

// start is when the boot was started, nil if only later signs of it were seen.
func (b *boot) start() *time.Time {
	for _, e := range b.Entries {
		if e.Kind == api.EntryStarted || e.Kind == api.EntryRebooted {
			return &b.Began
		}
	}
	return nil
}

// measure reports the phases that have ended since the boot had reached before. A
// phase whose beginning was not seen is left out.
func (b *boot) measure(before api.Reached, report func(api.BootPhase, time.Duration)) {
	now, start := b.Reached, b.start()
	for _, p := range []struct {
		phase           api.BootPhase
		from, to, ended *time.Time
	}{
		{api.LeasePhase, start, now.Lease, before.Lease},
		{api.MetadataPhase, now.Lease, now.Metadata, before.Metadata},
		{api.ReadyPhase, now.Metadata, now.Ready, before.Ready},
		{api.WholeBoot, start, now.Ready, before.Ready},
	} {
		if p.from != nil && p.to != nil && p.ended == nil {
			report(p.phase, max(0, p.to.Sub(*p.from)))
		}
	}
}
