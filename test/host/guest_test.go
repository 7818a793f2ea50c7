//go:build host

package host

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/test/lab"
)

// guest is a guest and where its name is served.
type guest struct{ name, server string }

// The guests of README.md, and some more that have no disk: the firmware of those
// waits, which takes no time of the processor's.
var (
	readmes = []guest{{"web1", onDefault}, {"web2", onMds}}
	all     = append(readmes, guest{"idle1", onDefault}, guest{"idle2", onMds}, guest{"idle3", onDefault}, guest{"idle4", onMds})
)

const (
	onDefault = "192.168.122.1"
	onMds     = "10.122.0.1"
)

// TestDebian12 follows README.md on a fresh host, from its packages to a shell
// in a guest on libvirt's network and in one on mdserver's own. Then the host
// goes through what hosts go through, until mdserver is removed.
func TestDebian12(t *testing.T) {
	h := newHost(t, "bookworm")
	h.block("README.md#First guest#1", "alice")
	before := h.everything()
	h.firstGuest("web1", "README.md#First guest#2")
	h.green("after the first guest")
	h.firstGuest("web2", "README.md#First guest#3")
	h.green("after the second guest")
	h.reported()
	h.identity(readmes[0])

	for _, g := range all[len(readmes):] {
		h.idle(g)
		h.must("root", "virsh start "+g.name)
	}
	for _, service := range []string{"mdserver", "libvirtd"} {
		h.must("root", "systemctl restart "+service)
		h.settles("after a restart of "+service, all)
	}
	for _, g := range all {
		h.must("root", "virsh autostart "+g.name)
	}
	served := h.addresses(all)
	h.reboot()
	h.settles("after a reboot of the host", all)
	if after := h.addresses(all); after != served {
		t.Errorf("the guests' addresses after a reboot are %s, and were %s", after, served)
	}
	for _, g := range readmes {
		began := time.Now()
		h.must("alice", "ssh -o ConnectionAttempts=600 debian@"+h.address(g)+" hostname")
		t.Logf("%s let alice in %s after the host was up, without a question", g.name, time.Since(began).Round(time.Second))
	}
	h.removed(before)
}

// firstGuest runs a block that ends with a shell in the guest.
func (h *host) firstGuest(name, place string) {
	h.t.Helper()
	out := h.block(place, "alice", "cloud-init status --wait", "echo I am $(hostname)")
	if !strings.Contains(out, "status: done") || !strings.Contains(out, "I am "+name+"\n") {
		h.t.Fatalf("%s did not lead to a shell in %s:\n%s", place, name, out)
	}
}

// reported checks what the guests of README.md have reported of their boots, and that
// ssh trusts the host keys in the reports.
func (h *host) reported() {
	h.t.Helper()
	h.block("docs/howto/reports.md#Ask guests to report#1", "alice")
	out := h.block("docs/howto/reports.md#See the reports#1", "alice")
	if !strings.Contains(out, "modules-final") {
		h.t.Errorf("web1 has not reported its last stage:\n%s", out)
	}
	for _, g := range readmes {
		h.must("root", "mdserver wait "+g.name+" --for ready --timeout 1m")
		h.must("root", "mdserver known-hosts "+g.name+" >/tmp/"+g.name)
		h.wants("su alice -c 'ssh -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/tmp/"+g.name+" debian@"+h.address(g)+" hostname'", g.name+"\n")
	}
}

// identity checks a guest's identity documents as the documentation does.
func (h *host) identity(g guest) {
	h.t.Helper()
	h.must("alice", fmt.Sprintf(`cd mdserver
get() { ssh debian@%s curl -fsS http://169.254.169.254/latest/dynamic/instance-identity/"$1" >"$1"; }
get document
get signature
get rsa2048
rsa2048=$(printf -- '-----BEGIN PKCS7-----\n%%s\n-----END PKCS7-----' "$(cat rsa2048)")
echo "$rsa2048" >rsa2048
sudo mdserver identity ca >ca.pem`, h.address(g)))
	out := h.block("docs/reference/http.md#Identity documents#1", "alice")
	for _, want := range []string{"Verification successful", "Verified OK"} {
		if !strings.Contains(out, want) {
			h.t.Errorf("openssl did not say %q of the identity documents:\n%s", want, out)
		}
	}
}

