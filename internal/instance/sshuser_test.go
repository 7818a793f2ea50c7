package instance

import (
	"strings"
	"testing"
)

func TestSSHUser(t *testing.T) {
	for value, want := range map[string]string{
		"debian": "debian", "core_2.x-y": "core_2.x-y", "9root": "9root", strings.Repeat("a", 32): strings.Repeat("a", 32),
		"": "", "-oProxyCommand=sh": "", ".ssh": "", "a b": "", "a\nHost *": "", "ä": "", "a@b": "", "%u": "", strings.Repeat("a", 33): "",
	} {
		if got := (Metadata{Values: map[string]string{KeySSHUser: value}}).SSHUser(); got != want {
			t.Errorf("%q gives the user %q, want %q", value, got, want)
		}
	}
}
