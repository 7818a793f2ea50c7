//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/doctor"
	"mdserver/internal/doctor/finding"
	"mdserver/test/lab"
	"mdserver/test/remedies"
)

// ward is a patient with a libvirt of its own: a mount namespace in which
// /etc/libvirt, /var/lib/libvirt, /run/libvirt and /run/libvirtd.pid are private.
type ward struct {
	*patient
	holder *lab.Process // keeps the mount namespace
	daemon *lab.Process
}

const wardScript = `set -e
mount --make-rprivate /
for d in etc run var/lib var/log var/cache; do
	mkdir -p "$W/$d/libvirt" "/$d/libvirt"
	[ $d != etc ] || cp -r /etc/libvirt/. "$W/etc/libvirt/" 2>/dev/null || true
	mount --bind "$W/$d/libvirt" "/$d/libvirt"
done
touch /run/libvirtd.pid "$W/pid"
mount --bind "$W/pid" /run/libvirtd.pid
rm -rf /etc/libvirt/hooks /etc/libvirt/qemu
mkdir -p /etc/libvirt/hooks/qemu.d /var/lib/libvirt/qemu /var/lib/libvirt/dnsmasq /var/lib/libvirt/network
printf 'unix_sock_group = "root"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n' > /etc/libvirt/libvirtd.conf
printf 'user = "root"\ngroup = "root"\nsecurity_driver = "none"\ncgroup_controllers = []\n' > /etc/libvirt/qemu.conf
cp "$HOOK" /etc/libvirt/hooks/qemu.d/mdserver
touch "$W/ready"
exec sleep infinity
`

const (
	wardNetwork = `<network><name>mds</name><forward mode="bridge"/><bridge name="br-mds"/></network>`
	wardGuest   = `<domain type="qemu"><name>web1</name><uuid>4f2c8f0e-6a0b-4d0e-9d6e-0f6f6f1f7a01</uuid>%s<memory>65536</memory>` +
		`<os><type arch="x86_64">hvm</type>%s</os><devices><interface type="network"><mac address="52:54:00:4a:0c:11"/><source network="%s"/></interface></devices></domain>`
	wardSysinfo = `<sysinfo type="smbios"><system><entry name="serial">ds=nocloud-net;s=http://169.254.169.254/nocloud/</entry></system></sysinfo>`
)

