//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
)

// Debian's cloud-init reports its boot, whatever cloud it takes the server for, and
// boots as it does without.
func TestCloudInitReports(t *testing.T) {
	t.Parallel()
	for _, look := range oneOfEach(looks) {
		t.Run("12 "+look.name, func(t *testing.T) {
			t.Parallel()
			bootReporting(t, chroot(t), look)
		})
	}
	for _, look := range oneOfEach(newerLooks()) {
		t.Run("13 "+look.name, func(t *testing.T) {
			t.Parallel()
			bootReporting(t, trixie(t), look)
		})
	}
}

// oneOfEach is one look of each kind of cloud.
func oneOfEach(looks []look) []look {
	var some []look
	for _, l := range looks {
		if l.name == "AWS" || l.name == "OpenStack" || l.name == "NoCloud" {
			some = append(some, l)
		}
	}
	return some
}

func bootReporting(t *testing.T, root string, look look) {
	t.Helper()
	for range 4 {
		r := bootOnce(t, root, look)
		if slices.ContainsFunc(r.boot.Warnings, func(line string) bool { return strings.Contains(line, reportLost) }) {
			t.Log("a report was lost, as may happen on a busy machine; the guest is booted again")
			continue
		}
		r.check(t, look)
		return
	}
	t.Error("each of four boots has lost a report")
}

// reported is a boot with reports.
type reported struct {
	lab    *lab.Lab
	server *lab.Server
	web1   shown
	boot   *lab.CloudInit
}

func bootOnce(t *testing.T, root string, look look) reported {
	t.Helper()
	l := newLab(t)
	if err := l.AddIPv6(suite.ctx); err != nil {
		t.Fatal(err)
	}
	vendor, err := l.WriteFile("vendor.yaml", vendorData)
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, l, l.Config().Set("mdserver", "report", "yes").Set("mdserver", "vendordata_template", vendor).
		Set("mdserver", "template_escape", "none").Set("dnsmasq", "net_address6", lab.Network6))
	web1 := registerWithParts(t, l, s, "base, script")
	guest, err := l.AddGuest(suite.ctx, web1.Name, web1.MAC)
	if err != nil {
		t.Fatal(err)
	}
	boot, err := guest.BootCloudInit(suite.ctx, root, look.firmware(web1))
	if err != nil {
		t.Fatal(err)
	}
	return reported{l, s, web1, boot}
}

func (r reported) check(t *testing.T, look look) {
	t.Helper()
	checkBoot(t, look, r.web1, r.boot)
	// cloud-init recovered from what the look explains, or from nothing
	verdict, ended := "ready", noted{"status", "", "SUCCESS"}
	if r.boot.StatusCode == "2" {
		verdict, ended = "degraded", noted{"status", "init", "WARN"}
	}
	checkReports(t, r.lab, r.server, verdict, ended,
		noted{"stage", "modules-config/config-runcmd", "SUCCESS"},
		noted{"stage", "modules-final/config-scripts-user", "SUCCESS"},
		noted{"stage", "modules-final", "SUCCESS"},
		noted{"host-keys", "", ""},
		noted{"phone-home", "", ""})
}

// noted is what `mdserver boots` tells of a report.
type noted struct{ Kind, Name, Result string }

// checkReports checks that the last boot of web1 has these entries and this verdict,
// and that no report was refused.
func checkReports(t *testing.T, l *lab.Lab, s *lab.Server, verdict string, wants ...noted) {
	t.Helper()
	var boots []struct {
		Verdict struct{ State string }
		Entries []noted
	}
	shown := command(t, s, "boots", "web1", "--json")
	if err := json.Unmarshal([]byte(shown), &boots); err != nil {
		t.Fatalf("%v in\n%s", err, shown)
	}
	if len(boots) == 0 {
		t.Fatal("no boot of web1 is on record")
	}
	last := boots[len(boots)-1]
	equal(t, "the verdict", last.Verdict.State, verdict)
	for i, e := range last.Entries {
		last.Entries[i].Name = strings.ReplaceAll(e.Name, "_", "-") // cloud-init spells modules in both ways
	}
	for _, want := range wants {
		if !slices.Contains(last.Entries, want) {
			t.Errorf("no report %v in\n%s", want, shown)
		}
	}
	for line := range strings.Lines(serverLog(t, l)) {
		if strings.Contains(line, "/mdserver/") && !strings.Contains(line, "status=204") {
			t.Error("a report was not taken:", line)
		}
	}
}

