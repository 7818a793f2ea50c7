package timeline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
)

func newLog() *Log { return New(nil, slog.New(slog.DiscardHandler)) }

func after(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// told is something that a Log is told of.
type told func(*Log)

func start(at float64, source api.Source) told {
	return func(l *Log) { l.Start(web1, after(at), source) }
}

func reboot(at float64) told { return func(l *Log) { l.Reboot(web1, after(at)) } }

func stop(at float64) told {
	return func(l *Log) { l.Stop(web1, after(at), api.EntryStopped, "shut down") }
}

func dhcp(at float64, message string) told {
	return func(l *Log) { l.Heard(web1, DHCPClient{Network: "mds"}, DHCP{Message: message, At: after(at)}) }
}

func asks(at float64, path string, status int) told {
	return func(l *Log) { l.Request(web1, Request{At: after(at), Method: "GET", Path: path, Status: status}) }
}

func stage(at float64, name, result string) told {
	return func(l *Log) {
		l.Note(web1, api.BootEntry{At: after(at), Kind: api.EntryStage, Source: api.FromGuest, Name: name, Result: result})
	}
}

func suspended(at float64) told {
	return func(l *Log) {
		l.Note(web1, api.BootEntry{At: after(at), Kind: api.EntrySuspended, Source: api.FromLibvirt})
	}
}

func keys(at float64, name string) told {
	return func(l *Log) {
		l.Note(web1, api.BootEntry{At: after(at), Kind: api.EntryHostKeys, Source: api.FromGuest, Name: name})
	}
}

// sketch is a boot in one line: the kinds and names of its entries.
func sketch(b api.Boot) string {
	var words []string
	for _, e := range b.Entries {
		word := string(e.Kind)
		if e.Name != "" {
			word = e.Name
		}
		if e.Result != "" {
			word += "=" + e.Result
		}
		words = append(words, word)
	}
	if b.Ended != nil {
		words = append(words, "|")
	}
	return strings.Join(words, " ")
}

func TestBoots(t *testing.T) {
	for _, c := range []struct {
		name string
		told []told
		want []string
	}{
		{"a start", []told{start(0, api.FromLibvirt)}, []string{"started"}},
		{"the hook and libvirt tell of one start", []told{start(0, api.FromHook), start(1, api.FromLibvirt)}, []string{"started started"}},
		{"libvirt tells late", []told{start(0, api.FromHook), dhcp(2, "DHCPACK"), start(1, api.FromLibvirt)}, []string{"started started DHCPACK"}},
		{"two starts", []told{start(0, api.FromLibvirt), start(5, api.FromLibvirt)}, []string{"started |", "started"}},
		{"starts that failed", []told{start(0, api.FromHook), stop(1), start(2, api.FromHook)}, []string{"started stopped |", "started"}},
		{"a start long after the hook", []told{start(0, api.FromHook), start(60, api.FromLibvirt)}, []string{"started |", "started"}},
		{"a sign of life without a start", []told{dhcp(0, "DHCPDISCOVER"), dhcp(1, "DHCPACK")}, []string{"DHCPDISCOVER DHCPACK"}},
		{"a sign of life before libvirt tells of the start", []told{dhcp(1, "DHCPDISCOVER"), start(0, api.FromLibvirt)}, []string{"started DHCPDISCOVER"}},
		{"a sign of life after a stop", []told{start(0, api.FromLibvirt), stop(10), dhcp(20, "DHCPDISCOVER")}, []string{"started stopped |", "DHCPDISCOVER"}},
		{"what is late after a stop", []told{start(0, api.FromLibvirt), stop(10), asks(11, "/latest/meta-data/", 200), dhcp(30, "DHCPRELEASE")}, []string{"started stopped ec2 metadata DHCPRELEASE |"}},
		{"a reboot", []told{start(0, api.FromLibvirt), dhcp(1, "DHCPACK"), reboot(20), dhcp(25, "DHCPACK")}, []string{"started DHCPACK |", "rebooted DHCPACK"}},
		{"a reset by firmware", []told{start(0, api.FromLibvirt), reboot(1), dhcp(2, "DHCPACK")}, []string{"started rebooted DHCPACK"}},
		{"a reboot whose first reports are missing", []told{stage(0, "init-network", "SUCCESS"), stage(2, "modules-final", "SUCCESS"), stage(60, "init-network/consume-user-data", "SUCCESS")},
			[]string{"init-network=SUCCESS modules-final=SUCCESS |", "init-network/consume-user-data=SUCCESS"}},
		{"a reboot that nothing told of", []told{stage(0, "init-network", ""), stage(1, "init-network", "SUCCESS"), stage(2, "modules-final", "SUCCESS"), stage(60, "init-local", "")},
			[]string{"init-network=SUCCESS modules-final=SUCCESS |", "init-local"}},
		{"requests of a kind count once", []told{asks(0, "/latest/meta-data/", 401), asks(1, "/latest/meta-data/", 200), asks(2, "/latest/meta-data/mac", 200)}, []string{"ec2 metadata ec2 metadata"}},
		{"starts that are just one", []told{start(0, api.FromHook), start(30, api.FromLibvirt)}, []string{"started started"}},
		{"starts that are just two", []told{start(0, api.FromHook), start(30.001, api.FromLibvirt)}, []string{"started |", "started"}},
		{"a start behind a reset", []told{start(0, api.FromHook), reboot(1), start(2, api.FromLibvirt)}, []string{"started rebooted |", "started"}},
		{"libvirt tells of more before the start", []told{start(0, api.FromHook), suspended(1), start(2, api.FromLibvirt)}, []string{"started suspended started"}},
		{"just late after a stop", []told{start(0, api.FromLibvirt), stop(10), asks(12, "/latest/meta-data/", 200)}, []string{"started stopped ec2 metadata |"}},
		{"just too late after a stop", []told{start(0, api.FromLibvirt), stop(10), asks(12.001, "/latest/meta-data/", 200)}, []string{"started stopped |", "ec2 metadata"}},
		{"the same sign of life after a stop", []told{start(0, api.FromLibvirt), dhcp(1, "DHCPACK"), stop(10), dhcp(20, "DHCPACK")}, []string{"started DHCPACK stopped |", "DHCPACK"}},
		{"a reset after a stop", []told{start(0, api.FromLibvirt), stop(10), reboot(20)}, []string{"started stopped |", "rebooted"}},
		{"a first stage while the last one runs", []told{stage(0, "modules-final", ""), stage(1, "init-local", "")}, []string{"modules-final init-local"}},
		{"a first stage after another one has ended", []told{stage(0, "init-network", "SUCCESS"), stage(1, "init-local", "")}, []string{"init-network=SUCCESS init-local"}},
		{"a later stage after the last one", []told{stage(0, "modules-final", "SUCCESS"), stage(1, "modules-config", "")}, []string{"modules-final=SUCCESS modules-config"}},
		{"what is called as a first stage after the last one", []told{stage(0, "modules-final", "SUCCESS"), keys(1, "init-local")}, []string{"modules-final=SUCCESS init-local"}},
		{"a stop that is told twice", []told{start(0, api.FromLibvirt), stop(1), stop(2)}, []string{"started stopped |"}},
		{"a stop of what never started", []told{stop(1)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog()
			for _, tell := range c.told {
				tell(l)
			}
			boots, err := l.Boots(web1)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, b := range boots {
				got = append(got, sketch(b))
				if b.Number != i+1 {
					t.Errorf("boot %d has the number %d", i+1, b.Number)
				}
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("boots\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestReached(t *testing.T) {
	l := newLog()
	for _, tell := range []told{
		start(0, api.FromLibvirt), dhcp(3, "DHCPDISCOVER"), dhcp(4, "DHCPACK"), asks(5, "/latest/meta-data/", 401),
		asks(6, "/latest/meta-data/", 200), asks(7, "/latest/user-data", 404), asks(8, "/latest/user-data", 200), dhcp(3600, "DHCPACK"),
	} {
		tell(l)
	}
	b, _ := l.Present(web1)
	for name, c := range map[string]struct {
		got  *time.Time
		want float64
	}{"lease": {b.Reached.Lease, 4}, "metadata": {b.Reached.Metadata, 6}, "user-data": {b.Reached.Userdata, 8}} {
		if c.got == nil || !c.got.Equal(after(c.want)) {
			t.Errorf("%s at %v, want %v", name, c.got, after(c.want))
		}
	}
	if !b.Last.Equal(after(3600)) || !b.Began.Equal(noon) {
		t.Errorf("began %v, last sign %v", b.Began, b.Last)
	}
}

// A guest that sends much, of whatever kind and name, leaves room for what others tell.
func TestEntriesAreBounded(t *testing.T) {
	const invented, known = mostEntries - 3*reserved, mostEntries - reserved
	for name, tt := range map[string]struct {
		sent api.BootEntry
		most int    // entries that are kept of these
		want string // of what comes behind them: failures to render, a stage, starts, a crash
	}{
		"host keys":           {api.BootEntry{Kind: api.EntryHostKeys}, invented, "render stage started crashed"},
		"stages of any name":  {api.BootEntry{Kind: api.EntryStage, Name: "x"}, invented, "render stage started crashed"},
		"cloud-init's stages": {api.BootEntry{Kind: api.EntryStage, Name: "init-network"}, known, "started crashed"},
		"results":             {api.BootEntry{Kind: api.EntryStatus, Result: api.ResultFail}, known, "started crashed"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog()
			tt.sent.Source = api.FromGuest
			for i := range 10 * mostEntries {
				tt.sent.At = after(float64(i) / 1000)
				l.Note(web1, tt.sent)
			}
			b, _ := l.Present(web1)
			if len(b.Entries) != tt.most || b.Dropped != 10*mostEntries-tt.most {
				t.Errorf("%d entries, %d dropped, want %d", len(b.Entries), b.Dropped, tt.most)
			}
			for range mostEntries {
				l.Note(web1, api.BootEntry{At: after(10), Kind: api.EntryRender, Source: api.FromServer})
			}
			stage(11, "modules-final", "SUCCESS")(l)
			for range mostEntries {
				l.Note(web1, api.BootEntry{At: after(12), Kind: api.EntryStarted, Source: api.FromLibvirt})
			}
			l.Stop(web1, after(13), api.EntryCrashed, "crashed")
			b, _ = l.Present(web1)
			var kinds []string
			for _, e := range b.Entries[tt.most:] {
				kinds = append(kinds, string(e.Kind))
			}
			if got := strings.Join(slices.Compact(kinds), " "); got != tt.want {
				t.Errorf("then it keeps %q, want %q", got, tt.want)
			}
		})
	}
}

// What is left out causes no writing, and wakes no one.
func TestDroppedEntriesChangeNothing(t *testing.T) {
	l := newLog()
	for range mostEntries {
		stage(0, "x", "")(l)
	}
	before := l.Revision()
	for range 100 {
		stage(1, "y", "")(l)
		l.Note(web1, api.BootEntry{At: after(1), Kind: api.EntryPhoneHome, Source: api.FromGuest})
	}
	if got := l.Revision(); got != before {
		t.Errorf("%d changes", got-before)
	}
}

func TestBootsAreBounded(t *testing.T) {
	l := newLog()
	for i := range 3 * mostBoots {
		l.Start(web1, after(float64(60*i)), api.FromLibvirt)
	}
	boots, _ := l.Boots(web1)
	if len(boots) != mostBoots || boots[mostBoots-1].Number != 3*mostBoots {
		t.Errorf("%d boots, the last is %d", len(boots), boots[len(boots)-1].Number)
	}
}

func TestServed(t *testing.T) {
	l := newLog()
	give := func(text string) {
		l.Served(web1, Document{Kind: UserdataDocument, Body: []byte(text), Template: "web.yaml"})
	}
	start(0, api.FromLibvirt)(l)
	give("old")
	give("old")
	start(60, api.FromLibvirt)(l)
	give("new")
	boots, _ := l.Boots(web1)
	for i, want := range []string{"old", "new"} {
		body, err := l.Content(boots[i].Userdata)
		if err != nil || string(body) != want || boots[i].Template != "web.yaml" {
			t.Errorf("boot %d was given %q of %q, %v", i+1, body, boots[i].Template, err)
		}
	}
}

func TestChanged(t *testing.T) {
	l := newLog()
	start(0, api.FromLibvirt)(l)
	revision := l.Revision()
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if got, guests := l.Changed(done, revision); got != revision || guests != nil {
		t.Errorf("revision %d and %v without a change", got, guests)
	}
	go dhcp(1, "DHCPACK")(l)
	got, guests := l.Changed(context.Background(), revision)
	if got <= revision || len(guests) != 1 || guests[0] != web1 {
		t.Errorf("revision %d after %d, guests %v", got, revision, guests)
	}
	b, _ := l.Present(web1)
	if last := b.Entries[len(b.Entries)-1].Revision; last != got {
		t.Errorf("the entry is of revision %d, the change %d", last, got)
	}
	go l.Wake()
	if again, guests := l.Changed(context.Background(), got); again <= got || guests != nil {
		t.Errorf("revision %d after %d, guests %v", again, got, guests)
	}
}

// A question gets each guest that has changed since its revision, and no other, however
// long ago that was.
func TestChangedSince(t *testing.T) {
	archive := newFakeArchive()
	before := New(archive, slog.New(slog.DiscardHandler))
	start(0, api.FromLibvirt)(before)
	before.Run(stopNow())
	l := New(archive, slog.New(slog.DiscardHandler))
	first := l.Revision()
	web2, gone := uuid.UUID{15: 2}, uuid.UUID{15: 3}
	l.Start(web2, noon, api.FromLibvirt)
	l.Start(gone, noon, api.FromLibvirt)
	l.Forget(gone)
	second := l.Revision()
	l.Wake()
	last := l.Revision()
	for range recent {
		l.Judged(web1)
	}
	for name, c := range map[string]struct {
		since uint64
		want  []uuid.UUID
	}{
		"before this server":      {first - 1, []uuid.UUID{web2, web1}},
		"since its start":         {first, []uuid.UUID{web2, web1}}, // more changes ago than are remembered
		"before the Wake":         {second, []uuid.UUID{web1}},
		"all that are remembered": {last, []uuid.UUID{web1}},
		"the last one":            {l.Revision() - 1, []uuid.UUID{web1}},
		"now":                     {l.Revision(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := l.changedSince(c.since, nil)
			slices.SortFunc(got, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
			if !slices.Equal(got, c.want) {
				t.Errorf("since %d: %v, want %v", c.since, got, c.want)
			}
			if len(c.want) > 0 && !slices.Equal(l.changedSince(c.since, c.want), c.want) {
				t.Error("with the guests named, others have changed")
			}
		})
	}
}

// Who follows all guests gets many changes in one answer.
func TestChangesOfAllAreGathered(t *testing.T) {
	l := newLog()
	start(0, api.FromLibvirt)(l)
	revision := l.Revision()
	const changes = 50
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range changes {
			stage(float64(i), fmt.Sprintf("modules-final/config-%d", i), "")(l)
		}
	}()
	answers := 0
	for last := revision + changes; revision < last; answers++ {
		revision, _ = l.Changed(t.Context(), revision)
	}
	if <-done; answers > 5 {
		t.Errorf("%d answers for %d changes", answers, changes)
	}
}

// A stage has one entry, which its end completes.
func TestStage(t *testing.T) {
	l := newLog()
	stage(0, "modules-final", "")(l)
	before := l.Revision()
	stage(7, "modules-final", "FAIL")(l)
	b, _ := l.Present(web1)
	if e := b.Entries[0]; len(b.Entries) != 1 || e.Seconds != 7 || e.Result != "FAIL" || !e.At.Equal(noon) || e.Revision <= before {
		t.Errorf("%+v", b.Entries)
	}
}
