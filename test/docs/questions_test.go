package docs

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// questions are what administrators ask, where the answer is, and a part of it. A
// reader who searches for the words finds the page.
var questions = []struct{ question, words, place, answer string }{
	{"How do I get from a bare host to a first guest?", "first guest", "docs/tutorial/first-guest.md", "ssh"},
	{"What does it cost?", "memory", "docs/howto/install.md#what-it-costs-memory-disk-and-processor-time", "MB of memory"},
	{"How do I upgrade?", "upgrade", "docs/howto/install.md#upgrade", "install it over the old one"},
	{"How do I remove everything?", "uninstall", "docs/howto/install.md#uninstall", "--purge"},
	{"How do I come from the Python mdserver?", "Python mdserver", "docs/howto/upgrade.md", "config check"},
	{"Which images work?", "image", "docs/reference/images.md", "SMBIOS"},
	{"How does an existing guest find mdserver?", "recognize", "docs/reference/images.md", "smbios"},

	{"What is the address of my guest?", "find address", "docs/howto/addresses.md#find-a-guests-address", "instance ls"},
	{"How do I give a guest a fixed address?", "fixed address", "docs/howto/addresses.md#give-a-guest-a-fixed-address", "<ipv4>"},
	{"How do I change a guest's address?", "change address", "docs/howto/addresses.md#change-a-guests-address", "--live"},
	{"Which addresses are free?", "free addresses", "docs/howto/addresses.md#see-which-addresses-are-free", "network show"},
	{"How do I keep addresses for other machines?", "reserve", "docs/howto/addresses.md#reserve-addresses", "reserved ="},
	{"How do I use an address again at once?", "reuse", "docs/howto/addresses.md#reuse-an-address-for-a-new-guest", "released at once"},
	{"How do I get names resolved on the host?", "resolve host", "docs/howto/dns.md#resolve-guests-from-the-host", "resolvectl"},
	{"How do I give a guest another host name?", "host name", "docs/howto/dns.md#set-a-guests-host-name", "<hostname>"},
	{"How do I rename a guest?", "rename", "docs/howto/dns.md#rename-a-guest", "virsh domrename"},
	{"How do I set NTP servers and the MTU?", "NTP", "docs/howto/dns.md#set-ntp-servers-search-domains-and-the-mtu", "ntp_server"},

	{"How do I run user-data again?", "run again", "docs/howto/user-data.md#run-it-again", "reprovision"},
	{"How do I see what a guest got?", "what guest got", "docs/howto/user-data.md#see-what-a-guest-got", "mdserver user-data"},
	{"How do I test a template?", "test template", "docs/howto/user-data.md#test-it-before-a-guest-boots", "template check"},
	{"How do I give a group of guests the same user-data?", "group", "docs/howto/user-data.md#give-a-group-of-guests-their-user-data", "userdata_prefix"},
	{"How do I set a password for the console?", "password", "docs/howto/user-data.md#set-a-login-password", "openssl passwd"},
	{"What happens when I clone a guest?", "clone", "docs/howto/user-data.md#clone-a-guest", "virt-clone"},
	{"How do I give one guest another ssh key?", "ssh key", "docs/howto/ssh-keys.md#give-one-guest-a-key", "ssh_authorized_keys"},
	{"What is the password of my Windows guest?", "Windows password", "docs/howto/windows.md#get-the-administrators-password", "instance password"},

	{"How do I run two servers on one host?", "two servers", "docs/howto/networks.md#run-two-servers-on-one-host", "socket ="},
	{"How do I add a network?", "further network", "docs/howto/networks.md#add-a-further-network", "[network lan]"},
	{"How do I use IPv6?", "IPv6", "docs/howto/networks.md#use-ipv6", "net_address6"},
	{"How do I give a guest two interfaces?", "two interfaces", "docs/howto/networks.md#give-a-guest-two-interfaces", "default route"},
	{"How do I boot guests by PXE?", "PXE", "docs/howto/networks.md#boot-guests-by-network-pxe", "dhcp_boot"},
	{"How do I keep my own DHCP server?", "own DHCP", "docs/howto/networks.md#run-your-own-dhcp-or-dns", "run = off"},
	{"Which ports must be open?", "ports", "docs/howto/firewall.md", "169.254.169.254"},

	{"Why does a guest get no lease?", "DHCP lease", "docs/howto/troubleshooting.md#a-guest-gets-no-address", "mdserver explain"},
	{"Why does a guest have no metadata?", "no metadata", "docs/howto/troubleshooting.md#a-guest-has-no-metadata-mdserver-explain-name", "what is missing"},
	{"Why is a guest not listed?", "guest missing", "docs/howto/troubleshooting.md#a-guest-is-missing", "--refused"},
	{"Why does a guest get 403?", "403", "docs/howto/troubleshooting.md#a-guest-is-refused-with-403", "MAC address"},
	{"How do I begin again?", "empty database", "docs/howto/troubleshooting.md#begin-with-an-empty-database", "mdserver.db.mark"},
	{"How do I back up?", "backup", "docs/howto/backup.md#back-up", "mdserver backup"},
	{"How do I move to a new host?", "move another host", "docs/howto/move.md", "mdserver restore"},
	{"How do I wait for a guest in a script?", "wait", "docs/howto/automation.md#wait-until-a-guest-has-booted", "mdserver wait"},
	{"How do I use Terraform?", "Terraform", "docs/howto/automation.md#terraform-and-opentofu", "libvirt_domain"},
	{"How do I use Ansible?", "Ansible", "docs/howto/automation.md#ansible", "ansible_host"},
	{"How do I monitor the server?", "monitor", "docs/howto/monitoring.md", "Prometheus"},
	{"How does a script find out whether the server works?", "script", "docs/howto/automation.md#check-the-server-from-a-script", "mdserver status"},
	{"How do I let a colleague run the commands?", "another user commands", "docs/howto/automation.md#use-the-commands-as-another-user", "usermod"},
	{"What does this exit code mean?", "exit codes", "docs/reference/exit-codes.md", "cannot be reached"},
	{"Where is the log?", "log", "docs/howto/logging.md#read-the-log", "journalctl"},
	{"How do I send the log as JSON?", "JSON log", "docs/howto/logging.md#log-json", "log_format = json"},
	{"What happens while the server is down?", "server down", "docs/explanation/life-of-a-guest.md#while-mdserver-is-down", "keep running"},
	{"Can a guest read another guest's secrets?", "poses guest", "docs/explanation/security.md#a-guest-poses-as-another", "MAC"},
	{"How do I harden the host?", "harden", "docs/howto/harden.md", "port_security"},
	{"How do I prove a guest's identity?", "identity verify", "docs/howto/identity.md", "identity ca"},
}

