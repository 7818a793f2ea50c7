package install

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
)

// What the original mdserver leaves on a host, as far as it matters here.
const (
	originalUnit    = "[Service]\nExecStart=/var/lib/venvs/mds/bin/mdserver /etc/mdserver/mdserver.conf\n"
	originalDnsmasq = "[Unit]\nDescription=Simple metadata server - dnsmasq component\n" +
		"[Service]\nExecStart=/usr/sbin/dnsmasq --conf-file=/var/lib/mdserver/dnsmasq/mds.conf --keep-in-foreground\n"
	originalProgram  = "#!/usr/bin/python3\nfrom mdserver.server import main\n"
	originalPathFile = "[Path]\nPathExists=/var/lib/mdserver/dnsmasq/mds.conf\nUnit=mdserver-dnsmasq.service\n"
	editedHook       = "#!/bin/bash\ncurl -s -d @- http://169.254.169.254/instance-upload\n"
	originalConfig   = "[public-keys]\ndefault = ssh-ed25519 AAAA mine\n"
)

// shippedHook is a hook that a release of the original has for the time of the
// test, with the address of the server.
func shippedHook(t *testing.T, address string) string {
	t.Helper()
	hook := func(address string) string {
		return "#!/bin/bash\nMDS_LISTEN_ADDRESS=\"" + address + "\"\ncurl -s -d @- \"http://$MDS_LISTEN_ADDRESS/instance-upload\"\n"
	}
	before := shippedHooks
	shippedHooks = append(slices.Clone(before), sum([]byte(hook("169.254.169.254"))))
	t.Cleanup(func() { shippedHooks = before })
	return hook(address)
}

func originalHost(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	h.write("/usr/local/bin/mdserver", originalProgram)
	h.write(unitDir+"/mdserver.service", originalUnit)
	h.write(unitDir+"/mdserver-dnsmasq.service", originalDnsmasq)
	h.write(unitDir+"/mdserver-dnsmasq.path", originalPathFile)
	h.write(originalHookPath, shippedHook(h.t, "169.254.169.254"))
	h.write("/etc/mdserver/mdserver.conf", originalConfig)
	h.write("/var/lib/mdserver/db_file.json", "[]\n")
	return h
}

// The network stays with the original, which serves it; without the original, it
// is one more thing to remove.
func TestNetworkAfterUninstall(t *testing.T) {
	for name, h := range map[string]*host{"fresh": newHost(t), "original": originalHost(t)} {
		h.write("/etc/libvirt/qemu/networks/mds.xml", "<network/>")
		h.install()
		removes := slices.ContainsFunc(h.uninstall().Next, func(f Finding) bool { return slices.Contains(f.Commands, "virsh net-undefine mds") })
		if want := name == "fresh"; removes != want {
			t.Errorf("%s: advises to remove the network: %v, want %v", name, removes, want)
		}
	}
}

func TestUpgradeAndBack(t *testing.T) {
	h := originalHost(t)
	before := h.files()
	report := h.install()
	for name, content := range map[string]string{
		"/usr/local/bin/mdserver":             originalProgram,
		unitDir + "/mdserver.service":         originalUnit,
		unitDir + "/mdserver-dnsmasq.service": originalDnsmasq,
	} {
		wantAction(t, report, name, Replaced)
		if got := h.read(name + originalSuffix); got != content {
			t.Errorf("%s is %q", name+originalSuffix, got)
		}
		if h.read(name) == content {
			t.Errorf("%s is still the original's", name)
		}
	}
	for _, name := range []string{originalHookPath, unitDir + "/mdserver-dnsmasq.path"} {
		wantAction(t, report, name, Moved)
		if got := h.files(); got[name] != "" || got[name+originalSuffix] != before[name] {
			t.Errorf("%s is not aside", name)
		}
	}
	wantAction(t, report, "/etc/mdserver/mdserver.conf", Kept)
	wantAction(t, report, "/etc/mdserver/mdserver.conf.new", Created)
	if h.read("/etc/mdserver/mdserver.conf") != originalConfig {
		t.Error("the configuration was touched")
	}
	for _, c := range h.install().Changes {
		if c.Action == Replaced || c.Action == Created {
			t.Errorf("the second time: %s %s", c.Action, c.Name)
		}
	}

	h.uninstall()
	for name, content := range before {
		if got := h.files()[name]; got != content {
			t.Errorf("after uninstall %s is %q, want %q", name, got, content)
		}
	}
	if _, err := os.Stat(h.path(unitDir + "/mdserver.service" + originalSuffix)); err == nil {
		t.Error("a backup is left")
	}
}

func TestUninstallKeepsChangedUnitBeforeOriginals(t *testing.T) {
	h := originalHost(t)
	h.install()
	h.write(unitPath, "mine\n")
	report := h.uninstall()
	wantAction(t, report, unitPath, Kept)
	wantAction(t, report, unitPath+originalSuffix, Kept)
	if h.read(unitPath) != "mine\n" || h.read(unitPath+originalSuffix) != originalUnit {
		t.Error("files were touched")
	}
}

