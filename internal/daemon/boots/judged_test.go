package boots

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/logtest"
	"mdserver/internal/timeline"
)

// given is user-data that web gets, from a template with the same text.
func (h house) given(t *testing.T, text string) {
	t.Helper()
	template := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(template, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Record.Served(h.web.UUID, timeline.Document{Kind: timeline.UserdataDocument, Body: []byte(text), Template: template})
	h.Record.Served(h.web.UUID, timeline.Document{Kind: timeline.VendordataDocument, Body: []byte("#cloud-config\nruncmd: []\n")})
}

// reports notes a stage or a status of web. What has no result goes on.
func (h house) reports(kind api.EntryKind, name, result, detail string) {
	h.Record.Note(h.web.UUID, api.BootEntry{At: time.Now(), Kind: kind, Source: api.FromGuest, Name: name, Result: result, Detail: detail})
}

// TestBlame checks that the verdict on a boot that went wrong has the line of the template
// that is to blame, in the list of boots and for the last one. The state alone needs no line.
func TestBlame(t *testing.T) {
	const text = "#cloud-config\nntp: {}\nruncmd: [false]\n"
	for _, tt := range []struct {
		name  string
		do    func(h house)
		state api.BootState
		line  int // 0: none
	}{
		{"it failed", func(h house) { h.reports(api.EntryStatus, "modules-final/config-scripts_user", api.ResultFail, "") }, api.Failed, 3},
		{"it failed with a line", func(h house) {
			h.reports(api.EntryStatus, "modules-final/config-growpart", api.ResultFail, "Invalid format at line 2 column 1")
		}, api.Failed, 2},
		{"it is degraded", func(h house) { h.reports(api.EntryStatus, "modules-config/config-ntp", api.ResultWarn, "") }, api.Degraded, 2},
		{"it is stuck", func(h house) {
			h.reports(api.EntryStage, "modules-final/config-scripts_user", "", "")
			time.Sleep(time.Hour)
		}, api.Stuck, 3},
		{"it is ready", func(h house) { h.reports(api.EntryStatus, "modules-config/config-ntp", api.ResultSuccess, "") }, api.Ready, 0},
		{"it still boots", func(h house) { h.reports(api.EntryStage, "modules-config/config-ntp", "", "") }, api.Booting, 0},
		{"a module that the template does not set", func(h house) { h.reports(api.EntryStatus, "init/config-growpart", api.ResultFail, "") }, api.Failed, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.NoteRegistered(h.web, instance.ByHook)
				h.given(t, text)
				tt.do(h)
				all, err := h.Of(h.web)
				if err != nil || len(all) != 1 {
					t.Fatalf("%d boots, %v", len(all), err)
				}
				for _, v := range []api.Verdict{all[0].Verdict, h.Present(h.web).Verdict} {
					line := 0
					if v.Template != nil {
						line = v.Template.Line
					}
					if v.State != tt.state || line != tt.line {
						t.Errorf("%s by line %d, want %s by line %d", v.State, line, tt.state, tt.line)
					}
				}
				if got := h.State(h.web); got != tt.state {
					t.Errorf("the state is %s, want %s", got, tt.state)
				}
			})
		})
	}
}

// TestBlameKnown checks that a render that failed with a line keeps that line.
func TestBlameKnown(t *testing.T) {
	h := newHouse(t)
	h.Record.RenderFailed(h.web.UUID, timeline.UserdataDocument, "missing is not defined", &api.TemplateLine{Name: "web.yaml", Line: 7})
	if v := h.Present(h.web).Verdict; v.State != api.Failed || v.Template == nil || v.Template.Line != 7 {
		t.Errorf("verdict %+v", v)
	}
}

// TestEachBootIsJudged checks that each boot of a list has its own verdict.
func TestEachBootIsJudged(t *testing.T) {
	h := newHouse(t)
	for _, result := range []string{api.ResultSuccess, api.ResultFail, api.ResultWarn} {
		h.happened(api.EntryRebooted, "")
		h.status(result)
	}
	all, err := h.Of(h.web)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, b := range all {
		states = append(states, string(b.Verdict.State))
	}
	if got := strings.Join(states, " "); got != "ready failed degraded" {
		t.Errorf("the boots are %s", got)
	}
	if all[0].Reached.Ready == nil || all[1].Reached.Ready != nil {
		t.Errorf("ready were %v and %v", all[0].Reached.Ready, all[1].Reached.Ready)
	}
}