// idle defines a guest without a disk. Its UUID follows from its name: doctor warns of one
// that begins with ec2, as one in four thousand does that libvirt makes up.
func (h *host) idle(g guest) {
	h.t.Helper()
	network := "default"
	if g.server == onMds {
		network = "mds"
	}
	xml := fmt.Sprintf(`<domain type='qemu'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>64</memory>
<sysinfo type='smbios'><system><entry name='product'>OpenStack Nova</entry></system></sysinfo>
<os><type arch='x86_64' machine='q35'>hvm</type><smbios mode='sysinfo'/></os>
<devices><interface type='network'><source network='%s'/><model type='virtio'/></interface></devices></domain>`, g.name, uuid.NewSHA1(uuid.NameSpaceDNS, []byte(g.name)), network)
	if out, err := h.run(suite.ctx, "root", "virsh define /dev/stdin", xml); err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
}

// address asks for a guest's address as README.md does.
func (h *host) address(g guest) string {
	h.t.Helper()
	return strings.TrimSpace(h.must("alice", "dig +short "+g.name+" @"+g.server))
}

func (h *host) addresses(guests []guest) string {
	h.t.Helper()
	var all []string
	for _, g := range guests {
		all = append(all, g.name+" "+h.address(g))
	}
	return strings.Join(all, ", ")
}

// settles waits until the server knows all guests as running and their names are
// served, and wants doctor to find nothing.
func (h *host) settles(when string, guests []guest) {
	h.t.Helper()
	began := time.Now()
	err := lab.Poll(suite.ctx, time.Minute, func(ctx context.Context) error {
		states, err := h.states(ctx)
		if err != nil {
			return err
		}
		for _, g := range guests {
			out, err := h.run(ctx, "root", "dig +short "+g.name+" @"+g.server, "")
			if states[g.name] != "running" || err != nil || strings.TrimSpace(out) == "" {
				return fmt.Errorf("%s is %q, and its name has the address %q (%v)", g.name, states[g.name], out, err)
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatalf("%s: %v", when, err)
	}
	h.t.Logf("%s all guests were known and served within %s", when, time.Since(began).Round(100*time.Millisecond))
	h.green(when)
}

// states are those of the guests that the server knows.
func (h *host) states(ctx context.Context) (map[string]string, error) {
	out, err := h.run(ctx, "root", "mdserver instance ls --json", "")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var list []struct{ Name, State string }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	states := map[string]string{}
	for _, g := range list {
		states[g.Name] = g.State
	}
	return states, nil
}

// green wants doctor to find all well, if not at once then soon.
func (h *host) green(when string) {
	h.t.Helper()
	err := lab.Poll(suite.ctx, 20*time.Second, func(ctx context.Context) error {
		out, err := h.run(ctx, "root", "mdserver doctor --json", "")
		var report struct {
			Findings []struct{ State, Check, Finding string }
		}
		if broken := json.Unmarshal([]byte(out), &report); broken != nil || len(report.Findings) == 0 {
			return fmt.Errorf("%v %v\n%s", err, broken, out)
		}
		for _, f := range report.Findings {
			if f.State != "ok" {
				return fmt.Errorf("%s %s: %s", f.State, f.Check, f.Finding)
			}
		}
		return nil
	})
	if err != nil {
		h.t.Errorf("doctor is not content %s: %v\n%s", when, err, h.must("root", "mdserver doctor || true"))
	}
}

// TestDebian13FirstGuest follows README.md on a fresh Debian 13, from its packages
// to a shell in a guest. TestDebian13 uninstalls.
func TestDebian13FirstGuest(t *testing.T) {
	h := newHost(t, "trixie")
	began := time.Now()
	h.block("README.md#First guest#1", "alice")
	h.firstGuest("web1", "README.md#First guest#2")
	t.Logf("from a host without packages to a shell in a guest whose cloud-init is done: %s", time.Since(began).Round(time.Second))
	h.green("after the first guest")
}
