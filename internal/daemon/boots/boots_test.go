package boots

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/inventorytest"
	"mdserver/internal/libvirt/watch"
	"mdserver/internal/timeline"
)

// house has the boots of two guests, web and db, both on the network mds.
type house struct {
	*History
	lab     *inventorytest.Lab
	web, db *instance.Instance
}

func newHouse(t *testing.T) house {
	t.Helper()
	lab := inventorytest.New(t)
	h := house{lab: lab}
	web, db := lab.MustRegister(inventorytest.Domain(1, "web")), lab.MustRegister(inventorytest.Domain(2, "db"))
	h.web, h.db = &web.Instance, &db.Instance
	h.History = Open(options(t, lab, t.TempDir()))
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func options(t *testing.T, lab *inventorytest.Lab, dir string) Options {
	return Options{
		Database: filepath.Join(dir, "mdserver.db"), Guests: lab.Snapshot,
		State:      func(*instance.Instance) api.State { return api.Unknown },
		StuckAfter: func() time.Duration { return time.Minute },
		Measured:   func(api.BootPhase, time.Duration) {},
		Log:        slog.New(slog.DiscardHandler),
	}
}

// status is what a guest reports at the end of its boot.
func (h house) status(result string) {
	h.Record.Note(h.web.UUID, api.BootEntry{At: time.Now(), Kind: api.EntryStatus, Source: api.FromGuest, Result: result})
}

// happened is what libvirt reports.
func (h house) happened(kind api.EntryKind, detail string) {
	h.NoteHappening(h.web.UUID, watch.Happening{At: time.Now(), Kind: kind, Detail: detail})
}

// The state of a guest's present boot is that of the boot while it lasts. A boot that was
// up and has ended is off, and one that has failed stays failed.
func TestStateOfBoot(t *testing.T) {
	for _, tt := range []struct {
		name   string
		do     func(h house)
		want   api.BootState
		reason string
		ready  bool
	}{
		{"no boot", func(house) {}, api.BootUnknown, "", false},
		{"a start", func(h house) { h.happened(api.EntryStarted, "") }, api.Booting, "", false},
		{"it is ready", func(h house) { h.happened(api.EntryStarted, ""); h.status(api.ResultSuccess) }, api.Ready, "", true},
		{"it is degraded", func(h house) { h.happened(api.EntryStarted, ""); h.status(api.ResultWarn) }, api.Degraded, "", false},
		{"it has failed", func(h house) { h.happened(api.EntryStarted, ""); h.status(api.ResultFail) }, api.Failed, "", false},
		{"it was ready and was shut down", func(h house) {
			h.happened(api.EntryStarted, "")
			h.status(api.ResultSuccess)
			h.happened(api.EntryStopped, "shut down")
		}, api.BootOff, "it was ready before", true},
		{"it was degraded and crashed", func(h house) {
			h.happened(api.EntryStarted, "")
			h.status(api.ResultWarn)
			h.happened(api.EntryCrashed, "it crashed")
		}, api.BootOff, "it was degraded before", false},
		{"it failed and was shut down", func(h house) {
			h.happened(api.EntryStarted, "")
			h.status(api.ResultFail)
			h.happened(api.EntryStopped, "shut down")
		}, api.Failed, "", false},
		{"it was ready and boots again", func(h house) {
			h.happened(api.EntryStarted, "")
			h.status(api.ResultSuccess)
			h.happened(api.EntryRebooted, "")
		}, api.Booting, "", false},
		{"it was ready and went on after a suspension", func(h house) {
			h.happened(api.EntryStarted, "")
			h.status(api.ResultSuccess)
			h.happened(api.EntrySuspended, "saved to a file")
			h.happened(api.EntryResumed, "restored from a file")
		}, api.Ready, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			tt.do(h)
			if got := h.State(h.web); got != tt.want {
				t.Errorf("state %q, want %q", got, tt.want)
			}
			boot := h.Present(h.web)
			if boot == nil {
				if tt.want != api.BootUnknown {
					t.Error("there is no boot")
				}
				return
			}
			if boot.Verdict.State != tt.want || tt.reason != "" && boot.Verdict.Reason != tt.reason || (boot.Reached.Ready != nil) != tt.ready {
				t.Errorf("verdict %+v, reached %+v", boot.Verdict, boot.Reached)
			}
		})
	}
}

