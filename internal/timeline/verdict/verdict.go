// Package verdict says how a boot went, or goes, from the record of it alone.
package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/timeline"
)

// settle is how long cloud-init's result is waited for after its last stage. The
// stage does not show errors that cloud-init has recovered from.
const settle = 5 * time.Second

const lastStage = "modules-final"

// Of is the verdict on a boot. A boot without a sign of life for stuckAfter is stuck,
// if the guest reports what it does; how far any other guest has come cannot be seen.
//
// cloud-init's own status, sent after its last stage, counts most. Before it, a stage
// or module that failed makes the boot failed, as `cloud-init status` has it.
func Of(b api.Boot, now time.Time, stuckAfter time.Duration) api.Verdict {
	v := result(b, now, stuckAfter)
	v.Phase = phase(b)
	return v
}

// Next is when the verdict on a boot changes if nothing happens; zero if it stays.
func Next(b api.Boot, now time.Time, stuckAfter time.Duration) time.Time {
	over := b.Ended != nil || last(b, isStatus) != nil // known at once, as of most guests
	if over || Of(b, now, stuckAfter).State != api.Booting {
		return time.Time{}
	}
	if final := stage(b, lastStage); final != nil && final.Result != "" {
		return end(*final).Add(settle)
	}
	return quiet(b).Add(stuckAfter)
}

func result(b api.Boot, now time.Time, stuckAfter time.Duration) api.Verdict {
	final := stage(b, lastStage)
	finished := final != nil && final.Result != ""
	switch status, broken, render := last(b, isStatus), worst(b, api.ResultFail), unresolved(b); {
	case status != nil && status.Result != api.ResultSuccess:
		return blamed(*status, cmp.Or(broken, worst(b, api.ResultWarn)))
	case status != nil && render == nil:
		return api.Verdict{State: api.Ready, Since: status.At}
	case render != nil:
		return api.Verdict{State: api.Failed, Since: render.At, Reason: render.Name + " failed", Error: render.Detail, Template: render.Template}
	case broken != nil:
		return blamed(*broken, broken)
	case finished && worst(b, api.ResultWarn) != nil:
		warned := worst(b, api.ResultWarn)
		return blamed(*warned, warned)
	case finished && (b.Ended != nil || now.Sub(end(*final)) >= settle):
		return api.Verdict{State: api.Ready, Since: end(*final)}
	case finished:
		return api.Verdict{State: api.Booting, Since: b.Began, Reason: "cloud-init has finished; its result is awaited"}
	}
	if b.Ended != nil {
		return ended(b)
	}
	return underWay(b, now, stuckAfter)
}

// blamed is the verdict of an entry with a result other than success. detail is the
// stage to blame, nil if none is known.
func blamed(e api.BootEntry, detail *api.BootEntry) api.Verdict {
	v := api.Verdict{State: api.Failed, Since: end(e), Error: e.Detail}
	verb := "failed"
	if e.Result == api.ResultWarn {
		v.State, verb = api.Degraded, "warned"
	}
	v.Module = Module(e.Name)
	if v.Module == "" && detail != nil {
		v.Module = Module(detail.Name)
	}
	v.Reason = "cloud-init " + verb
	if v.Module != "" {
		v.Reason = v.Module + " " + verb
	}
	if v.Error != "" {
		v.Reason += ": " + v.Error
	}
	return v
}

// ended is the verdict on a boot that ended before cloud-init did.
func ended(b api.Boot) api.Verdict {
	if crash := last(b, func(e api.BootEntry) bool { return e.Kind == api.EntryCrashed }); crash != nil {
		return api.Verdict{State: api.Failed, Since: crash.At, Reason: crash.Detail, Error: crash.Detail}
	}
	reason := "it stopped"
	if reports(b) {
		reason = "it stopped before cloud-init had finished"
	}
	if stop := last(b, func(e api.BootEntry) bool { return e.Kind == api.EntryStopped }); stop != nil && stop.Detail != "" {
		reason += ": " + stop.Detail
	}
	return api.Verdict{State: api.BootOff, Since: *b.Ended, Reason: reason}
}

