//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
)

// The original's hook sends the definition with curl, which takes the newlines
// out of it and calls it a form. It still works, from the host and from nowhere
// else.
func TestUploadAsTheOriginalsHookDoes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	const url = "http://" + lab.MetadataAddr + "/instance-upload"
	out, err := l.Host.Output(suite.ctx, "curl", "-s", "-d", "@"+domainFile("web1"), url)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "what curl prints", out, "")
	guest, _ := boot(t, l, show(t, s, "web1"))
	equal(t, "the host name", get(t, guest, "/latest/meta-data/hostname"), "web1")

	status, err := guest.Output(suite.ctx, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
		"-d", "@"+domainFile("web2"), url)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the answer to a guest that uploads", status, "401")
	if _, there := list(t, s)["web2"]; there {
		t.Error("a guest could register another one")
	}
}

// mdserver's own hook registers a guest before it starts. It prints nothing,
// and never fails nor keeps libvirt waiting, also when no server runs.
func TestHook(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	runHook(t, l, "web1")
	equal(t, "the guest's MAC", show(t, s, "web1").MAC, "52:54:00:4a:0c:11")

	s.Kill()
	began := time.Now()
	runHook(t, l, "web2")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("without a server the hook took %s", took)
	}
	start(t, s)
	if _, there := list(t, s)["web2"]; there {
		t.Error("web2 was registered although no server ran")
	}
}

// runHook calls the hook as libvirt does when it is about to start a guest.
func runHook(t *testing.T, l *lab.Lab, guest string) {
	t.Helper()
	runHookWith(t, l, guest, domainXML(t, guest))
}

// runHookWith is runHook for a definition of the caller's.
func runHookWith(t *testing.T, l *lab.Lab, guest, xml string) {
	t.Helper()
	out, err := l.ServerFor(suite.binary, "", "").Hook(suite.ctx, guest, "prepare", xml)
	if err != nil {
		t.Error(err)
	}
	equal(t, "what the hook prints", out, "")
}

// The installed units satisfy systemd, and what was installed can be taken
// away again.
func TestInstalledUnits(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	// What a host has that mdserver is installed on.
	if err := os.CopyFS(root+"/usr/lib/systemd/system", os.DirFS("/usr/lib/systemd/system")); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"/usr/local/bin/mdserver", "/usr/sbin/dnsmasq", "/bin/kill"} {
		if err := os.MkdirAll(root+program[:strings.LastIndex(program, "/")], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+program, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(suite.ctx, suite.binary, "install", "--root", root).CombinedOutput(); err != nil {
		t.Fatalf("install: %v\n%s", err, out)
	}
	units := []string{"/etc/systemd/system/mdserver.service", "/etc/systemd/system/mdserver-dnsmasq.service"}
	out, err := exec.CommandContext(suite.ctx, "systemd-analyze", "--root="+root, "verify",
		root+units[0], root+units[1]).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(suite.ctx, suite.binary, "uninstall", "--root", root).CombinedOutput(); err != nil {
		t.Fatalf("uninstall: %v\n%s", err, out)
	}
	for _, unit := range units {
		if _, err := os.Stat(root + unit); !os.IsNotExist(err) {
			t.Errorf("%s is still there (%v)", unit, err)
		}
	}
}
