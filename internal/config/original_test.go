package config

import (
	"slices"
	"testing"
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
		c := loadText(t, text)
		var got []string
		for _, w := range c.Differences() {
			got = append(got, w.Key)
		}
		if !slices.Equal(got, want) || !c.OfOriginal() {
			t.Errorf("%q differs in %v, want %v", text, got, want)
		}
	}
}

func TestOfOriginal(t *testing.T) {
	for text, want := range map[string]bool{
		"[public-keys]\nme = ssh-ed25519 AAAA me\n": true, "[template-data]\nx = 1\n": true, "[mdserver]\nloglevel = debug\n": true,
		"[mdserver]\nnosuch = 1\n": true, "[mdserver]\ntemplate_escape = none\n": false, "[network default]\nbackend = libvirt\n": false,
		"[libvirt]\nuri = off\n": false,
	} {
		if got := loadText(t, text).OfOriginal(); got != want {
			t.Errorf("%q is of the original: %v, want %v", text, got, want)
		}
	}
}
