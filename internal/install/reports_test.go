package install

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/config"
	"mdserver/internal/libvirt/network"
)

var update = flag.Bool("update", false, "write the golden file")

// text is all that a report says, and the commands that were run.
func (s *startable) text(name string, r *Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "== %s\n", name)
	for _, c := range r.Changes {
		fmt.Fprintf(&b, "%s: %s: %s\n", c.Action, c.Name, c.Note)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "found: %s: %q\n", f.What, f.Commands)
	}
	for _, f := range r.Next {
		fmt.Fprintf(&b, "next: %s: %q\n", f.What, f.Commands)
	}
	for _, line := range s.ran {
		fmt.Fprintf(&b, "ran: %s\n", line)
	}
	return strings.ReplaceAll(b.String(), s.opts.Root, "ROOT") + "\n"
}

// installed installs without a start, and returns the report.
func (s *startable) installed() *Report {
	s.t.Helper()
	s.ran = nil
	j := s.job()
	plan, err := makePlan(j.Options)
	if err == nil {
		err = j.install(s.t.Context(), plan)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return j.report
}

// modes lists the modes of all files, and what is in those that Start writes.
func (s *startable) modes() string {
	s.t.Helper()
	var b strings.Builder
	err := fs.WalkDir(os.DirFS(s.opts.Root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && name != "." {
			fmt.Fprintf(&b, "%v /%s\n", info.Mode(), name)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return b.String() + "\n" + s.read(dropIn) + "\n"
}

// plan lists the modes and owners of all directories and files, as root gives them.
func (s *startable) plan() string {
	s.t.Helper()
	j := s.job()
	j.account = account{1, 2}
	files, err := makePlan(j.Options)
	if err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("== the plan, with 1 and 2 for the server's user and group\n")
	for _, d := range j.directories() {
		uid, gid := j.owners(d.user, d.group)
		fmt.Fprintf(&b, "%v %d:%d %s\n", fs.ModeDir|d.mode, uid, gid, d.path)
	}
	for _, f := range files {
		uid, gid := j.owners(false, f.group)
		fmt.Fprintf(&b, "%v %d:%d %s%s\n", f.mode, uid, gid, f.path, [...]string{"", " configuration", " example"}[f.policy])
	}
	return b.String() + "\n"
}

// What is said and run in an administrator's life with mdserver, word for word.
func TestReports(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o022)) // of the files that the test writes
	var got strings.Builder
	s := newStartable(t)
	s.opts.Manual = []Page{{"share/man/man8/mdserver.8", []byte("page")}, {"share/man/man8/mdserver-wait.8", []byte("page")}}
	s.write("/usr/bin/mandb", "")
	s.write("/sys/fs/selinux/enforce", "1")
	s.write("/var/lib/libvirt/x", "")
	got.WriteString(s.plan())
	got.WriteString(s.text("a fresh host", s.installed()))
	got.WriteString(s.text("the same again", s.installed()))
	for _, name := range []string{hookPath, etcDir + "/mdserver.conf", userdataDir + "/base.yaml"} {
		s.pretendShipped(name, "older version\n")
	}
	s.pretendShipped(unitPath, "older version\n")
	s.write(unitPath, "changed\n")
	s.write(unitPath+".d/own.conf", "")
	s.remove(userdataDir + "/base.yaml")
	s.write(stateDir+"/mdserver.db", "data")
	s.write(stateDir+"/"+sharedDir+"/hosts", "data")
	got.WriteString(s.text("changed files and an older version", s.installed()))
	report, _ := s.start(Start{Network: "mds", Keys: []string{testKey, "ssh-ed25519 AAAA other"}})
	got.WriteString(s.text("a start", report))
	got.WriteString(s.modes())
	report, _ = s.start(Start{Network: "mds", Keys: []string{testKey}})
	got.WriteString(s.text("a second start", report))
	report, _ = s.start(Start{Network: "default", Keys: []string{"ssh-ed25519 BBBB third"}})
	got.WriteString(s.text("a start with another network", report))
	s.write(dropIn, s.read(dropIn)+"# changed\n")
	report, _ = s.start(Start{Network: "lab", Keys: []string{"ssh-ed25519 CCCC fourth"}})
	got.WriteString(s.text("a start with a changed drop-in", report))
	report, _ = s.stop(false)
	got.WriteString(s.text("an uninstall", report))
	report, _ = s.stop(true)
	got.WriteString(s.text("a purge", report))

	s = newStartable(t)
	s.opts.DryRun = true
	got.WriteString(s.text("a dry run", s.installed()))
	s.opts.DryRun = false
	s.installed()
	s.write("/etc/libvirt/qemu/networks/mds.xml", "<network/>")
	s.opts.DryRun = true
	report, _ = s.stop(true)
	got.WriteString(s.text("a dry run of a purge", report))

	s = newStartable(t)
	s.write("/usr/local/bin/mdserver", originalProgram)
	s.write(unitDir+"/mdserver.service", originalUnit)
	s.write(unitDir+"/mdserver-dnsmasq.service", originalDnsmasq)
	s.write(unitDir+"/mdserver-dnsmasq.path", originalPathFile)
	s.write(originalHookPath, shippedHook(t, "169.254.169.254"))
	s.write("/etc/mdserver/mdserver.conf", originalConfig)
	s.write(hookPath, "another hook\n")
	var found strings.Builder
	for _, f := range FindOriginal(s.opts.Root) {
		fmt.Fprintf(&found, "%s %s\n", f.Path, f.Text)
	}
	got.WriteString("== found of the Python mdserver\n" + strings.ReplaceAll(found.String(), s.opts.Root, "ROOT") + "\n")
	for _, unit := range []string{"mdserver.service", "mdserver-dnsmasq.path", "mdserver-dnsmasq.service"} {
		s.answers["systemctl is-enabled "+unit], s.answers["systemctl is-active "+unit] = "enabled\n", "active\n"
	}
	got.WriteString(s.text("an upgrade of the Python mdserver", s.installed()))
	report, _ = s.stop(false)
	got.WriteString(s.text("the way back", report))

	s = newStartable(t)
	s.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
	s.write("/etc/group", "root:x:0:\n")
	s.opts.User = "metadata"
	got.WriteString(s.text("new accounts", s.installed()))
	s.opts.NoUser = true
	got.WriteString(s.text("no accounts", s.installed()))

	compareGolden(t, "reports.txt", got.String())
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	golden := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got), -update writes it:\n%s", diff)
	}
}

