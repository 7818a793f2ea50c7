package original

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/config"
)

func TestDifferences(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                   {"dnsmasq.use_dns", "service.ec2_versions"},
		"[dnsmasq]\nuse_dns = yes\n":         {"service.ec2_versions"},
		"[dnsmasq]\nuse_dns = no\n":          {"dnsmasq.use_dns", "service.ec2_versions"},
		"[dnsmasq]\ndomain = no\n":           {"dnsmasq.use_dns", "service.ec2_versions"},
		"[dnsmasq]\ndomain = lab.example\n":  {"dnsmasq.use_dns", "dnsmasq.domain", "service.ec2_versions"},
		"[dnsmasq]\nlease_len = 600\n":       {"dnsmasq.use_dns", "dnsmasq.lease_len", "service.ec2_versions"},
		"[service]\nec2_versions = latest\n": {"dnsmasq.use_dns"},
		"[mdserver]\nlogfile = /var/log/mdserver.log\nuserdata_dir = /homestead/ud\n": {"dnsmasq.use_dns", "service.ec2_versions"},
		"[mdserver]\nlogfile = /opt/md.log\nuserdata_dir = /home/me/ud\n":             {"dnsmasq.use_dns", "service.ec2_versions", "mdserver.logfile", "mdserver.userdata_dir"},
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
			got = append(got, w.Key)
			if _, name, _ := strings.Cut(w.Key, "."); (w.File == path && w.Line > 0) != strings.Contains(text, name+" = ") {
				t.Errorf("%q: %s is said to be set at %s:%d", text, w.Key, w.File, w.Line)
			}
		}
		if !slices.Equal(got, want) || !c.OfOriginal() {
			t.Errorf("%q differs in %v, want %v", text, got, want)
		}
	}
}
