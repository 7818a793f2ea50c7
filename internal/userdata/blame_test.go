package userdata

import (
	"os"
	"path/filepath"
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
		"a part that is not merged": {rendered, "init", "Failed at merging in cloud config part from web.yaml: Matcher identifer 'nonsense' is not in the right format", 12},
		"a line of YAML":            {rendered, "", "Failed loading yaml blob. Invalid format at line 9 column 15: expected ',' or ']'", 11},
		"a line with a value":       {rendered, "", "Invalid format at line 3 column 1", 4},
		"a line of the schema":      {rendered, "", "Cloud config schema errors: format-l4.c1: bad", 5},
		"a key of the schema":       {rendered, "", "Cloud config schema errors: ntp.servers: 'bad' is not a list", 11},
		"runcmd":                    {rendered, "scripts_user", "Runparts: 1 failures (runcmd) in 1 attempted commands", 9},
		"packages":                  {rendered, "package_update_upgrade_install", "", 5},
		"a module like its key":     {rendered, "ntp", "", 11},
		"a loop":                    {rendered, "write_files1", "", 7},
		"a part of a message":       {message, "scripts_user", "", 9},
		"a key that is not set":     {rendered, "growpart", "", 0},
		"nothing known":             {rendered, "", "", 0},
		"a line after the end":      {rendered, "", "at line 99", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := Blame("(built-in), "+path, []byte(c.body), c.module, c.failure)
			switch {
			case got == nil && c.want == 0:
			case got == nil || got.Line != c.want || got.Name != path:
				t.Errorf("%+v, want line %d", got, c.want)
			}
		})
	}
	if got := Blame(path+".gone", []byte(rendered), "ntp", ""); got != nil {
		t.Errorf("%+v of a template that is gone", got)
	}
}
