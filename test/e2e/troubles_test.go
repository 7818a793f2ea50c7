//go:build e2e

package e2e

import (
	"strings"

	"mdserver/internal/api"
)

// trouble is a boot that something is wrong with.
type trouble struct {
	name     string
	userdata string // a template
	older    outcome
	newer    outcome
	before   []outcome // of the boots before the last one
	config   map[string]string
	// happens replaces a boot that is left to itself.
	happens func(*troubled) error
}

// outcome is what the server should say of a boot.
type outcome struct {
	state  string
	module string
	line   int // of the template; 0: none is to blame
}

// hangs is user-data with a command that does not end.
const hangs = "#cloud-config\nruncmd:\n- sleep 1000\n"

// troubles happen for real, in Debian 12's cloud-init and in Debian 13's. The older one
// only logs some of them as warnings.
var troubles = []trouble{
	{name: "nothing", userdata: "#cloud-config\nruncmd:\n- 'true'\n", older: outcome{"ready", "", 0}, newer: outcome{"ready", "", 0}},
	{name: "a failing command", userdata: "#cloud-config\nwrite_files: []\nruncmd:\n- exit 3\n",
		older: outcome{"failed", "scripts_user", 3}, newer: outcome{"failed", "scripts_user", 3}},
	{name: "a failing script", userdata: "#!/bin/sh\nexit 3\n", older: outcome{"failed", "scripts_user", 0}, newer: outcome{"failed", "scripts_user", 0}},
	{name: "a failing command at the start", userdata: "#cloud-config\nbootcmd:\n- 'false'\n- exit 3\n",
		older: outcome{"failed", "bootcmd", 2}, newer: outcome{"failed", "bootcmd", 2}},
	{name: "a file that cannot be written", userdata: "#cloud-config\n# {{hostname}}\nwrite_files:\n- {path: /proc/none/file, content: x}\n",
		older: outcome{"failed", "write_files", 3}, newer: outcome{"failed", "write_files", 3}},
	{name: "a time zone that does not exist", userdata: "#cloud-config\ntimezone: Nowhere/{{hostname}}\n",
		older: outcome{"failed", "timezone", 2}, newer: outcome{"failed", "timezone", 2}},
	{name: "a program that is not installed", userdata: "#cloud-config\nssh_import_id: ['gh:nobody']\n",
		older: outcome{"ready", "", 0}, newer: outcome{"degraded", "ssh_import_id", 2}},
	{name: "an invalid user", userdata: "#cloud-config\nusers:\n- {name: web1, primary_group: 'no such:group'}\n",
		older: outcome{"failed", "users_groups", 2}, newer: outcome{"failed", "users_groups", 2}},
	{name: "invalid YAML", userdata: "#cloud-config\nruncmd:\n- a\n  b: [\n", older: outcome{"degraded", "", 4}, newer: outcome{"degraded", "init", 4}},
	{name: "user-data of no known kind", userdata: "hello\n", older: outcome{"ready", "", 0}, newer: outcome{"degraded", "init", 0}},
	{name: "a key of the wrong type", userdata: "#cloud-config\n\nruncmd: 3\n", older: outcome{"failed", "runcmd", 3}, newer: outcome{"failed", "runcmd", 3}},
	{name: "a template that fails", userdata: "#cloud-config\n\n# {{hostname.nothing()}}\n", older: outcome{"failed", "", 3}, newer: outcome{"failed", "", 3}},
	{name: "a package that does not exist",
		userdata: "#cloud-config\nbootcmd:\n- rm -rf /etc/apt/sources.list /etc/apt/sources.list.d\n" +
			"packages: [no-such-package]\ncloud_final_modules: [package_update_upgrade_install, scripts_user]\n",
		older: outcome{"failed", "package_update_upgrade_install", 4}, newer: outcome{"failed", "package_update_upgrade_install", 4}},
	{name: "a full disk", userdata: "#cloud-config\nbootcmd:\n- mount -t tmpfs -o size=4k full /srv\nwrite_files:\n- {path: /srv/file, content: '" +
		strings.Repeat("x", 9000) + "'}\n",
		older: outcome{"failed", "write_files", 4}, newer: outcome{"failed", "write_files", 4}},
	{name: "an invalid merge_how", userdata: "#cloud-config\nmerge_how: nonsense\nruncmd:\n- exit 3\n",
		older: outcome{"degraded", "", 2}, newer: outcome{"degraded", "init", 2}},
	{name: "reports that the user sends elsewhere", userdata: "#cloud-config\nreporting:\n  mdserver: {type: webhook, endpoint: 'http://169.254.169.254/elsewhere'}\nruncmd:\n- exit 3\n",
		older: outcome{"failed", "scripts_user", 4}, newer: outcome{"failed", "scripts_user", 4}},
	{name: "many commands of the wrong type", userdata: "#cloud-config\nruncmd: [" + strings.Repeat("{a: b}, ", 4000) + "x]\n",
		older: outcome{"failed", "runcmd", 2}, newer: outcome{"failed", "runcmd", 2}},
	{name: "vendor-data that fails", userdata: "#cloud-config\n", config: map[string]string{"vendordata_template": "userdata/vendor"},
		older: outcome{"ready", "", 0}, newer: outcome{"failed", "", 2}}, // EC2 has no vendor-data
	{name: "a command that hangs", userdata: hangs, config: map[string]string{"stuck_after": "3s"},
		older: outcome{"stuck", "scripts_user", 2}, newer: outcome{"stuck", "scripts_user", 2}, happens: func(b *troubled) error {
			return b.killWhen(func(v api.Verdict) bool { return v.State == api.Stuck && v.Module == "scripts_user" })
		}},
	{name: "a guest killed midway and started again", userdata: hangs, before: []outcome{{"off", "", 0}},
		older: outcome{"failed", "scripts_user", 2}, newer: outcome{"failed", "scripts_user", 2}, happens: func(b *troubled) error {
			if err := b.killWhen(func(v api.Verdict) bool {
				return strings.HasPrefix(v.Phase, "modules-final/config-scripts") && strings.HasSuffix(v.Phase, "user")
			}); err != nil {
				return err
			}
			b.use("#cloud-config\nruncmd:\n- exit 3\n")
			b.switchOn()
			return b.boot(b.ctx)
		}},
	{name: "no network", userdata: "#cloud-config\n", config: map[string]string{"stuck_after": "3s"},
		older: outcome{"stuck", "", 0}, newer: outcome{"stuck", "", 0}, happens: func(b *troubled) error {
			if err := b.unplug(); err != nil {
				return err
			}
			return b.killWhen(func(v api.Verdict) bool { return v.State == api.Stuck })
		}},
	{name: "a server away for a while", userdata: "#cloud-config\nruncmd:\n- sleep 5; exit 3\n",
		older: outcome{"failed", "scripts_user", 2}, newer: outcome{"failed", "scripts_user", 2}, happens: func(b *troubled) error {
			back := make(chan error, 1)
			go func() { back <- b.restartAtFirstReport() }()
			err := b.boot(b.ctx)
			if err := <-back; err != nil {
				return err
			}
			return err
		}},
	{name: "two boots, the first of which fails", userdata: "#cloud-config\nruncmd:\n- exit 3\n", before: []outcome{{"failed", "scripts_user", 2}},
		older: outcome{"ready", "", 0}, newer: outcome{"ready", "", 0}, happens: func(b *troubled) error {
			if err := b.boot(b.ctx); err != nil {
				return err
			}
			b.use("#cloud-config\nruncmd:\n- 'true'\n")
			b.switchOn()
			return b.boot(b.ctx)
		}},
	{name: "a reboot by cloud-init", before: []outcome{{"ready", "", 0}},
		userdata: "#cloud-config\npower_state: {mode: reboot, condition: test ! -e /var/rebooted}\nbootcmd:\n- test ! -e /var/rebooting || touch /var/rebooted; touch /var/rebooting\n" +
			"cloud_final_modules: [scripts_user, power_state_change]\n",
		older: outcome{"ready", "", 0}, newer: outcome{"ready", "", 0}},
}
