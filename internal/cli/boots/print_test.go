package boots

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/exit"
	"mdserver/internal/instance"
)

// noon is a time that is printed alike in every time zone.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)

func after(d time.Duration) *time.Time {
	t := noon.Add(d)
	return &t
}

// TestOneBoot checks that oneBoot finds boots by number, or counts them back from the last one.
func TestOneBoot(t *testing.T) {
	all := []api.Boot{{Number: 5}, {Number: 6}, {Number: 7}}
	for n, want := range map[int]int{0: 7, -1: 6, -2: 5, 5: 5, 6: 6, 7: 7} {
		if got, err := oneBoot(all, n); err != nil || len(got) != 1 || got[0].Number != want {
			t.Errorf("boot %d: %+v, %v", n, got, err)
		}
	}
	for _, n := range []int{-3, 1, 3, 4, 8} {
		if got, err := oneBoot(all, n); exit.Code(err) != exit.NotFound || err.Error() != fmt.Sprintf("no boot %d is on record", n) {
			t.Errorf("boot %d: %+v, %v", n, got, err)
		}
	}
	if _, err := oneBoot(nil, 0); exit.Code(err) != exit.NotFound {
		t.Errorf("no boots: %v", err)
	}
}

// failedBoot returns a boot that was ready once and failed then.
func failedBoot() api.Boot {
	return api.Boot{
		Number: 2, Began: noon, Reached: api.Reached{Ready: after(12340 * time.Millisecond)}, Dropped: 4,
		Verdict: api.Verdict{State: api.Failed, Since: noon.Add(20 * time.Second), Phase: "modules-final", Reason: "runcmd: exit code 1", Template: &api.TemplateLine{Name: "web.yaml", Line: 3}},
		Entries: []api.BootEntry{
			{At: noon.Add(-time.Second), Kind: api.EntryStarted, Revision: 1},
			{At: noon.Add(1500 * time.Millisecond), Kind: api.EntryDHCP, Name: "DHCPACK", Detail: "10.122.0.7", Revision: 2},
			{At: noon.Add(2 * time.Second), Kind: api.EntryRequest, Name: "metadata", Status: 200, Count: 12, Revision: 3},
			{At: noon.Add(3 * time.Second), Kind: api.EntryRequest, Name: "user-data", Status: 404, Count: 1, Revision: 4},
			{At: noon.Add(4 * time.Second), Kind: api.EntryStage, Name: "modules-final", Result: "FAIL", Seconds: 2.5, Detail: "runcmd", Revision: 5},
		},
	}
}