// underWay is the verdict on a boot that has not ended.
func underWay(b api.Boot, now time.Time, stuckAfter time.Duration) api.Verdict {
	since := quiet(b).Add(stuckAfter)
	switch {
	case now.Before(since):
		return api.Verdict{State: api.Booting, Since: b.Began}
	case reports(b):
		running := last(b, func(e api.BootEntry) bool { return e.Kind == api.EntryStage && e.Result == "" })
		v := api.Verdict{State: api.Stuck, Since: since, Reason: "nothing was heard of it since " + phase(b)}
		if running != nil {
			v.Module = Module(running.Name)
			v.Reason = fmt.Sprintf("%s has not ended", running.Name)
		}
		return v
	case b.Last.IsZero():
		return api.Verdict{State: api.Stuck, Since: since, Reason: "there was no sign of life since its start"}
	}
	return api.Verdict{State: api.BootUnknown, Since: since, Reason: "it does not report; it came as far as " + phase(b)}
}

// Module is the name of cloud-init's module in that of a stage, such as scripts_user
// in modules-final/config-scripts_user, or the stage itself.
func Module(stage string) string {
	if _, module, ok := strings.Cut(stage, "/"); ok {
		return strings.ReplaceAll(strings.TrimPrefix(module, "config-"), "-", "_")
	}
	return stage
}

// phase is how far a boot came.
func phase(b api.Boot) string {
	running := last(b, func(e api.BootEntry) bool { return e.Kind == api.EntryStage && e.Result == "" })
	done := last(b, func(e api.BootEntry) bool { return e.Kind == api.EntryStage && !strings.Contains(e.Name, "/") })
	switch r := b.Reached; {
	case running != nil:
		return running.Name
	case done != nil:
		return done.Name
	case r.SSH != nil:
		return "ssh"
	case r.Userdata != nil:
		return "user-data"
	case r.Metadata != nil:
		return "metadata"
	case r.Lease != nil:
		return "lease"
	case !b.Last.IsZero():
		return "DHCP"
	}
	return "started"
}

// unresolved is the last failure to render a document that the guest was not given in
// this boot, neither before nor after. Failures after cloud-init's result do not count.
func unresolved(b api.Boot) *api.BootEntry {
	status := last(b, isStatus)
	return last(b, func(e api.BootEntry) bool {
		late := status != nil && e.At.After(status.At)
		return e.Kind == api.EntryRender && e.Result == api.ResultFail && !late && !given(b, e.Name)
	})
}

// given reports whether a guest was given a document.
func given(b api.Boot, document string) bool {
	return document == timeline.UserdataDocument && b.Userdata != "" || document == timeline.VendordataDocument && b.Vendordata != ""
}

func reports(b api.Boot) bool {
	return slices.ContainsFunc(b.Entries, func(e api.BootEntry) bool { return e.Kind == api.EntryStage })
}

// quiet is since when nothing was heard.
func quiet(b api.Boot) time.Time {
	if b.Last.After(b.Began) {
		return b.Last
	}
	return b.Began
}

func isStatus(e api.BootEntry) bool { return e.Kind == api.EntryStatus && e.Result != "" }

// worst is the first stage with a result, a module before the stage that it is in.
func worst(b api.Boot, result string) *api.BootEntry {
	var found *api.BootEntry
	for i, e := range b.Entries {
		if e.Kind != api.EntryStage || e.Result != result {
			continue
		}
		if strings.Contains(e.Name, "/") {
			return &b.Entries[i]
		}
		if found == nil {
			found = &b.Entries[i]
		}
	}
	return found
}

func stage(b api.Boot, name string) *api.BootEntry {
	return last(b, func(e api.BootEntry) bool { return e.Kind == api.EntryStage && e.Name == name })
}

func last(b api.Boot, is func(api.BootEntry) bool) *api.BootEntry {
	for i := len(b.Entries) - 1; i >= 0; i-- {
		if is(b.Entries[i]) {
			return &b.Entries[i]
		}
	}
	return nil
}

// end is when an entry ended.
func end(e api.BootEntry) time.Time {
	return e.At.Add(time.Duration(e.Seconds * float64(time.Second)))
}
