package verdict

import (
	"testing"
	"time"

	"mdserver/internal/api"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const stuckAfter = 10 * time.Minute

func after(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// boot makes a boot that began at noon.
func boot(entries ...api.BootEntry) api.Boot {
	b := api.Boot{Number: 1, Began: noon, Entries: entries}
	for _, e := range entries {
		if e.Kind != api.EntryStarted && e.Source != api.FromLibvirt {
			b.Last = end(e)
		}
		if e.Kind == api.EntryStopped || e.Kind == api.EntryCrashed {
			b.Ended = &e.At
		}
		if e.Kind == api.EntryRequest && e.Name == "user-data" {
			b.Reached.Userdata = &e.At
		}
		if e.Name == "DHCPACK" {
			b.Reached.Lease = &e.At
		}
	}
	return b
}

func entry(at float64, kind api.EntryKind, name, result, detail string) api.BootEntry {
	return api.BootEntry{At: after(at), Kind: kind, Source: api.FromGuest, Name: name, Result: result, Detail: detail}
}

func stageOf(at, seconds float64, name, result string) api.BootEntry {
	e := entry(at, api.EntryStage, name, result, "")
	e.Seconds = seconds
	return e
}

func status(at float64, result, module, text string) api.BootEntry {
	return entry(at, api.EntryStatus, module, result, text)
}

func TestOf(t *testing.T) {
	started := api.BootEntry{At: noon, Kind: api.EntryStarted, Source: api.FromLibvirt}
	stopped := api.BootEntry{At: after(50), Kind: api.EntryStopped, Source: api.FromLibvirt, Detail: "shut down"}
	crashed := api.BootEntry{At: after(50), Kind: api.EntryCrashed, Source: api.FromLibvirt, Detail: "its kernel panicked"}
	lease := entry(4, api.EntryDHCP, "DHCPACK", "", "")
	userdata := entry(6, api.EntryRequest, "user-data", "", "")
	unrendered := entry(6, api.EntryRender, "user-data", "FAIL", "web.yaml:3: NameError: name 'x' is not defined")
	unrendered.Template = &api.TemplateLine{Name: "web.yaml", Line: 3}
	network := stageOf(5, 2, "init-network", "SUCCESS")
	final := stageOf(20, 10, "modules-final", "SUCCESS")
	for _, c := range []struct {
		name    string
		entries []api.BootEntry
		now     float64
		state   api.BootState
		module  string
		since   float64
		phase   string
	}{
		{"just started", []api.BootEntry{started}, 5, api.Booting, "", 0, "started"},
		{"no sign of life", []api.BootEntry{started}, 601, api.Stuck, "", 600, "started"},
		{"a lease", []api.BootEntry{started, lease}, 60, api.Booting, "", 0, "lease"},
		{"never reports", []api.BootEntry{started, lease, userdata}, 606, api.BootUnknown, "", 606, "user-data"},
		{"a stage runs", []api.BootEntry{started, lease, stageOf(5, 0, "init-network", "")}, 60, api.Booting, "", 0, "init-network"},
		{"between stages", []api.BootEntry{started, network}, 60, api.Booting, "", 0, "init-network"},
		{"a module hangs", []api.BootEntry{started, network, stageOf(20, 0, "modules-final", ""), stageOf(21, 0, "modules-final/config-scripts_user", "")},
			700, api.Stuck, "scripts_user", 621, "modules-final/config-scripts_user"},
		{"stops to report between stages", []api.BootEntry{started, network}, 700, api.Stuck, "", 607, "init-network"},
		{"the last stage has just ended", []api.BootEntry{started, network, final}, 31, api.Booting, "", 0, "modules-final"},
		{"the last stage ended", []api.BootEntry{started, network, final}, 35, api.Ready, "", 30, "modules-final"},
		{"cloud-init is done", []api.BootEntry{started, network, final, status(31, "SUCCESS", "", "")}, 31, api.Ready, "", 31, "modules-final"},
		{"cloud-init recovered", []api.BootEntry{started, network, final, status(31, "WARN", "", "Failed loading yaml blob")}, 31, api.Degraded, "", 31, "modules-final"},
		{"an error that no stage has", []api.BootEntry{started, network, final, status(31, "FAIL", "scripts_user", "Runparts: 1 failures")}, 31, api.Failed, "scripts_user", 31, "modules-final"},
		{"a module failed", []api.BootEntry{started, network, stageOf(20, 0, "modules-final", ""), stageOf(21, 1, "modules-final/config-scripts_user", "FAIL")},
			23, api.Failed, "scripts_user", 22, "modules-final"},
		{"the error of the module that failed", []api.BootEntry{started, network, stageOf(21, 1, "modules-final/config-scripts_user", "FAIL"), stageOf(20, 3, "modules-final", "FAIL"), status(25, "FAIL", "", "boom")},
			26, api.Failed, "scripts_user", 25, "modules-final"},
		{"a module warned", []api.BootEntry{started, stageOf(10, 1, "modules-config/config-ntp", "WARN"), final}, 31, api.Degraded, "ntp", 11, "modules-final"},
		{"cloud-init says that all is well", []api.BootEntry{started, stageOf(10, 1, "modules-config/config-ntp", "WARN"), final, status(31, "SUCCESS", "", "")}, 31, api.Ready, "", 31, "modules-final"},
		{"the template fails", []api.BootEntry{started, lease, unrendered}, 10, api.Failed, "", 6, "lease"},
		{"the template failed once", []api.BootEntry{started, unrendered, entry(7, api.EntryRequest, "user-data", "", ""), final}, 40, api.Ready, "", 30, "modules-final"},
		{"cloud-init is done without user-data", []api.BootEntry{started, unrendered, final, status(31, "SUCCESS", "", "")}, 31, api.Failed, "", 6, "modules-final"},
		{"stopped early", []api.BootEntry{started, network, stopped}, 60, api.BootOff, "", 50, "init-network"},
		{"stopped when it was ready", []api.BootEntry{started, network, final, stopped}, 9999, api.Ready, "", 30, "modules-final"},
		{"crashed", []api.BootEntry{started, network, crashed}, 60, api.Failed, "", 50, "init-network"},
		{"crashed when it was ready", []api.BootEntry{started, final, status(31, "SUCCESS", "", ""), crashed}, 60, api.Ready, "", 31, "modules-final"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := boot(c.entries...)
			got := Of(b, after(c.now), stuckAfter)
			if got.State != c.state || got.Module != c.module || !got.Since.Equal(after(c.since)) || got.Phase != c.phase {
				t.Errorf("%+v, want %s of %q since %v in phase %q", got, c.state, c.module, after(c.since), c.phase)
			}
			if needsReason := got.State != api.Ready && got.State != api.Booting; needsReason && got.Reason == "" {
				t.Errorf("%s without a reason", got.State)
			}
			if next := Next(b, after(c.now), stuckAfter); got.State == api.Booting && Of(b, next, stuckAfter).State == api.Booting {
				t.Errorf("the verdict is the same at %v", next)
			}
		})
	}
}

// The verdict on a failed render has the line of the template.
func TestTemplateLine(t *testing.T) {
	e := entry(6, api.EntryRender, "user-data", "FAIL", "web.yaml:3: NameError")
	e.Template = &api.TemplateLine{Name: "web.yaml", Line: 3}
	if got := Of(boot(e), after(7), stuckAfter); got.Template == nil || got.Template.Line != 3 || got.Error == "" {
		t.Errorf("%+v", got)
	}
}

func TestModule(t *testing.T) {
	for stage, want := range map[string]string{
		"modules-final/config-scripts-user": "scripts_user",
		"modules-config/config-ntp":         "ntp",
		"init-network/consume-user-data":    "consume_user_data",
		"modules-final":                     "modules-final",
		"runcmd":                            "runcmd",
		"":                                  "",
	} {
		if got := Module(stage); got != want {
			t.Errorf("%q is of the module %q, want %q", stage, got, want)
		}
	}
}
