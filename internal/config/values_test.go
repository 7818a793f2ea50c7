package config

import "testing"

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