// TestIgnoredUserdata checks that a boot is degraded if cloud-init ignored its user-data, each
// time that the boot is looked at.
func TestIgnoredUserdata(t *testing.T) {
	const yaml, noYAML = "#cloud-config\nntp: {}\n", "#cloud-config\nntp: {bad\n"
	for name, tt := range map[string]struct {
		text, result string
		want         api.BootState
	}{
		"user-data that is YAML":                          {yaml, api.ResultSuccess, api.Ready},
		"user-data that is no YAML":                       {noYAML, api.ResultSuccess, api.Degraded},
		"user-data that is no YAML in a boot that failed": {noYAML, api.ResultFail, api.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.NoteRegistered(h.web, instance.ByHook)
			h.given(t, tt.text)
			h.status(tt.result)
			for range 2 {
				v, ignored := h.Present(h.web).Verdict, tt.want == api.Degraded
				if v.State != tt.want || (v.Error != "") != ignored || strings.HasPrefix(v.Reason, "cloud-init ignored the user-data: ") != ignored {
					t.Errorf("verdict %+v, want %s", v, tt.want)
				}
				if got := h.State(h.web); got != tt.want {
					t.Errorf("the state is %s, want %s", got, tt.want)
				}
			}
		})
	}
}

// TestOffSince checks that a guest that was up is off since its end.
func TestOffSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.happened(api.EntryStarted, "")
		h.status(api.ResultSuccess)
		time.Sleep(time.Hour)
		h.happened(api.EntryStopped, "shut down")
		if v := h.Present(h.web).Verdict; v.State != api.BootOff || !v.Since.Equal(time.Now()) {
			t.Errorf("it is %s since %v, want %v", v.State, v.Since, time.Now())
		}
	})
}

// TestRunAnnouncesTheStuck checks that those who wait for a guest are told when it is stuck,
// which only time shows.
func TestRunAnnouncesTheStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.NoteRegistered(h.web, instance.ByHook)
		defer running(t, h.History)()
		began := time.Now()
		p := h.Progress(t.Context(), api.ProgressQuery{Since: h.Record.Revision(), Refs: []string{"web"}, Wait: time.Hour})
		if v, took := p.Guests[0].Boot.Verdict, time.Since(began); v.State != api.Stuck || took != time.Minute {
			t.Errorf("after %v it is %s", took, v.State)
		}
	})
}

// TestMeasured checks that the phases of a boot are measured.
func TestMeasured(t *testing.T) {
	lab, measured := inventorytest.New(t), 0
	web := lab.MustRegister(inventorytest.Domain(1, "web"))
	opts := options(t, lab, t.TempDir())
	opts.Measured = func(api.BootPhase, time.Duration) { measured++ }
	h := Open(opts)
	defer h.Close()
	h.NoteRegistered(&web.Instance, instance.ByHook)
	h.Record.Note(web.Instance.UUID, api.BootEntry{Kind: api.EntryStatus, Source: api.FromGuest, Result: api.ResultSuccess})
	if measured == 0 {
		t.Error("no phase was measured")
	}
}

// TestBriefState checks that a guest is listed with what it does now.
func TestBriefState(t *testing.T) {
	lab := inventorytest.New(t)
	web := lab.MustRegister(inventorytest.Domain(1, "web"))
	opts := options(t, lab, t.TempDir())
	opts.State = func(guest *instance.Instance) api.State { return api.State(guest.Name + " does that") }
	h := Open(opts)
	defer h.Close()
	if brief := h.Brief(&web.Instance); brief.State != "web does that" {
		t.Errorf("the state is %q", brief.State)
	}
}

// TestOpenWithoutFile checks that boots are recorded in memory if their file cannot be used.
func TestOpenWithoutFile(t *testing.T) {
	lab, dir, log := inventorytest.New(t), t.TempDir(), &logtest.Buffer{}
	web := lab.MustRegister(inventorytest.Domain(1, "web"))
	if err := os.Mkdir(filepath.Join(dir, "boots.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	opts := options(t, lab, dir)
	opts.Log = slog.New(slog.NewTextHandler(log, nil))
	h := Open(opts)
	if !strings.Contains(log.String(), "the record of boots is kept in memory only") || !strings.Contains(log.String(), "path="+filepath.Join(dir, "boots.db")) {
		t.Errorf("the log is %s", log)
	}
	h.NoteRegistered(&web.Instance, instance.ByHook)
	if b := h.Present(&web.Instance); b == nil {
		t.Error("the boot is not on record")
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}
