package verdict

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/timeline"
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
			b.Reached.Userdata, b.Userdata = &e.At, "hash"
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

// kept is an archive with one boot.
type kept struct {
	timeline.Archive
	boot api.Boot
}

func (k kept) EachLast(do func(uuid.UUID, api.Boot)) error {
	do(uuid.UUID{}, k.boot)
	return nil
}

// afterRestart is what a new server has in memory of a boot.
func afterRestart(t *testing.T, b api.Boot) api.Boot {
	t.Helper()
	got, ok := timeline.New(kept{boot: b}, slog.New(slog.DiscardHandler)).Present(uuid.UUID{})
	if !ok {
		t.Error("the boot is not known after a restart")
	}
	return got
}

func TestOf(t *testing.T) {
	started := api.BootEntry{At: noon, Kind: api.EntryStarted, Source: api.FromLibvirt}
	stopped := api.BootEntry{At: after(50), Kind: api.EntryStopped, Source: api.FromLibvirt, Detail: "shut down"}
	crashed := api.BootEntry{At: after(50), Kind: api.EntryCrashed, Source: api.FromLibvirt, Detail: "its kernel panicked"}
	lease := entry(4, api.EntryDHCP, "DHCPACK", "", "")
	userdata := entry(6, api.EntryRequest, "user-data", "", "")
	unrendered := entry(6, api.EntryRender, "user-data", "FAIL", "web.yaml:3: NameError: name 'x' is not defined")
	unrendered.Template = &api.TemplateLine{Name: "web.yaml", Line: 3}
	vendorless := entry(7, api.EntryRender, "vendor-data", "FAIL", "vendor.yaml:1: NameError: name 'y' is not defined")
	network := stageOf(5, 2, "init-network", "SUCCESS")
	final := stageOf(20, 10, "modules-final", "SUCCESS")
	hung := stageOf(21, 0, "modules-final/config-scripts_user", "")
	broken := stageOf(21, 1, "modules-final/config-scripts_user", "FAIL")
	broken.Detail = "Runparts: 1 failures"
	warned := stageOf(10, 1, "modules-config/config-ntp", "WARN")
	success := status(31, "SUCCESS", "", "")
	for _, c := range []struct {
		name    string
		entries []api.BootEntry
		now     float64
		since   float64
		next    float64 // 0 for a verdict that stays
		want    api.Verdict
	}{
		{"just started", []api.BootEntry{started}, 5, 0, 600, api.Verdict{State: api.Booting, Phase: "started"}},
		{"no sign of life", []api.BootEntry{started}, 601, 600, 0,
			api.Verdict{State: api.Stuck, Phase: "started", Reason: "there was no sign of life since its start"}},
		{"just stuck", []api.BootEntry{started}, 600, 600, 0,
			api.Verdict{State: api.Stuck, Phase: "started", Reason: "there was no sign of life since its start"}},
		{"a lease", []api.BootEntry{started, lease}, 60, 0, 604, api.Verdict{State: api.Booting, Phase: "lease"}},
		{"DHCP without a lease", []api.BootEntry{started, entry(4, api.EntryDHCP, "DHCPDISCOVER", "", "")}, 604, 604, 0,
			api.Verdict{State: api.BootUnknown, Phase: "DHCP", Reason: "it does not report; it came as far as DHCP"}},
		{"never reports", []api.BootEntry{started, lease, userdata}, 606, 606, 0,
			api.Verdict{State: api.BootUnknown, Phase: "user-data", Reason: "it does not report; it came as far as user-data"}},
		{"a stage runs", []api.BootEntry{started, lease, stageOf(5, 0, "init-network", "")}, 60, 0, 605, api.Verdict{State: api.Booting, Phase: "init-network"}},
		{"between stages", []api.BootEntry{started, network}, 60, 0, 607, api.Verdict{State: api.Booting, Phase: "init-network"}},
		{"between modules of a stage", []api.BootEntry{started, network, stageOf(10, 1, "modules-config/config-ntp", "SUCCESS"), lease}, 60, 0, 604,
			api.Verdict{State: api.Booting, Phase: "init-network"}},
		{"a module hangs", []api.BootEntry{started, network, stageOf(20, 0, "modules-final", ""), hung}, 700, 621, 0,
			api.Verdict{State: api.Stuck, Phase: hung.Name, Module: "scripts_user", Reason: "modules-final/config-scripts_user has not ended"}},
		{"stops to report between stages", []api.BootEntry{started, network}, 700, 607, 0,
			api.Verdict{State: api.Stuck, Phase: "init-network", Reason: "nothing was heard of it since init-network"}},
		{"the last stage runs", []api.BootEntry{started, network, stageOf(20, 0, "modules-final", "")}, 31, 0, 620, api.Verdict{State: api.Booting, Phase: "modules-final"}},
		{"the last stage has just ended", []api.BootEntry{started, network, final}, 31, 0, 35,
			api.Verdict{State: api.Booting, Phase: "modules-final", Reason: "cloud-init has finished; its result is awaited"}},
		{"the last stage ended", []api.BootEntry{started, network, final}, 35, 30, 0, api.Verdict{State: api.Ready, Phase: "modules-final"}},
		{"cloud-init is done", []api.BootEntry{started, network, final, success}, 31, 31, 0, api.Verdict{State: api.Ready, Phase: "modules-final"}},
		{"cloud-init recovered", []api.BootEntry{started, network, final, status(31, "WARN", "", "Failed loading yaml blob")}, 31, 31, 0,
			api.Verdict{State: api.Degraded, Phase: "modules-final", Reason: "cloud-init warned: Failed loading yaml blob", Error: "Failed loading yaml blob"}},
		{"cloud-init failed without a word", []api.BootEntry{started, final, status(31, "FAIL", "", "")}, 31, 31, 0,
			api.Verdict{State: api.Failed, Phase: "modules-final", Reason: "cloud-init failed"}},
		{"an error that no stage has", []api.BootEntry{started, network, final, status(31, "FAIL", "scripts_user", "Runparts: 1 failures")}, 31, 31, 0,
			api.Verdict{State: api.Failed, Phase: "modules-final", Module: "scripts_user", Reason: "scripts_user failed: Runparts: 1 failures", Error: "Runparts: 1 failures"}},
		{"the status names another module than the stages", []api.BootEntry{started, broken, status(31, "FAIL", "ntp", "")}, 31, 31, 0,
			api.Verdict{State: api.Failed, Phase: "DHCP", Module: "ntp", Reason: "ntp failed"}},
		{"a module failed", []api.BootEntry{started, network, stageOf(20, 0, "modules-final", ""), broken}, 23, 22, 0,
			api.Verdict{State: api.Failed, Phase: "modules-final", Module: "scripts_user", Reason: "scripts_user failed: Runparts: 1 failures", Error: "Runparts: 1 failures"}},
		{"a stage failed", []api.BootEntry{started, stageOf(5, 2, "init-network", "FAIL")}, 23, 7, 0,
			api.Verdict{State: api.Failed, Phase: "init-network", Module: "init-network", Reason: "init-network failed"}},
		{"the module that failed, and not its stage", []api.BootEntry{started, stageOf(20, 3, "modules-final", "FAIL"), broken, status(25, "FAIL", "", "boom")}, 26, 25, 0,
			api.Verdict{State: api.Failed, Phase: "modules-final", Module: "scripts_user", Reason: "scripts_user failed: boom", Error: "boom"}},
		{"the first stage that failed", []api.BootEntry{started, stageOf(5, 2, "init-network", "FAIL"), stageOf(20, 3, "modules-final", "FAIL")}, 26, 7, 0,
			api.Verdict{State: api.Failed, Phase: "modules-final", Module: "init-network", Reason: "init-network failed"}},
		{"a module warned", []api.BootEntry{started, warned, final}, 31, 11, 0,
			api.Verdict{State: api.Degraded, Phase: "modules-final", Module: "ntp", Reason: "ntp warned"}},
		{"a module warned, and the last stage runs", []api.BootEntry{started, warned, stageOf(20, 0, "modules-final", "")}, 31, 0, 620,
			api.Verdict{State: api.Booting, Phase: "modules-final"}},
		{"the module that warned, for a status without one", []api.BootEntry{started, warned, final, status(31, "WARN", "", "")}, 31, 31, 0,
			api.Verdict{State: api.Degraded, Phase: "modules-final", Module: "ntp", Reason: "ntp warned"}},
		{"cloud-init says that all is well", []api.BootEntry{started, warned, final, success}, 31, 31, 0, api.Verdict{State: api.Ready, Phase: "modules-final"}},
		{"the template fails", []api.BootEntry{started, lease, unrendered}, 10, 6, 0,
			api.Verdict{State: api.Failed, Phase: "lease", Reason: "user-data failed", Error: unrendered.Detail, Template: unrendered.Template}},
		{"the template failed once", []api.BootEntry{started, unrendered, entry(7, api.EntryRequest, "user-data", "", ""), final}, 40, 30, 0,
			api.Verdict{State: api.Ready, Phase: "modules-final"}},
		{"the template failed after the guest had its user-data", []api.BootEntry{started, entry(5, api.EntryRequest, "user-data", "", ""), unrendered}, 10, 0, 606,
			api.Verdict{State: api.Booting, Phase: "user-data"}},
		{"the guest has its user-data, but no vendor-data", []api.BootEntry{started, userdata, vendorless}, 10, 7, 0,
			api.Verdict{State: api.Failed, Phase: "user-data", Reason: "vendor-data failed", Error: vendorless.Detail}},
		{"no vendor-data, then user-data", []api.BootEntry{started, vendorless, entry(8, api.EntryRequest, "user-data", "", "")}, 10, 7, 0,
			api.Verdict{State: api.Failed, Phase: "user-data", Reason: "vendor-data failed", Error: vendorless.Detail}},
		{"neither document", []api.BootEntry{started, unrendered, vendorless}, 10, 7, 0,
			api.Verdict{State: api.Failed, Phase: "DHCP", Reason: "vendor-data failed", Error: vendorless.Detail}},
		{"somebody asks for another document after the boot", []api.BootEntry{started, userdata, final, success, entry(99, api.EntryRender, "vendor-data", "FAIL", "boom")}, 100, 31, 0,
			api.Verdict{State: api.Ready, Phase: "modules-final"}},
		{"a render that is no failure", []api.BootEntry{started, entry(6, api.EntryRender, "user-data", "WARN", "slow")}, 10, 0, 606,
			api.Verdict{State: api.Booting, Phase: "DHCP"}},
		{"cloud-init is done without user-data", []api.BootEntry{started, unrendered, final, success}, 31, 6, 0,
			api.Verdict{State: api.Failed, Phase: "modules-final", Reason: "user-data failed", Error: unrendered.Detail, Template: unrendered.Template}},
		{"a status without a result", []api.BootEntry{started, final, status(31, "", "", "")}, 31, 0, 35,
			api.Verdict{State: api.Booting, Phase: "modules-final", Reason: "cloud-init has finished; its result is awaited"}},
		{"stopped early", []api.BootEntry{started, network, stopped}, 60, 50, 0,
			api.Verdict{State: api.BootOff, Phase: "init-network", Reason: "it stopped before cloud-init had finished: shut down"}},
		{"stopped without a report", []api.BootEntry{started, lease, {At: after(50), Kind: api.EntryStopped, Source: api.FromLibvirt}}, 60, 50, 0,
			api.Verdict{State: api.BootOff, Phase: "lease", Reason: "it stopped"}},
		{"stopped when it was ready", []api.BootEntry{started, network, final, stopped}, 9999, 30, 0, api.Verdict{State: api.Ready, Phase: "modules-final"}},
		{"stopped with the last stage", []api.BootEntry{started, final, stopped}, 31, 30, 0, api.Verdict{State: api.Ready, Phase: "modules-final"}},
		{"crashed", []api.BootEntry{started, network, crashed}, 60, 50, 0,
			api.Verdict{State: api.Failed, Phase: "init-network", Reason: "its kernel panicked", Error: "its kernel panicked"}},
		{"crashed when it was ready", []api.BootEntry{started, final, success, crashed}, 60, 31, 0, api.Verdict{State: api.Ready, Phase: "modules-final"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := boot(c.entries...)
			c.want.Since = after(c.since)
			if got := Of(b, after(c.now), stuckAfter); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if got := Of(afterRestart(t, b), after(c.now), stuckAfter); got != c.want {
				t.Errorf("after a restart of the server: got  %+v\nwant %+v", got, c.want)
			}
			var next time.Time
			if c.next > 0 {
				next = after(c.next)
			}
			if got := Next(b, after(c.now), stuckAfter); !got.Equal(next) {
				t.Errorf("the verdict changes at %v, want %v", got, next)
			}
		})
	}
}