func serverLog(t *testing.T, l *lab.Lab) string {
	t.Helper()
	text, err := os.ReadFile(l.Path("log", "mdserver-file.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func trixie(t *testing.T) string {
	t.Helper()
	return built(t, "../../scripts/build-cloud-init", "trixie")
}

// ownReporting is the second part of a guest's user-data. Its list is appended to that
// of the first part. It reports to the same server by a path of its own.
const ownReporting = `#cloud-config
merge_how: dict(recurse_list)+list(append)+str()
runcmd:
  - echo "own runcmd" >>/var/lib/lab/own
reporting:
  mdserver: {type: webhook, endpoint: 'http://` + lab.MetadataAddr + `//mdserver/report'}
`

// What user-data sets wins, and its lists stay what they are.
func TestOwnReportingWins(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		root func(*testing.T) string
		look look
	}{
		{"12 AWS", chroot, oneOfEach(looks)[0]},
		{"13 OpenStack", trixie, oneOfEach(newerLooks())[1]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			s := startServer(t, l, l.Config().Set("mdserver", "report", "yes").Set("mdserver", "template_escape", "none"))
			if _, err := l.WriteFile("userdata/own", ownReporting); err != nil {
				t.Fatal(err)
			}
			web1 := registerWithParts(t, l, s, "base, own")
			guest, err := l.AddGuest(suite.ctx, web1.Name, web1.MAC)
			if err != nil {
				t.Fatal(err)
			}
			boot, err := guest.BootCloudInit(suite.ctx, tt.root(t), tt.look.firmware(web1))
			if err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]string{"var/lib/lab/ran": "ran on web1\n", "var/lib/lab/own": "own runcmd\n"} {
				text, err := boot.File(path)
				if err != nil {
					t.Fatal(err, boot.Output)
				}
				equal(t, path, text, want)
			}
			checkReports(t, l, s, "ready", noted{"stage", "modules-final", "SUCCESS"}, noted{"status", "", "SUCCESS"})
			// newer requests libraries ask for one slash, so cloud-init's log tells
			const own, ours = "http://" + lab.MetadataAddr + "//mdserver/report", "http://" + lab.MetadataAddr + "/mdserver/report"
			if !strings.Contains(boot.Log, own) || strings.Contains(boot.Log, ours) {
				t.Error("cloud-init does not report to where its user-data says")
			}

		})
	}
}

// A boot goes on without a server that goes away, whether the host then refuses
// connections or drops packets. How long the boot waits for reports to be sent depends
// on the load of the machine, so it is shown, and only much is a failure.
func TestServerGoesAwayInABoot(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*lab.Lab, *lab.Server) error{
		"stops":         func(_ *lab.Lab, s *lab.Server) error { return s.Stop(10 * time.Second) },
		"drops packets": func(l *lab.Lab, _ *lab.Server) error { return dropRequests(l) },
	} {
		t.Run("12 NoCloud "+name, func(t *testing.T) {
			t.Parallel()
			bootWithoutServer(t, chroot(t), oneOfEach(looks)[2], leave)
		})
		t.Run("13 AWS "+name, func(t *testing.T) {
			t.Parallel()
			bootWithoutServer(t, trixie(t), oneOfEach(newerLooks())[0], leave)
		})
	}
}

// bootWithoutServer boots a guest whose server leaves at the first report.
func bootWithoutServer(t *testing.T, root string, look look, leave func(*lab.Lab, *lab.Server) error) {
	t.Helper()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "report", "yes").Set("mdserver", "template_escape", "none"))
	web1 := registerWithParts(t, l, s, "base, script")
	guest, err := l.AddGuest(suite.ctx, web1.Name, web1.MAC)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		err := waitForReport(l)
		gone <- errors.Join(err, leave(l, s))
	}()
	boot, err := guest.BootCloudInit(suite.ctx, root, look.firmware(web1))
	if err := errors.Join(err, <-gone); err != nil {
		t.Fatal(err)
	}
	t.Logf("reports that could not be sent and the ends of the stages' processes took %s of %s", boot.Flushing, boot.Total)
	if boot.Flushing > 10*time.Second {
		t.Error("cloud-init waits for a server that is away")
	}
	if len(boot.Errors) > 0 {
		t.Error("cloud-init has errors:", boot.Errors)
	}
	if !strings.Contains(boot.Log, "Failed posting event") {
		t.Error("the server did not go away in time")
	}
	for _, path := range []string{"var/lib/lab/ran", "var/lib/lab/script"} {
		if _, err := boot.File(path); err != nil {
			t.Error(err)
		}
	}
}

// waitForReport waits until a guest has reported something.
func waitForReport(l *lab.Lab) error {
	return lab.Poll(suite.ctx, 2*time.Minute, func(context.Context) error {
		text, err := os.ReadFile(l.Path("log", "mdserver-file.log"))
		if err == nil && !strings.Contains(string(text), "path=/mdserver/report ") {
			err = errors.New("no report yet")
		}
		return err
	})
}

// dropRequests has the host drop all packets that guests send to the server.
func dropRequests(l *lab.Lab) error {
	_, err := l.Host.Output(suite.ctx, "nft", "table inet away { chain in { type filter hook input priority -10; tcp dport 80 drop; }; }")
	return err
}