// A registration by libvirt's hook is a start, unless the guest comes from another host,
// where it runs already.
func TestNoteRegistered(t *testing.T) {
	for _, tt := range []struct {
		name, source, from string
		want               bool
	}{
		{"by the hook", instance.ByHook, "", true},
		{"by the hook, from another host", instance.ByHook, "2", false},
		{"by a command", instance.ByCommand, "", false},
	} {
		h := newHouse(t)
		guest := *h.web
		guest.FromID = tt.from
		h.NoteRegistered(&guest, tt.source)
		if got := h.Present(h.web) != nil; got != tt.want {
			t.Errorf("%s: a boot began: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Only guests have events and DHCP messages on record.
func TestStrangersAreNotNoted(t *testing.T) {
	h := newHouse(t)
	stranger := uuid.UUID{9}
	h.NoteHappening(stranger, watch.Happening{At: time.Now(), Kind: api.EntryStarted})
	if _, known := h.Record.Present(stranger); known {
		t.Error("a stranger has a boot")
	}
	if h.NoteDHCP("mds", instance.MAC{2, 9}, "DHCPREQUEST") {
		t.Error("a stranger's MAC is a guest's")
	}
	for network, heard := range map[string]bool{"lan": false, "mds": true} {
		if !h.NoteDHCP(network, h.web.MAC, "DHCPREQUEST") {
			t.Error("a guest's MAC is not known")
		}
		client := timeline.DHCPClient{Network: network, MAC: h.web.MAC}
		if got := h.Record.DHCP.Of(client) != nil; got != heard {
			t.Errorf("on %s it was heard: %v, want %v", network, got, heard)
		}
	}
}

// A guest that is released is forgotten, with its DHCP clients, and one that changes is not.
func TestForget(t *testing.T) {
	h := newHouse(t)
	for _, guest := range []*instance.Instance{h.web, h.db} {
		h.NoteRegistered(guest, instance.ByHook)
		h.NoteDHCP("mds", guest.MAC, "DHCPREQUEST")
	}
	h.Forget([]instance.Event{{Old: h.web}, {Old: h.db, New: h.db}, {New: h.web}})
	for guest, want := range map[*instance.Instance]bool{h.web: false, h.db: true} {
		heard := h.Record.DHCP.Of(timeline.DHCPClient{Network: "mds", MAC: guest.MAC}) != nil
		if got := h.Present(guest) != nil; got != want || heard != want {
			t.Errorf("%s has a boot: %v, and was heard: %v; want %v", guest.Name, got, heard, want)
		}
	}
}

// Progress returns what has changed since a revision, for the named guests or for all.
func TestProgress(t *testing.T) {
	h := newHouse(t)
	h.NoteRegistered(h.web, instance.ByHook)
	h.NoteRegistered(h.db, instance.ByHook)
	began := h.Record.Revision()
	h.status(api.ResultSuccess)
	progress := func(q api.ProgressQuery) (names []string, entries int) {
		for _, one := range h.Progress(t.Context(), q).Guests {
			switch {
			case one.Guest == nil:
				names = append(names, one.Ref+"?")
			default:
				names = append(names, one.Guest.Name)
				entries += len(one.Boot.Entries)
			}
		}
		slices.Sort(names)
		return names, entries
	}
	for _, tt := range []struct {
		name    string
		query   api.ProgressQuery
		want    []string
		entries int
	}{
		{"all, from the beginning, which does not wait", api.ProgressQuery{Wait: time.Hour}, []string{"db", "web"}, 3},
		{"all that has changed", api.ProgressQuery{Since: began, Wait: time.Hour}, []string{"web"}, 1},
		{"one that has changed", api.ProgressQuery{Since: began, Wait: time.Hour, Refs: []string{"web"}}, []string{"web"}, 1},
		{"one that has not", api.ProgressQuery{Since: began, Refs: []string{"db"}}, []string{"db"}, 0},
		{"nothing since the last time", api.ProgressQuery{Since: h.Record.Revision(), Refs: []string{"web"}}, []string{"web"}, 0},
		{"one that is not there", api.ProgressQuery{Since: began, Refs: []string{"nobody", "web"}}, []string{"nobody?", "web"}, 1},
		{"none that is there", api.ProgressQuery{Since: began, Refs: []string{"nobody"}}, []string{"nobody?"}, 0},
	} {
		if names, entries := progress(tt.query); !slices.Equal(names, tt.want) || entries != tt.entries {
			t.Errorf("%s: %q with %d entries, want %q with %d", tt.name, names, entries, tt.want, tt.entries)
		}
	}
}

// Guests are listed without their passwords.
func TestBriefHasNoSecrets(t *testing.T) {
	h := newHouse(t)
	guest := *h.web
	guest.Password = "c2VjcmV0"
	if brief := h.Brief(&guest); brief.Password != "" || brief.Name != "web" || brief.Boot != nil {
		t.Errorf("%+v", brief)
	}
	h.NoteRegistered(h.web, instance.ByHook)
	if brief := h.Brief(&guest); brief.Boot == nil || brief.Boot.Number != 1 {
		t.Errorf("%+v", brief.Boot)
	}
}

// The start forgets the records of a guest that was released while the server was down.
func TestOpenForgetsTheReleased(t *testing.T) {
	lab, dir := inventorytest.New(t), t.TempDir()
	web := lab.MustRegister(inventorytest.Domain(1, "web"))
	gone := uuid.UUID{9}
	h := Open(options(t, lab, dir))
	for _, guest := range []uuid.UUID{web.Instance.UUID, gone} {
		h.Record.Start(guest, time.Now(), api.FromHook)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	h.Run(ended) // writes what there is
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = Open(options(t, lab, dir))
	defer h.Close()
	if all, err := h.Record.Boots(web.Instance.UUID); err != nil || len(all) != 1 {
		t.Errorf("web has %d boots, %v", len(all), err)
	}
	if got := h.Record.Guests(); !slices.Equal(got, []uuid.UUID{web.Instance.UUID}) {
		t.Errorf("on record are %v", got)
	}
}

// TestUnreadableRecord checks that a list of boots that lacks those of the file comes with an
// error.
func TestUnreadableRecord(t *testing.T) {
	lab, dir := inventorytest.New(t), t.TempDir()
	web := lab.MustRegister(inventorytest.Domain(1, "web"))
	h := Open(options(t, lab, dir))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		h.Record.Reboot(web.Instance.UUID, time.Now())
		h.Record.Note(web.Instance.UUID, api.BootEntry{Kind: api.EntryStatus, Source: api.FromGuest, Result: api.ResultSuccess})
		h.Run(ended) // writes what there is
	}
	if all, err := h.Of(&web.Instance); err != nil || len(all) != 2 {
		t.Errorf("there are %d boots, %v", len(all), err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if all, err := h.Of(&web.Instance); err == nil {
		t.Errorf("there are %d boots and no error", len(all))
	}
}
