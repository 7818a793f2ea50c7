//go:build e2e

package e2e

import (
	"os"
	"strings"
	"testing"

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
			bootReporting(t, built(t, "../../scripts/build-cloud-init", "trixie"), look)
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
	checkBoot(t, look, web1, boot)
	checkReports(t, l, boot,
		report{"stage", "modules-config/config-runcmd", "SUCCESS"},
		report{"stage", "modules-final/config-scripts-user", "SUCCESS"},
		report{"stage", "modules-final", "SUCCESS"},
		report{"status", "", "SUCCESS"},
		report{"host-keys", "", ""},
		report{"phone-home", "", ""})
}

// report is what the log tells of a report.
type report struct{ kind, name, result string }

// checkReports checks that the server noted these reports, and refused none.
func checkReports(t *testing.T, l *lab.Lab, boot *lab.CloudInit, wants ...report) {
	t.Helper()
	noted := strings.ReplaceAll(reportLines(t, l), "_", "-") // cloud-init spells modules in both ways
	for _, want := range wants {
		line := `kind=` + want.kind + ` name=` + quotedIfEmpty(want.name) + ` result=` + quotedIfEmpty(want.result)
		if !strings.Contains(noted, line) {
			t.Errorf("no report %s in\n%s\n%s", line, noted, boot.Output)
		}
	}
}

func quotedIfEmpty(text string) string {
	if text == "" {
		return `""`
	}
	return text
}

// reportLines are the lines of the server's log about reports, and those about
// refused ones.
func reportLines(t *testing.T, l *lab.Lab) string {
	t.Helper()
	text, err := os.ReadFile(l.Path("log", "mdserver-file.log"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "guest reports") {
			b.WriteString(line)
		} else if strings.Contains(line, "/mdserver/") && !strings.Contains(line, "status=204") {
			t.Error("a report was not taken:", line)
			b.WriteString(line)
		}
	}
	return b.String()
}