// Each question is answered within three steps: README.md, the index, the page.
func TestQuestions(t *testing.T) {
	all := pages(t)
	const index = "docs/README.md"
	if !links(all["README.md"], index) {
		t.Fatalf("README.md does not link to %s", index)
	}
	for _, tt := range questions {
		path, anchor, _ := strings.Cut(tt.place, "#")
		page, ok := all[path]
		if !ok || anchor != "" && !page.Anchors[anchor] {
			t.Errorf("%s: there is no %s", tt.question, tt.place)
			continue
		}
		if !links(all[index], path) {
			t.Errorf("%s: %s does not link to %s", tt.question, index, path)
		}
		if !strings.Contains(page.section(anchor), tt.answer) {
			t.Errorf("%s: %s does not contain %q", tt.question, tt.place, tt.answer)
		}
		if found := search(all, tt.words); !slices.Contains(found[:min(3, len(found))], path) {
			t.Errorf("%s: a search for %q finds %q, not %s", tt.question, tt.words, found[:min(5, len(found))], path)
		}
	}
}

// links reports whether a page links to another one.
func links(page Page, path string) bool {
	return slices.ContainsFunc(page.Links(), func(link Link) bool {
		target, err := url.Parse(link.Target)
		return err == nil && target.Scheme == "" && filepath.Join(filepath.Dir(page.Path), target.Path) == path
	})
}
