package blame

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBlame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.yaml")
	template := `#cloud-config
%# who may log in
users:
  - name: {{user}}
packages: [nginx]
% for n in range(2):
write_files{{n}}: []
% end
runcmd:
  - systemctl start {{service}}
ntp: {servers: [bad
merge_how: nonsense
`
	if err := os.WriteFile(path, []byte(template), 0o600); err != nil {
		t.Fatal(err)
	}
	rendered := "#cloud-config\nusers:\n  - name: ada\npackages: [nginx]\nwrite_files0: []\nwrite_files1: []\nruncmd:\n  - systemctl start web\nntp: {servers: [bad\nmerge_how: nonsense\n"
	message := "Content-Type: multipart/mixed; boundary=B\nMIME-Version: 1.0\n\n--B\nContent-Type: text/cloud-config\n\n#cloud-config\nreporting: {}\n\n--B\nContent-Type: text/cloud-config\n\n" + rendered + "\n--B--\n"
	for name, c := range map[string]struct {
		body, module, failure string
		want                  int
	}{
		"a part that is not merged":      {rendered, "init", "Failed at merging in cloud config part from web.yaml: Matcher identifer 'nonsense' is not in the right format", 12},
		"a line of YAML":                 {rendered, "", "Failed loading yaml blob. Invalid format at line 9 column 15: expected ',' or ']'", 11},
		"a line with a value":            {rendered, "", "Invalid format at line 3 column 1", 4},
		"a line of the schema":           {rendered, "", "Cloud config schema errors: format-l4.c1: bad", 5},
		"a key of the schema":            {rendered, "", "Cloud config schema errors: ntp.servers: 'bad' is not a list", 11},
		"runcmd":                         {rendered, "scripts_user", "Runparts: 1 failures (runcmd) in 1 attempted commands", 9},
		"packages":                       {rendered, "package_update_upgrade_install", "", 5},
		"a module like its key":          {rendered, "ntp", "", 11},
		"a loop":                         {rendered, "write_files1", "", 7},
		"a part of a message":            {message, "scripts_user", "", 9},
		"a key that is not set":          {rendered, "growpart", "", 0},
		"nothing known":                  {rendered, "", "", 0},
		"the first line":                 {rendered, "", "at line 1 column 1", 1},
		"the last line":                  {rendered, "", "at line 10 column 1", 12},
		"a line before the first":        {rendered, "", "at line 0", 0},
		"a line of a huge number":        {rendered, "ntp", "at line 99999999999999999999", 11},
		"a line past the end":            {rendered, "ntp", "at line 12", 11},
		"a key that begins like another": {"packages_x: []\npackages: [nginx]\n", "package_update_upgrade_install", "", 5},
		"a merge_type":                   {"packages: [nginx]\nmerge_how: nonsense\n", "init", "Failed at merging in cloud config part", 12},
		"a password":                     {"chpasswd: {}\nhostname: web\n", "set_passwords", "", 0},
		"a line after the end":           {rendered, "", "at line 99", 0},
		"a last line without a newline":  {strings.TrimSuffix(rendered, "\n"), "", "at line 10 column 1", 12},
	} {
		t.Run(name, func(t *testing.T) {
			got := Line("(built-in), "+path, []byte(c.body), c.module, c.failure)
			switch {
			case got == nil && c.want == 0:
			case got == nil || got.Line != c.want || got.Name != path:
				t.Errorf("%+v, want line %d", got, c.want)
			}
		})
	}
	if got := Line(path+".gone", []byte(rendered), "ntp", ""); got != nil {
		t.Errorf("%+v of a template that is gone", got)
	}
}

// Each module has the keys that it reads.
func TestModuleKeys(t *testing.T) {
	for module, want := range map[string]string{
		"set_hostname": "hostname fqdn", "update_hostname": "hostname fqdn", "set_passwords": "chpasswd password ssh_pwauth",
		"package_update_upgrade_install": "packages package_upgrade package_update", "mounts": "mounts swap", "ca_certs": "ca_certs ca-certs",
		"users_groups": "users groups user", "ssh": "ssh_keys ssh_authorized_keys", "disk_setup": "disk_setup fs_setup", "yum_add_repo": "yum_repos",
		"apt_configure": "apt", "scripts_user": "runcmd", "ssh_import_id": "ssh_import_id", "write_files_deferred": "write_files", "growpart": "growpart", "": "",
	} {
		if got := strings.Join(moduleKeys(module), " "); got != want {
			t.Errorf("%q reads %q, want %q", module, got, want)
		}
	}
}

// A line of a template that fits is the first one with the same text, or else the first
// with expressions in other places only.
func TestTemplateLine(t *testing.T) {
	for name, tt := range map[string]struct {
		template, line string
		want           int
	}{
		"the same":                         {"a: {{x}}\na: b\n", "a: b", 2},
		"the same, first":                  {"a: b\na: b\n", "a: b", 1},
		"with a value":                     {"x\na: {{b}}\n", "a: b", 2},
		"with two values":                  {"a: {{b}} c {{d}}\n", "a: 1 c 2", 1},
		"with more behind":                 {"a: {{b}} c\n", "a: b c d", 0},
		"with more before":                 {"a: {{b}}\n", "xa: b", 0},
		"only a value":                     {"{{b}}\n", "a: b", 0},
		"only a value and spaces":          {" {{b}} \n", "a: b", 0},
		"with a carriage return":           {"a: {{b}} c\r\n", "a: b c", 1},
		"with signs of regular expression": {"a.c: {{b}}\n", "abc: b", 0},
		"without expressions":              {"a: c\n", "a: b", 0},
		"nothing":                          {"", "a: b", 0},
	} {
		if got := templateLine(tt.template, tt.line); got != tt.want {
			t.Errorf("%s: line %d, want %d", name, got, tt.want)
		}
	}
}