// newWard has a server, a started network, a guest and the hook: all is well.
func newWard(t *testing.T, r *remedies.Exercised) *ward {
	t.Helper()
	w := &ward{patient: newPatient(t, r)}
	// The server runs outside of the mount namespace, where that libvirt is not.
	file, err := w.WriteFile("ward.conf", w.Config().Set("libvirt", "uri", "qemu:///system").String())
	if err != nil {
		t.Fatal(err)
	}
	w.file = file
	hook, err := os.ReadFile("../../packaging/libvirt/qemu.d/mdserver")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteFile("hook", string(hook)); err != nil {
		t.Fatal(err)
	}
	w.do("chmod 755 " + w.Path("hook"))
	w.holder = w.start("holder", []string{"W=" + w.Path("libvirt"), "HOOK=" + w.Path("hook")}, "unshare", "-m", "sh", "-c", wardScript)
	eventually(t, "libvirt's directories", func(context.Context) error {
		_, err := os.Stat(w.Path("libvirt", "ready"))
		return err
	})
	if err := os.Mkdir(w.Path("bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(suite.binary, w.Path("bin", "mdserver")); err != nil {
		t.Fatal(err)
	}
	w.startLibvirt()
	w.define("net-define", wardNetwork)
	w.inside("virsh net-start mds")
	w.define("define", fmt.Sprintf(wardGuest, wardSysinfo, `<smbios mode="sysinfo"/>`, "mds"))
	return w
}

func (w *ward) start(name string, env []string, command ...string) *lab.Process {
	w.t.Helper()
	p, err := w.Host.Start(name, env, command[0], command[1:]...)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// enter is the start of a command line in the private mount namespace.
func (w *ward) enter() []string {
	return []string{"nsenter", "--mount=/proc/" + fmt.Sprint(w.holder.Pid()) + "/ns/mnt", "--"}
}

func (w *ward) startLibvirt() {
	w.t.Helper()
	w.daemon = w.start("libvirtd", nil, append(w.enter(), "libvirtd")...)
	eventually(w.t, "libvirtd", func(context.Context) error { return w.try("virsh version") })
}

// try runs a shell command in the private mount namespace, where mdserver is
// installed.
func (w *ward) try(command string) error {
	args := append(w.enter(), "env", "PATH="+w.Path("bin")+":"+os.Getenv("PATH"), "sh", "-c", command)
	out, err := w.Host.Command(suite.ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	return nil
}

func (w *ward) inside(command string) {
	w.t.Helper()
	if err := w.try(command); err != nil {
		w.t.Fatal(err)
	}
}

// mend types the commands of a finding as they are printed.
func (w *ward) mend(f finding.Finding) {
	w.t.Helper()
	w.remedies.Run(w.t, f, func(command string) {
		w.t.Helper()
		w.inside(command)
	})
}

func (w *ward) define(command, xml string) {
	w.t.Helper()
	file, err := w.WriteFile("define.xml", xml)
	if err != nil {
		w.t.Fatal(err)
	}
	w.inside("virsh " + command + " " + file)
}

// examine is what doctor says in there, and its exit code.
func (w *ward) examine() (doctor.Report, int) {
	w.t.Helper()
	args := append(w.enter(), suite.binary, "doctor", "--json", "--config", w.file)
	return readReport(w.t, w.Host.Command(suite.ctx, args[0], args[1:]...))
}

// healthy waits until doctor finds nothing wrong at all.
func (w *ward) healthy() {
	w.t.Helper()
	eventually(w.t, "health", func(context.Context) error {
		if report, code := w.examine(); code != 0 || !report.Healthy {
			return fmt.Errorf("exit code %d: %s", code, describe(report))
		}
		return nil
	})
}

// ill makes a fault, sees that doctor finds it and exits with 1, and gives the
// finding.
func (w *ward) ill(check string, words ...string) finding.Finding {
	w.t.Helper()
	report, code := w.examine()
	equal(w.t, "the exit code", fmt.Sprint(code), "1")
	for _, f := range wrongs(report, check) {
		if containsAll(f.Text, words) {
			return f
		}
	}
	w.t.Fatalf("%s with %q is not in %s", check, words, describe(report))
	return finding.Finding{}
}

// finds looks for a finding of one check in one state that has these words.
func (w *ward) finds(check string, state finding.State, words ...string) *finding.Finding {
	w.t.Helper()
	report, _ := w.examine()
	for _, f := range report.Findings {
		if f.Check == check && f.State == state && containsAll(f.Text, words) {
			return &f
		}
	}
	return nil
}

// warned gives a finding that is a warning.
func (w *ward) warned(check string, words ...string) finding.Finding {
	w.t.Helper()
	f := w.finds(check, finding.Warning, words...)
	if f == nil {
		report, _ := w.examine()
		w.t.Fatalf("%s does not warn of %q: %s", check, words, describe(report))
	}
	return *f
}

// Remedies fit the network: its own name, bridge and addresses, and what is
// there already is left alone.
func TestDoctorAndNetworks(t *testing.T) {
	t.Parallel()
	w := newWard(t, remedies.Covers(t))
	config := w.Config().Set("libvirt", "uri", "qemu:///system").
		Set("network lan", "interface", "br-lan").Set("network lan", "net_address", "10.50.0.0").Set("network lan", "net_prefix", "24")
	file, err := w.WriteFile("lan.conf", config.String())
	if err != nil {
		t.Fatal(err)
	}
	w.file = file

	t.Log("neither a bridge nor a network of libvirt's")
	f := w.ill("libvirt network", `no network "lan"`, "br-lan")
	contains(t, "the remedy", strings.Join(f.Remedy, "\n"), "10.50.0.1", "net-start lan")
	w.mend(f)
	w.cured("libvirt network", "bridge", "route")
	w.inside("virsh net-destroy lan")
	w.mend(w.ill("bridge", "br-lan", "does not exist"))
	w.cured("libvirt network", "bridge", "route")
	w.inside("virsh net-destroy lan && virsh net-undefine lan")
	w.mend(w.ill("bridge", "br-lan", "does not exist"))
	w.cured("libvirt network", "bridge", "route")
	w.inside("virsh net-destroy lan && virsh net-undefine lan")

	t.Log("a bridge of one's own, which libvirt does not know")
	w.inside("ip link add br-lan type bridge && ip link set br-lan up && ip address add 10.50.0.1/24 dev br-lan")
	w.cured("libvirt network", "bridge")

	t.Log("a bridge of one's own that is gone, and that libvirt only knows by name")
	w.define("net-define", `<network><name>lan</name><forward mode="bridge"/><bridge name="br-lan"/></network>`)
	w.inside("virsh net-start lan && ip link del br-lan")
	w.mend(w.ill("bridge", "br-lan", "does not exist"))
	w.cured("libvirt network", "bridge")
	w.inside("virsh net-destroy lan && virsh net-undefine lan")

	t.Log("libvirt's network has another bridge")
	w.define("net-define", `<network><name>lan</name><forward mode="bridge"/><bridge name="br-mds"/></network>`)
	w.inside("virsh net-start lan")
	f = w.ill("libvirt network", `network "lan"`, "br-mds", "br-lan")
	contains(t, "the advice", f.Advice[0], w.file, "line ", "[network lan]", `"interface = br-lan"`, `"interface = br-mds"`)
	w.mend(f)
	w.follow(f)
	if report, _ := w.examine(); slices.ContainsFunc(report.Findings, func(f finding.Finding) bool { return strings.Contains(f.Text, "but the configuration says") }) {
		t.Errorf("the change does not help: %s", describe(report))
	}
	w.inside("virsh net-destroy lan && virsh net-undefine lan")

	t.Log("the same with the network of [dnsmasq]")
	w.file, err = w.WriteFile("mds.conf", w.Config().Set("libvirt", "uri", "qemu:///system").String())
	if err != nil {
		t.Fatal(err)
	}
	w.inside("virsh net-destroy mds && virsh net-undefine mds")
	w.define("net-define", `<network><name>mds</name><forward mode="bridge"/><bridge name="br-own"/></network>`)
	w.inside("ip link add br-own type bridge && virsh net-start mds")
	f = w.ill("libvirt network", `network "mds"`, "br-own", "br-mds")
	w.mend(f)
	contains(t, "the advice", strings.Join(f.Advice, "\n"), "[dnsmasq]", "restart mdserver")
	w.inside("virsh net-destroy mds && virsh net-undefine mds && ip link del br-own")
	w.define("net-define", wardNetwork)
	w.inside("virsh net-start mds")

	t.Log("libvirt is to serve a network that it does not have")
	file, err = w.WriteFile("other.conf", w.Config().Set("libvirt", "uri", "qemu:///system").Set("network other", "backend", "libvirt").String())
	if err != nil {
		t.Fatal(err)
	}
	w.file = file
	f = w.ill("libvirt network", `no network "other"`)
	contains(t, "the advice", strings.Join(f.Advice, "\n"), "[network other]", `"mds"`)
	w.mend(f) // no command can know what the network is to be

	t.Log("it is the one that libvirt's packages define")
	w.file, err = w.WriteFile("stock.conf", w.Config().Set("libvirt", "uri", "qemu:///system").Set("network default", "backend", "libvirt").String())
	if err != nil {
		t.Fatal(err)
	}
	w.mend(w.ill("libvirt network", `no network "default"`))
	w.cured("libvirt network")
	w.inside("virsh net-destroy default && virsh net-undefine default")
	report, _ := w.examine()
	for _, f := range report.Findings {
		for _, command := range f.Remedy {
			if strings.HasPrefix(command, "sed ") {
				t.Errorf("%s: %q edits a file blindly", f.Check, command)
			}
		}
	}
}

// cured makes sure that some checks find nothing wrong.
func (w *ward) cured(checks ...string) {
	w.t.Helper()
	report, _ := w.examine()
	for _, check := range checks {
		if found := wrongs(report, check); len(found) > 0 {
			w.t.Errorf("%s: %+v", check, found)
		}
	}
}

// From health through each fault of libvirt back to health, by the remedies
// that doctor names.
func TestDoctorAndLibvirt(t *testing.T) {
	t.Parallel()
	w := newWard(t, remedies.Covers(t))
	w.healthy()

	t.Log("the network is not started")
	w.inside("virsh net-destroy mds")
	w.mend(w.ill("libvirt network", "not started"))
	w.healthy()

	t.Log("libvirt's directory is gone")
	w.inside("mv /var/lib/libvirt/dnsmasq /var/lib/libvirt/away")
	w.mend(w.ill("libvirt state", "missing"))
	w.inside("rmdir /var/lib/libvirt/dnsmasq && mv /var/lib/libvirt/away /var/lib/libvirt/dnsmasq")
	w.healthy()

	t.Log("a guest on another network")
	w.define("define", strings.NewReplacer("web1", "web2", "7a01", "7a02", "0c:11", "0c:12").
		Replace(fmt.Sprintf(wardGuest, wardSysinfo, `<smbios mode="sysinfo"/>`, "elsewhere")))
	warned := w.warned("guests", `"web2"`, "network elsewhere")
	contains(t, "the advice", strings.Join(warned.Advice, "\n"), "section [network elsewhere]", w.file)
	w.mend(warned)
	w.healthy()
	if w.finds("guests", finding.Warning, `"web2"`) != nil {
		t.Error("web2 is still said to be on no network")
	}

	t.Log("a domain that has nothing to do with mdserver")
	w.inside("virsh undefine web2")
	w.define("define", strings.NewReplacer("web1", "web2", "7a01", "7a02", "0c:11", "0c:12").Replace(fmt.Sprintf(wardGuest, "", "", "elsewhere")))
	if w.finds("guests", finding.OK, "1 of 2 domains are on served networks") == nil {
		report, _ := w.examine()
		t.Errorf("an unrelated domain is not left alone: %s", describe(report))
	}

	t.Log("a guest with another's MAC")
	twin := fmt.Sprintf(wardGuest, "", "", "mds")
	if _, err := w.server.Run(suite.ctx, strings.NewReader(twin), "instance", "add", "-"); err != nil {
		t.Fatal(err)
	}
	twin = strings.NewReplacer("web1", "twin", "7a01", "7a03").Replace(twin)
	if _, err := w.server.Run(suite.ctx, strings.NewReader(twin), "instance", "add", "-"); err == nil {
		t.Fatal("a guest with another's MAC is registered")
	}
	refused := w.ill("guests", `"twin"`, "refused", "MAC address in use")
	w.mend(refused)
	contains(t, "the advice", strings.Join(refused.Advice, "\n"), "another MAC address")
	if _, err := w.server.Run(suite.ctx, strings.NewReader(strings.Replace(twin, "0c:11", "0c:13", 1)), "instance", "add", "-"); err != nil {
		t.Fatal(err)
	}
	w.healthy()

	t.Log("a guest whose image finds no datasource")
	w.inside("virsh undefine web2")
	w.define("define", fmt.Sprintf(wardGuest, "", "", "mds"))
	w.mend(w.ill("datasource", `"web1"`, "only names QEMU"))
	w.healthy()
	w.inside("virsh undefine web1")
	w.define("define", fmt.Sprintf(wardGuest, wardSysinfo, "", "mds"))
	w.mend(w.ill("datasource", `"web1"`, "has no effect without"))
	w.healthy()

	t.Log("no hook")
	w.inside("rm /etc/libvirt/hooks/qemu.d/mdserver")
	w.ill("hook", "no hook")
	w.inside("cp " + w.Path("hook") + " /etc/libvirt/hooks/qemu.d/mdserver && chmod 644 /etc/libvirt/hooks/qemu.d/mdserver")
	w.mend(w.ill("hook", "is not executable"))
	w.cured("hook")

	t.Log("a hook younger than libvirtd")
	w.inside("sleep 1.2 && rm /etc/libvirt/hooks/qemu.d/mdserver && cp -p " + w.Path("hook") + " /etc/libvirt/hooks/qemu.d/mdserver")
	w.mend(w.ill("hook", "only when it starts or reloads"))
	w.inside("virsh net-start mds || virsh net-info mds | grep -q 'Active: *yes'")
	w.healthy()

	t.Log("a dead libvirtd, and none at all")
	w.inside("kill -KILL $(cat /run/libvirt/libvirtd.pid 2>/dev/null || cat /run/libvirtd.pid)")
	eventually(t, "libvirtd's end", func(context.Context) error {
		if w.try("virsh version") == nil {
			return errors.New("it lives")
		}
		return nil
	})
	contains(t, "the remedy", w.ill("libvirt", "its daemon does not run").Remedy[0], "systemctl start libvirtd.service")
	w.inside("rm -f /run/libvirt/libvirt-sock")
	w.ill("libvirt", "socket is missing")
	w.startLibvirt()
	w.inside("virsh net-info mds | grep -q 'Active: *yes' || virsh net-start mds")
	w.healthy()

	t.Log("a guest whose hardware names no datasource, and which has found its metadata")
	w.inside("virsh undefine web1")
	w.define("define", fmt.Sprintf(wardGuest, "", "", "mds"))
	w.ill("datasource", `"web1"`, "only names QEMU")
	guest, err := w.AddGuest(suite.ctx, "web1", "52:54:00:4a:0c:11")
	if err != nil {
		t.Fatal(err)
	}
	dhcp(t, guest)
	get(t, guest, "/latest/user-data")
	w.healthy()
}
