//go:build e2e

package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// trouble is a boot that something is wrong with, by the guest's user-data.
type trouble struct {
	name     string
	userdata string // a template
	older    outcome
	newer    outcome
}

// outcome is what the server should say of a boot.
type outcome struct {
	state  string
	module string
	line   int // of the template; 0: none is to blame
}

// troubles happen for real, in Debian 12's cloud-init and in Debian 13's. The older one
// only logs some of them as warnings.
var troubles = []trouble{
	{"nothing", "#cloud-config\nruncmd:\n- 'true'\n", outcome{"ready", "", 0}, outcome{"ready", "", 0}},
	{"a failing command", "#cloud-config\nwrite_files: []\nruncmd:\n- exit 3\n", outcome{"failed", "scripts_user", 3}, outcome{"failed", "scripts_user", 3}},
	{"a failing script", "#!/bin/sh\nexit 3\n", outcome{"failed", "scripts_user", 0}, outcome{"failed", "scripts_user", 0}},
	{"a failing command at the start", "#cloud-config\nbootcmd:\n- 'false'\n- exit 3\n", outcome{"failed", "bootcmd", 2}, outcome{"failed", "bootcmd", 2}},
	{"a file that cannot be written", "#cloud-config\n# {{hostname}}\nwrite_files:\n- {path: /proc/none/file, content: x}\n", outcome{"failed", "write_files", 3}, outcome{"failed", "write_files", 3}},
	{"a time zone that does not exist", "#cloud-config\ntimezone: Nowhere/{{hostname}}\n", outcome{"failed", "timezone", 2}, outcome{"failed", "timezone", 2}},
	{"a program that is not installed", "#cloud-config\nssh_import_id: ['gh:nobody']\n", outcome{"ready", "", 0}, outcome{"degraded", "ssh_import_id", 2}},
	{"an invalid user", "#cloud-config\nusers:\n- {name: web1, primary_group: 'no such:group'}\n", outcome{"failed", "users_groups", 2}, outcome{"failed", "users_groups", 2}},
	{"invalid YAML", "#cloud-config\nruncmd:\n- a\n  b: [\n", outcome{"degraded", "", 4}, outcome{"degraded", "init", 4}},
	{"user-data of no known kind", "hello\n", outcome{"ready", "", 0}, outcome{"degraded", "init", 0}},
	{"a key of the wrong type", "#cloud-config\n\nruncmd: 3\n", outcome{"failed", "runcmd", 3}, outcome{"failed", "runcmd", 3}},
	{"a template that fails", "#cloud-config\n\n# {{hostname.nothing()}}\n", outcome{"failed", "", 3}, outcome{"failed", "", 3}},
}

// The server names the module that failed and the line of the template.
func TestTroubledBoots(t *testing.T) {
	t.Parallel()
	for _, tt := range troubles {
		t.Run("12 "+tt.name, func(t *testing.T) {
			t.Parallel()
			bootTroubled(t, chroot(t), oneOfEach(looks)[0], tt.userdata, tt.older)
		})
		t.Run("13 "+tt.name, func(t *testing.T) {
			t.Parallel()
			bootTroubled(t, trixie(t), oneOfEach(newerLooks())[1], tt.userdata, tt.newer)
		})
	}
}

func bootTroubled(t *testing.T, root string, look look, userdata string, want outcome) {
	t.Helper()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("mdserver", "report", "yes"))
	if _, err := l.WriteFile("userdata/trouble", userdata); err != nil {
		t.Fatal(err)
	}
	web1 := registerWithParts(t, l, s, "trouble")
	guest, err := l.AddGuest(suite.ctx, web1.Name, web1.MAC)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := guest.BootCloudInit(suite.ctx, root, look.firmware(web1)); err != nil {
		t.Log("cloud-init ended with an error, as it may:", firstLine(err.Error()))
	}
	shown := command(t, s, "boots", "web1", "--json")
	var boots []struct {
		Verdict struct {
			State, Module, Reason string
			Template              struct{ Line int }
		}
	}
	if err := json.Unmarshal([]byte(shown), &boots); err != nil || len(boots) != 1 {
		t.Fatalf("%v: want one boot in\n%s", err, shown)
	}
	v := boots[0].Verdict
	if got := (outcome{v.State, v.Module, v.Template.Line}); got != want {
		t.Errorf("the verdict is %+v (%s), want %+v in\n%s", got, v.Reason, want, shown)
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
