package original

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/config"
)

// What is said of a configuration that sets nothing.
const (
	noDNS    = "default: dnsmasq.use_dns: is not set, which means no: guests get no DNS server. The Python mdserver's dnsmasq always offered itself; set it to yes to keep that"
	versions = "default: service.ec2_versions: is not set, and has a longer default than in the Python mdserver: guests see more versions"
)

func TestDifferences(t *testing.T) {
	const writing = "is where the server's unit may not write; allow it by `systemctl edit mdserver`: ReadWritePaths=/opt under [Service]"
	const home = "is where the server's unit does not look; allow it by `systemctl edit mdserver`: ProtectHome=read-only under [Service]"
	for text, want := range map[string][]string{
		"":                           {noDNS, versions},
		"[dnsmasq]\nuse_dns = yes\n": {versions},
		"[dnsmasq]\nuse_dns = no\n": {"2: dnsmasq.use_dns: means no: guests get no DNS server. The Python mdserver's dnsmasq always offered itself; " +
			"set it to yes to keep that", versions},
		"[dnsmasq]\ndomain = no\n": {noDNS, versions},
		"[dnsmasq]\ndomain = lab.example\n": {noDNS,
			"2: dnsmasq.domain: is also sent to guests by DHCP; the Python mdserver only wrote it to its hosts file", versions},
		"[dnsmasq]\nlease_len = 600\n": {noDNS,
			"2: dnsmasq.lease_len: is the length of a lease in seconds; the Python mdserver stopped when a file set it", versions},
		"[mdserver]\nhostname_prefix = vm\n": {noDNS,
			"2: mdserver.hostname_prefix: is the prefix of host names made for guests without one; it had no effect in the Python mdserver", versions},
		"[service]\nec2_versions = latest\n": {noDNS},
		"[dnsmasq]\nuser = root\n": {noDNS, versions,
			"2: dnsmasq.user: is the user that dnsmasq runs as; without it dnsmasq runs as a user of its own, which can read no other files of the server's"},
		"[mdserver]\nlogfile = /var/log/x.log\nuserdata_dir = /homestead/ud\n[dnsmasq]\nbase_dir = /var/lib/mdserver\nrun_dir = /run/mdserver/d\n": {noDNS, versions},
		"[mdserver]\nlogfile =\ndefault_template = None\n":                                         {noDNS, versions},
		"[mdserver]\nlogfile = /opt/md.log\n[dnsmasq]\nbase_dir = /opt/b\nrun_dir = /opt/r\n":      {noDNS, versions, "2: mdserver.logfile: " + writing, "4: dnsmasq.base_dir: " + writing, "5: dnsmasq.run_dir: " + writing},
		"[mdserver]\nuserdata_dir = /home\ndefault_template = /root/t\ndb_file = /run/user/1/db\n": {noDNS, versions, "2: mdserver.userdata_dir: " + home, "3: mdserver.default_template: " + home, "4: mdserver.db_file: " + home},
		"[mdserver]\nuserdata_dir = /opt/u\ndefault_template = /opt/t\ndb_file = /opt/db\n":        {noDNS, versions},
	} {
		path := filepath.Join(t.TempDir(), "mdserver.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range Differences(c) {
			got = append(got, strings.TrimPrefix(w.String(), path+":"))
		}
		if !slices.Equal(got, want) || !c.OfOriginal() {
			t.Errorf("%q differs in\n%s\nwant\n%s", text, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
