//go:build host

package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/test/docs"
)

// guided runs the blocks of the guides, each after the configuration that its
// section shows. The guests are on mdserver's own network and on libvirt's.
func (h *host) guided(mds, other guest) {
	h.t.Helper()
	h.addresses1(mds)
	h.userData(mds)
	h.names(mds)
	h.networks()
	h.operation(mds)
	h.settles("after the guides", []guest{mds, other})
}

func (h *host) addresses1(g guest) {
	h.t.Helper()
	h.block("docs/howto/addresses.md#Find a guest's address#1", "alice")
	h.must("root", "virsh destroy web1")
	h.block("docs/howto/addresses.md#Give a guest a fixed address#1", "alice")
	h.wants("dig +short web1 @"+onMds, "10.122.0.80\n")
	h.guide("docs/howto/addresses.md#Reserve addresses", "alice")
	h.block("docs/howto/addresses.md#See which addresses are free#1", "alice")
}

func (h *host) userData(g guest) {
	h.t.Helper()
	h.guide("docs/howto/user-data.md#Give all guests the same user-data", "alice")
	h.wants("mdserver user-data web1 | grep -c manage_etc_hosts", "1\n")
	h.must("root", "echo '#cloud-config' >/etc/mdserver/userdata/webserver.yaml")
	h.must("root", "virsh destroy web1")
	h.block("docs/howto/user-data.md#Give a group of guests their user-data#1", "alice")
	h.wants("mdserver user-data web1", "#cloud-config\n")
	h.must("root", "virsh start web1")
	h.block("docs/howto/user-data.md#Test it before a guest boots#1", "alice")
	before := h.must("root", "mdserver instance show web1 --json | jq -r .instance_id")
	h.block("docs/howto/user-data.md#Run it again#1", "alice")
	if after := h.must("root", "mdserver instance show web1 --json | jq -r .instance_id"); after == before {
		h.t.Errorf("the guest keeps its instance-id %s", before)
	}
	h.guide("docs/howto/ssh-keys.md#Give all guests a key", "alice")
	h.wants("mdserver user-data idle1 | grep -c 'alice@example.net\\|bob@example.net'", "2\n")
	h.block("docs/tutorial/first-guest.md#5. Give the guest its own user-data#1", "alice")
	h.block("docs/tutorial/first-guest.md#5. Give the guest its own user-data#2", "alice")
	h.block("docs/reference/images.md#Make an image recognize mdserver#2", "alice")
	h.must("root", "rm /etc/mdserver/userdata/webserver.yaml /etc/mdserver/userdata/web2.yaml")
}

func (h *host) names(g guest) {
	h.t.Helper()
	h.must("root", "virsh destroy web1")
	h.block("docs/howto/dns.md#Set a guest's host name#1", "alice")
	h.must("root", "virsh start web1")
	h.must("root", h.eventually("dig +short www @"+onMds+" | grep -q 10.122"))
	h.guide("docs/howto/dns.md#Set NTP servers, search domains and the MTU", "alice")
	h.must("root", h.eventually("grep -rq 1450 /var/lib/mdserver/dnsmasq"))
	h.must("root", "virsh metadata web1 urn:md_server:domain_metadata --config --remove; virsh destroy web1; virsh start web1")
	h.must("root", h.eventually("dig +short web1 @"+onMds+" | grep -q 10.122"))
}

func (h *host) networks() {
	h.t.Helper()
	h.must("root", "ip link add br-lan type bridge && ip address add 10.50.0.1/24 dev br-lan && ip link set br-lan up")
	h.guide("docs/howto/networks.md#Add a further network", "alice")
	h.must("root", "mdserver network ls --json | grep -q 10.50.0.0/24")
	h.unguide()
	h.must("root", "systemctl reload mdserver && ip link delete br-lan")
	h.green("without the further network")
	h.guide("docs/howto/harden.md#Turn on port security", "alice")
	h.block("docs/howto/harden.md#Check what is protected#1", "alice")
	h.block("docs/howto/harden.md#Check the units#1", "root")
	h.must("root", "ufw --force enable")
	h.block("docs/howto/firewall.md#ufw#1", "alice")
	h.must("root", "ufw --force disable")
	h.green("after ufw")
}

func (h *host) operation(g guest) {
	h.t.Helper()
	h.block("docs/howto/automation.md#Get JSON#1", "alice")
	h.wants("bash -c "+quote(readBlock(h.t, "docs/howto/automation.md#Get JSON#2")), h.must("root", "dig +short web1 @"+onMds))
	h.block("docs/howto/automation.md#Select guests#1", "root")
	h.block("docs/howto/automation.md#Handle errors#1", "root")
	h.block("docs/howto/automation.md#Use the commands as another user#1", "alice")
	h.block("docs/howto/automation.md#Get JSON#2", "alice")
	h.must("root", "virsh destroy web1")
	h.block("docs/howto/automation.md#Wait until a guest is registered#1", "alice")
	h.block("docs/howto/automation.md#Register a guest by hand#1", "alice")
	h.guide("docs/howto/logging.md#Change the level", "alice")
	h.guide("docs/howto/logging.md#Log JSON", "alice")
	h.must("root", "mdserver instance reprovision --yes web1 && journalctl --sync")
	out := h.block("docs/howto/logging.md#Log JSON#2", "alice")
	if !strings.Contains(out, `"guest": "web1"`) {
		h.t.Errorf("the log has no line of web1:\n%s", out)
	}
	h.block("docs/howto/identity.md#In the service#1", "alice")
	h.block("docs/howto/monitoring.md#Look at the metrics#1", "alice")
	h.guide("docs/howto/monitoring.md#Let Prometheus scrape them", "alice")
	h.unguide()
	h.must("root", "systemctl restart mdserver; rm -f ~alice/mdserver/mdserver-identity.pem; gpasswd --delete alice mdserver")
}

const guideFile = "/etc/mdserver/mdserver.conf.d/guide.conf"

// guide writes the block of configuration in a section of the documentation
// into a file of its own, and runs the section's first block of commands.
func (h *host) guide(section, user string) {
	h.t.Helper()
	h.configure(section)
	h.block(section+"#1", user)
}

// configure writes the block of configuration in a section of the documentation into a
// file of its own.
func (h *host) configure(section string) {
	h.t.Helper()
	h.writeFile(guideFile, firstBlock(h.t, section, "ini"))
}

// writeFile makes a file on the host that runs.
func (h *host) writeFile(path, text string) {
	h.t.Helper()
	if out, err := h.run(suite.ctx, "root", "mkdir -p $(dirname "+path+") && cat >"+path, text); err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
}

func (h *host) unguide() {
	h.t.Helper()
	h.must("root", "rm "+guideFile)
}

// firstBlock returns the first block of a language below a heading.
func firstBlock(t *testing.T, section, language string) string {
	t.Helper()
	path, heading, _ := strings.Cut(section, "#")
	pages, err := docs.Read(sources)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if page.Path != path {
			continue
		}
		for _, block := range page.Blocks(language) {
			if block.Section == heading {
				return block.Text
			}
		}
	}
	t.Fatalf("%s has no block in %s", section, language)
	return ""
}

// quote quotes a text for the shell.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// The tutorial's blocks are parts of those of README.md, which are run.
func TestTutorialIsReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(sources, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for place, c := range covered {
		if c.partOfReadme && !strings.Contains(string(readme), readBlock(t, place)) {
			t.Errorf("%s is not what README.md has", place)
		}
	}
}