// A guest without reports came as far as its last request.
func TestPhaseByRequests(t *testing.T) {
	at := after(9)
	for want, reached := range map[string]api.Reached{
		"lease":     {Lease: &at},
		"metadata":  {Lease: &at, Metadata: &at},
		"user-data": {Lease: &at, Metadata: &at, Userdata: &at},
		"ssh":       {Lease: &at, Metadata: &at, Userdata: &at, SSH: &at},
	} {
		b := api.Boot{Began: noon, Last: at, Reached: reached}
		if got := Of(b, at, stuckAfter).Phase; got != want {
			t.Errorf("phase %q, want %q", got, want)
		}
	}
}

// A record may lack entries that others imply: it is bounded, and can be damaged.
func TestIncompleteRecord(t *testing.T) {
	at := after(50)
	for _, c := range []struct {
		name string
		boot api.Boot
		want api.Verdict
	}{
		{"no entry of the end", api.Boot{Began: noon, Ended: &at}, api.Verdict{State: api.BootOff, Since: at, Phase: "started", Reason: "it stopped"}},
		{"only the last stage", boot(stageOf(20, 10, "modules-final", "SUCCESS")), api.Verdict{State: api.Ready, Since: after(30), Phase: "modules-final"}},
		{"a request with the name of a stage", boot(entry(20, api.EntryRequest, "modules-final", "SUCCESS", "")),
			api.Verdict{State: api.Booting, Since: noon, Phase: "DHCP"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Of(c.boot, after(60), stuckAfter); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
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
