package doctor

import (
	"strings"
	"testing"
)

func TestConfines(t *testing.T) {
	for loaded, want := range map[string]bool{
		"":                       false,
		"libvirtd (enforce)\n":   false,
		"dnsmasq (complain)\n":   false,
		"dnsmasq (unconfined)\n": false,
		"dnsmasq//libvirt_leaseshelper (enforce)\n": false,
		"libvirtd (enforce)\ndnsmasq (enforce)\n":   true,
		"/usr/sbin/dnsmasq (enforce)\n":             true,
	} {
		if got := confines(loaded); got != want {
			t.Errorf("%q: %v, want %v", loaded, got, want)
		}
	}
}

// The rules that the remedy adds are those that the check looks for.
func TestAdmits(t *testing.T) {
	const profile = "profile dnsmasq /usr/{bin,sbin}/dnsmasq {\n  /var/lib/libvirt/dnsmasq/* r,\n  @{run}/*dnsmasq*.pid w,\n"
	dirs := []string{"/var/lib/mdserver/dnsmasq", "/run/mdserver", "/srv/a directory"}
	for _, dir := range dirs {
		if admits(profile, dir) {
			t.Errorf("%s has a rule in %s", dir, profile)
		}
	}
	added := strings.NewReplacer("' '", "\n", "'", "\n").Replace(admit(dirs))
	for _, dir := range dirs {
		if !admits(profile+added, dir) {
			t.Errorf("%s has no rule in %s", dir, added)
		}
	}
	if !admits("  @{run}/mdserver/** rw,\n", "/run/mdserver") || !admits("owner /srv/d/** rw,", "/srv/d") {
		t.Error("a rule by a variable, or for the owner, is not seen")
	}
}