func TestInstallKeepsFirstBackup(t *testing.T) {
	h := originalHost(t)
	h.install()
	h.write(unitPath, originalUnit+"# installed again\n")
	report := h.install()
	wantAction(t, report, unitPath, Kept)
	if h.read(unitPath+originalSuffix) != originalUnit {
		t.Error("the first backup is gone")
	}
}

func TestPurgeSparesTheOriginal(t *testing.T) {
	h := originalHost(t)
	h.install()
	before := h.files()
	h.opts.Purge = true
	if _, err := Uninstall(context.Background(), h.opts); err == nil || !strings.Contains(err.Error(), "upgraded from the Python mdserver") {
		t.Errorf("error %v", err)
	}
	if after := h.files(); len(after) != len(before) {
		t.Error("files were removed")
	}
}

// So does one on a host that has nothing of the original but a hook or a unit that
// mdserver does not replace.
func TestPurgeSparesTheRestOfTheOriginal(t *testing.T) {
	h := newHost(t)
	h.write(unitDir+"/"+pathUnit, originalPathFile)
	h.install()
	h.opts.Purge = true
	if _, err := Uninstall(context.Background(), h.opts); err == nil || !strings.Contains(err.Error(), "upgraded from the Python mdserver") {
		t.Errorf("error %v", err)
	}
	if got := h.read(unitDir + "/" + pathUnit + originalSuffix); got != originalPathFile {
		t.Errorf("the unit is %q", got)
	}
}

func TestInstallTellsWhatTheOriginalLeft(t *testing.T) {
	h := originalHost(t)
	h.write(unitPath+".d/override.conf", "[Service]\n")
	h.write(unitDir+"/mdserver-dnsmasq.path", "[Path]\n")
	h.write(originalHookPath, editedHook)
	findings := h.install().Findings
	for _, want := range []string{
		"/etc/libvirt/hooks/qemu is a changed version", unitDir + "/mdserver-dnsmasq.path would start", unitPath + ".d/ changes the unit",
	} {
		found := false
		for _, f := range findings {
			found = found || strings.Contains(f.What, want)
		}
		if !found {
			t.Errorf("nothing is said of %q: %v", want, findings)
		}
	}
	if fresh := newHost(t).install().Findings; len(fresh) > 0 {
		t.Errorf("a fresh host needs attention: %v", fresh)
	}
}

func TestRecognition(t *testing.T) {
	tests := []struct {
		name    string
		is      func([]byte) bool
		content string
		want    bool
	}{
		{"original's unit", isOriginalServerUnit, originalUnit, true},
		{"our unit", isOriginalServerUnit, "ExecStart=/usr/local/bin/mdserver serve --config /etc/mdserver/mdserver.conf\n", false},
		{"unit of another program", isOriginalServerUnit, "ExecStart=/usr/bin/other /etc/mdserver/mdserver.conf\n", false},
		{"original's dnsmasq", isOriginalDnsmasqUnit, originalDnsmasq, true},
		{"its older command line", isOriginalDnsmasqUnit, strings.Replace(originalDnsmasq, "file=", "file ", 1), true},
		{"another dnsmasq", isOriginalDnsmasqUnit, "ExecStart=/usr/sbin/dnsmasq --conf-file=/etc/mds.conf -k\n", false},
		{"another dnsmasq of that title", isOriginalDnsmasqUnit, strings.Replace(originalDnsmasq, "mds.conf", "lab.conf", 1), false},
		{"original's program", isOriginalProgram, originalProgram, true},
		{"program in a virtual environment", isOriginalProgram, "#!/srv/venv/bin/python\nimport mdserver.server\n", true},
		{"another script", isOriginalProgram, "#!/bin/sh\nmdserver\n", false},
		{"ELF", isOriginalProgram, "\x7fELF", false},
		{"another hook", isOriginalHook, "#!/bin/sh\nexit 0\n", false},
		{"edited hook", isShippedHook, editedHook, false},
		{"shipped hook", isShippedHook, shippedHook(t, "169.254.169.254"), true},
		{"its server elsewhere", isShippedHook, shippedHook(t, "10.122.0.1"), true},
		{"a command beside the address", isShippedHook, shippedHook(t, `10.122.0.1"; touch "/run/x`), false},
		{"a line of one's own", isShippedHook, shippedHook(t, "169.254.169.254") + "touch /run/x\n", false},
		{"original's path unit", isOriginalPathUnit, originalPathFile, true},
		{"another path unit", isOriginalPathUnit, "[Path]\nPathExists=/run/x\nUnit=mdserver-dnsmasq.service\n", false},
		{"a path unit of another service", isOriginalPathUnit, strings.Replace(originalPathFile, "Unit=mdserver-dnsmasq", "Unit=other", 1), false},
		{"no build of ours", isOurProgram, "\x7fELF", false},
	}
	for _, test := range tests {
		if got := test.is([]byte(test.content)); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