func TestPrintBoots(t *testing.T) {
	first := api.Boot{Number: 1, Began: noon.Add(-time.Hour), Verdict: api.Verdict{State: api.BootOff}}
	const want = `BOOT  BEGAN                READY AFTER  STATE   PHASE          REASON
1     2026-03-01 11:00:00  -            off     -              -
2     2026-03-01 12:00:00  12.3s        failed  modules-final  runcmd: exit code 1 (web.yaml:3)

BOOT 2
+0.0s  started                                           
+1.5s  DHCPACK                                      10.122.0.7
+2.0s  request metadata     200, 12 times
+3.0s  request user-data    404
+4.0s  stage modules-final  FAIL                2.5s  runcmd
and 4 more that were not kept
`
	var out strings.Builder
	if err := printBoots(&out, []api.Boot{first, failedBoot()}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(words(want), words(out.String())); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	whole := failedBoot()
	whole.Dropped = 0
	if err := printBoots(&out, []api.Boot{whole}); err != nil || strings.Contains(out.String(), "not kept") {
		t.Errorf("%v\n%s", err, &out)
	}
	out.Reset()
	if err := printBoots(&out, nil); err != nil || out.String() != "no boot is on record\n" {
		t.Errorf("%v, %q", err, &out)
	}
}

// words returns the lines of a text with one space between the cells.
func words(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

// TestFollower checks that a follower prints each verdict once, and each entry by its revision.
func TestFollower(t *testing.T) {
	guest := func(b api.Boot) api.GuestProgress {
		return api.GuestProgress{Ref: "web1", Guest: &api.Guest{Instance: instance.Instance{Name: "web 1 "}}, Boot: &b}
	}
	change := func(b api.Boot, state api.BootState, revision uint64, entries ...api.BootEntry) api.Boot {
		b.Verdict = api.Verdict{State: state, Since: noon.Add(time.Minute)}
		b.Entries, b.Revision = entries, revision
		return b
	}
	whole := failedBoot()
	entries := whole.Entries
	boot := api.Boot{Number: 2, Began: noon}
	steps := []api.GuestProgress{
		guest(change(boot, api.Booting, 2, entries[:2]...)),
		guest(change(boot, api.Booting, 5, entries[1], entries[4])), // the first of them was printed before
		guest(change(boot, api.Ready, 6)),
		guest(change(boot, api.Ready, 6)),
		guest(whole),
		guest(change(api.Boot{Number: 3, Began: noon}, api.Failed, 7)),
	}
	const (
		lines = `2026-03-01 11:59:59.000  LABEL 2  started
2026-03-01 12:00:01.500  LABEL 2  DHCPACK  10.122.0.7
2026-03-01 12:00:06.500  LABEL 2  stage modules-final  FAIL  2.5s  runcmd
2026-03-01 12:01:00.000  LABEL 2  ready
2026-03-01 12:00:20.000  LABEL 2  failed: runcmd: exit code 1 (web.yaml:3)
2026-03-01 12:01:00.000  LABEL 3  failed
`
		kinds = "started dhcp stage" // of the entries
	)
	for name, tt := range map[string]struct {
		f    follower
		want string
	}{
		"one guest":            {follower{}, strings.ReplaceAll(lines, "LABEL", "boot")},
		"one of several":       {follower{named: true}, strings.ReplaceAll(lines, "LABEL", `"web 1 " boot`)},
		"all entries, in JSON": {follower{json: true, entries: true}, kinds},
		"how guests are, in JSON": {follower{json: true, named: true},
			`booting 2, booting 2, ready 2, failed 2, failed 3`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			f := tt.f
			f.out, f.seen, f.verdicts = &out, map[string]uint64{}, map[string]string{}
			for _, step := range steps {
				if err := f.printGuest(step); err != nil {
					t.Fatal(err)
				}
			}
			got := out.String()
			if f.json {
				got = summary(t, out.String(), f.entries)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// summary summarizes a text with one JSON document a line.
func summary(t *testing.T, text string, entries bool) string {
	t.Helper()
	var list []string
	for line := range strings.Lines(text) {
		if entries {
			var e api.BootEntry
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			list = append(list, string(e.Kind))
			continue
		}
		var p api.GuestProgress
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %d", p.Boot.Verdict.State, p.Boot.Number))
	}
	if entries {
		return strings.Join(list, " ")
	}
	return strings.Join(list, ", ")
}

// TestDiff checks that a diff goes from the first boot named to the second, even if that is older.
func TestDiff(t *testing.T) {
	for name, tt := range map[string]struct {
		texts [2]string
		equal bool
		want  string
	}{
		"another line": {[2]string{"a\nb\n", "a\nc\n"}, false, "--- boot 3\n+++ boot -1\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"},
		"the same":     {[2]string{"a\n", "a\n"}, true, "the user-data is the same\n"},
		"nothing":      {[2]string{"", ""}, true, "the user-data is the same\n"},
	} {
		var out bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		d := diffOf([]int{3, -1}, tt.texts)
		if err := diffView(cmd).Text(&out, d); err != nil || out.String() != tt.want || d.Equal != tt.equal || (d.Diff == "") != tt.equal || d.Boots[0] != 3 {
			t.Errorf("%s: %v, %+v, printed\n%s", name, err, d, &out)
		}
	}
}