// list is the list of installed files, or of what is left, without the sums of what
// changes with each version.
func (s *startable) list(name string) string {
	s.t.Helper()
	return "-- " + name + "\n" + regexp.MustCompile("[0-9a-f]{64}").ReplaceAllString(s.read(name), "SUM") + "\n"
}

// What is left to the administrator, and what is remembered, word for word.
func TestReportsOfFindings(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o022)) // of the files that the test writes
	var got strings.Builder
	dry := func(s *startable, on bool) { s.opts.DryRun = on }

	s := &startable{host: originalHost(t), answers: map[string]string{}}
	s.answers["systemctl is-enabled mdserver.service"], s.answers["systemctl is-active mdserver-dnsmasq.path"] = "enabled\n", "active\n"
	dry(s, true)
	got.WriteString(s.text("a dry run of an upgrade", s.installed()))
	dry(s, false)
	got.WriteString(s.text("an upgrade", s.installed()))
	got.WriteString(s.list(manifestPath("/usr/local")))
	s.write("/etc/libvirt/qemu/networks/mds.xml", "<network/>")
	dry(s, true)
	report, _ := s.stop(false)
	got.WriteString(s.text("a dry run of the way back", report))
	dry(s, false)
	report, _ = s.stop(false)
	got.WriteString(s.text("the way back", report))
	got.WriteString(s.list(leftRecord))
	got.WriteString(s.text("another upgrade", s.installed()))
	got.WriteString(s.list(manifestPath("/usr/local")))

	s = &startable{host: originalHost(t), answers: map[string]string{}}
	s.write(unitDir+"/mdserver-dnsmasq.path", "[Path]\n")
	s.write(unitPath+".d/own.conf", "")
	s.write(unitDir+"/mdserver-dnsmasq.service.d/own.conf", "")
	s.write(unitPath+originalSuffix, "an earlier one\n")
	s.write(originalHookPath+originalSuffix, "an earlier one\n")
	s.write("/run/mdserver/mds.pid", "1\n")
	if err := os.Chmod(s.path("/etc/mdserver/mdserver.conf"), 0o600); err != nil {
		t.Fatal(err)
	}
	got.WriteString(s.text("an upgrade of a changed host", s.installed()))
	s.write(originalHookPath, editedHook)
	got.WriteString(s.text("an edited hook", s.installed()))
	s.write(dnsmasqUnitPath, "mine\n")
	report, _ = s.stop(false)
	got.WriteString(s.text("the way back of a changed host", report))
	got.WriteString(s.list(leftRecord))

	s = newStartable(t)
	s.answers["firewall-cmd --state"], s.answers["firewall-cmd --permanent --zone=libvirt --query-service=http"] = "running\n", "yes\n"
	s.answers["systemctl show --property StateChangeTimestamp --value libvirtd.service"] = time.Now().Add(time.Hour).Format("Mon 2006-01-02 15:04:05 MST") + "\n"
	s.write("/etc/mdserver/mdserver.conf", "[mdserver]\n")
	s.write("/etc/libvirt/qemu/networks/mds.xml", "<network/>")
	s.opts.RemoveTable = func() (bool, error) { return true, nil }
	s.opts.Withdraw = func(context.Context, *config.Config, []string) ([]network.Withdrawal, error) {
		return []network.Withdrawal{{Network: "default", Removed: 3}, {Network: "lan", Problems: []string{"refused"}, Commands: []string{"virsh net-update"}}}, nil
	}
	s.installed()
	report, _ = s.start(Start{Network: "default"})
	got.WriteString(s.text("a start behind firewalld with a configuration that includes nothing", report))
	dry(s, true)
	report, _ = s.stop(false)
	got.WriteString(s.text("a dry run of an uninstall", report))
	dry(s, false)
	report, _ = s.stop(false)
	got.WriteString(s.text("an uninstall", report))

	s = newStartable(t)
	s.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
	s.write("/etc/group", "root:x:0:\n")
	s.answers["firewall-cmd --state"] = "running\n"
	s.write("/usr/local/bin/mdserver", "another program\n")
	s.write(networkPath("/usr/local"), "<network/>")
	s.symlink("/dev/null", "/etc/logrotate.d/mdserver")
	got.WriteString(s.text("files that were there before", s.installed()))
	s.pretendShipped("/etc/tmpfiles.d/mdserver-old.conf", "old\n")
	s.pretendShipped("/etc/tmpfiles.d/mdserver-mine.conf", "old\n")
	s.write("/etc/tmpfiles.d/mdserver-mine.conf", "changed\n")
	got.WriteString(s.text("files that are shipped no longer", s.installed()))
	got.WriteString(s.list(manifestPath("/usr/local")))
	report, _ = s.stop(false)
	got.WriteString(s.text("an uninstall that keeps the new users", report))
	got.WriteString(s.list(leftRecord))
	s.opts.NoUser = true
	report, _ = s.stop(true)
	got.WriteString(s.text("a purge that keeps the users", report))

	h := newHost(t)
	h.write("/etc/passwd", rootOnly)
	for name, set := range []func(){func() { h.opts.UID = 1000 }, func() { h.opts.UID = 0; h.opts.NoUser = true }, func() { h.opts.NoUser = false; h.remove("/etc/passwd") }} {
		set()
		s := &startable{host: h}
		j := h.job(h.opts.UID)
		if err := j.ensureAccounts(t.Context()); err != nil {
			t.Fatal(err)
		}
		got.WriteString(s.text(fmt.Sprint("accounts that are not made, ", name), j.report))
	}
	compareGolden(t, "findings.txt", got.String())
}

const dnsmasqUnitPath = unitDir + "/" + dnsmasqUnit
