package userdata

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mdserver/internal/config"
	"mdserver/internal/userdata/multipart"
)

// The keys for templates have the effect that their documentation says.
func TestTemplateKeys(t *testing.T) {
	for name, tt := range map[string]struct{ conf, template, want string }{
		"escape is html":     {"", "{{'<&>'}}", "&lt;&amp;&gt;"},
		"escape is none":     {"template_escape = none\n", "{{'<&>'}}", "<&>"},
		"none is text":       {"", "[{{None}}]", "[None]"},
		"none is empty":      {"template_none = empty\n", "[{{None}}]", "[]"},
		"format is template": {"", "{{1 + 1}}", "2"},
		"format is raw":      {"template_format = raw\n", "{{1 + 1}}", "{{1 + 1}}"},
		"steps":              {"template_steps = 1000\n", "% for i in range(100000):\n% pass\n% end\n", "template_steps"},
		"memory":             {"template_memory = 1\n", "% x = 'x' * (2 << 20)\n", "template_memory"},
		"enough memory":      {"template_memory = 4\n", "% x = 'x' * (2 << 20)\nfine", "fine"},
		"just too little":    {"template_memory = 1\n", "% x = 'x' * (3 << 19)\n", "template_memory"},
		"output":             {"template_output = 1\n", "{{'x' * 2000}}", "template_output"},
		"recursion":          {"template_recursion = 10\n", "% def f(n):\n% return f(n + 1)\n% end\n% f(1)\n", "template_recursion"},
		"more output":        {"template_output = 2\n", "{{'x' * 2000}}", "xxx"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, tt.conf)
			s.write("web", tt.template)
			got, err := s.renderer().Render(t.Context(), guest("web", nil))
			if result := string(got.Body) + text(err); !strings.Contains(result, tt.want) {
				t.Errorf("%.200q, want %q", result, tt.want)
			}
		})
	}
}

// A document that may be kept for debugging is readable by the server's user only.
func TestDocumentsForDebugging(t *testing.T) {
	run := t.TempDir()
	s := newSite(t, "debug_userdata = yes\nvendordata_template = VENDOR\n[dnsmasq]\nrun_dir = "+run+"\n")
	s.conf = strings.Replace(s.conf, "VENDOR", filepath.Join(s.dir, "vendor"), 1)
	s.write("web", "user-data of {{hostname}}")
	s.write("vendor", "vendor-data of {{hostname}}")
	r, web := s.renderer(), guest("web", nil)
	s.render(r, web)
	if _, err := r.Vendor(t.Context(), web, false); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(run, "userdata")
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	for name, want := range map[string]string{"userdata": "user-data of web", "vendordata": "vendor-data of web"} {
		path := filepath.Join(dir, web.UUID.String()+"."+name)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		if got, err := os.ReadFile(path); string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if strings.Contains(s.log.String(), "not kept") {
		t.Errorf("logged: %s", s.log.String())
	}
	if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := s.render(s.renderer(), web); got != "user-data of web" || !strings.Contains(s.log.String(), "debug_userdata: user-data not kept") {
		t.Errorf("%q; logged: %s", got, s.log.String())
	}
}

// Without debug_userdata nothing is kept on the disk.
func TestNothingForDebugging(t *testing.T) {
	run := t.TempDir()
	s := newSite(t, "[dnsmasq]\nrun_dir = "+run+"\n")
	s.render(s.renderer(), guest("web", nil))
	if entries, err := os.ReadDir(run); err != nil || len(entries) != 0 || s.log.Len() > 0 {
		t.Errorf("%v, %v; logged %s", entries, err, &s.log)
	}
}

// Each limit of a template is set by a key of the configuration, which its error names.
func TestLimitKeys(t *testing.T) {
	keys := map[string]bool{}
	for _, v := range config.Default().InForce() {
		keys[v.Key] = true
	}
	for limit, key := range limitKeys {
		if !keys["mdserver."+key] && !keys[key] {
			t.Errorf("%v: there is no key %q", limit, key)
		}
	}
}

// A key of _config_items_ that is not in force, or has no section, makes no variable.
func TestConfigItems(t *testing.T) {
	cfg := config.Default()
	cfg.ConfigItems = []string{"mdserver.nothing", "nothing", "mdserver.listen_address"}
	vars := siteVariables(cfg)
	if _, there := vars["nothing"]; there || len(vars) != len(siteVariables(config.Default()))+1 || vars["listen_address"] == nil {
		t.Errorf("%v", vars)
	}
	if _, nameless := vars[""]; nameless {
		t.Error("there is a variable without a name")
	}
}

// A value of a secret is replaced in an error unless it is as short as common words.
func TestSecretsInErrors(t *testing.T) {
	for password, want := range map[string]string{"hunter": "'[secret]'", "abcde": "'[secret]'", "abcd": "'abcd'"} {
		s := newSite(t, "password = "+password+"\n")
		s.write("web", "{{int(mdserver_password)}}")
		_, err := s.renderer().Render(t.Context(), guest("web", nil))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(s.log.String(), password) != (want == "'abcd'") {
			t.Errorf("%s: %v; logged %s", password, err, s.log.String())
		}
	}
	s := newSite(t, "password = roles/secret\n")
	_, err := s.renderer().Render(t.Context(), guest("web", map[string]string{"userdata_prefix": "roles/secret"}))
	if !errors.Is(err, ErrNoTemplate) || !strings.HasPrefix(err.Error(), "no such template: ") || strings.Contains(err.Error(), "roles/secret") {
		t.Errorf("%v", err)
	}
}

// Names lists what a template can use.
func TestNames(t *testing.T) {
	s := newSite(t, variables)
	file := filepath.Join(t.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte("[mdserver]\nuserdata_dir = "+s.dir+s.conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	names := Names(cfg)
	for _, name := range []string{"hostname", "instance", "public_keys", "public_key_ops", "mdserver_password", "foo", "prefix", "dnsmasq.prefix"} {
		if !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
	if names["nothing"] || names["_config_items_"] {
		t.Errorf("%v", names)
	}
}

// The variable instance has what is known of a guest.
func TestInstanceVariable(t *testing.T) {
	web := guest("web", map[string]string{"rack": "four"})
	web.Location, web.Metadata.Tags = "rack4", map[string]string{"a": "b"}
	s := newSite(t, "")
	s.write("web", "{{!' '.join('%s=%s' % (k, instance[k]) for k in instance)}}")
	want := fmt.Sprintf("id=i-1 name=web hostname=web uuid=%s mac=52:54:00:09:00:01 ipv4=10.122.0.5 ipv6=None location=rack4 metadata={'rack': 'four', 'tags': 'a=b'} tags={'a': 'b'} vcpus=2 memory=2048", web.UUID)
	if got := s.render(s.renderer(), web); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Template data replaces no other variable.
func TestTakenNames(t *testing.T) {
	s := newSite(t, "[public-keys]\nops = key of ops\n[dnsmasq]\nprefix = lab-\n[template-data]\npublic_keys = mine\nprefix = mine\nhostname = mine\nfree = mine\n_config_items_ = dnsmasq.prefix\n")
	s.write("web", "{{public_keys['ops']}} {{prefix}} {{hostname}} {{free}}")
	if got := s.render(s.renderer(), guest("web", nil)); got != "key of ops mine web mine" {
		t.Errorf("%q", got)
	}
}

// A hundred parts are accepted, and no more.
func TestNumberOfParts(t *testing.T) {
	s := newSite(t, "")
	s.write("a", "#!/bin/true\n")
	r := s.renderer()
	for n, want := range map[int]string{maxParts: "", maxParts + 1: "userdata_parts names 101 parts, accepted: at most 100"} {
		web := guest("web", map[string]string{"userdata_parts": strings.TrimSuffix(strings.Repeat("a,", n), ",")})
		if _, err := r.Render(t.Context(), web); text(err) != want {
			t.Errorf("%d parts: %v, want %q", n, err, want)
		}
		if got := len(r.Explain(t.Context(), web).Candidates); got != maxParts*3 {
			t.Errorf("%d parts: %d candidates", n, got)
		}
	}
}

// Parts that are too large together are an error that names the last one.
func TestSizeOfParts(t *testing.T) {
	s := newSite(t, "userdata_size = 64\n")
	s.write("a", "#!/bin/true\n"+strings.Repeat("x", 40<<10))
	s.write("b", "#!/bin/true\n"+strings.Repeat("y", 40<<10))
	_, err := s.renderer().Render(t.Context(), guest("web", map[string]string{"userdata_parts": "a,b"}))
	if !errors.Is(err, multipart.ErrTooLarge) && !strings.Contains(text(err), "userdata_size allows 64 KiB") || !strings.HasPrefix(text(err), `part "b": `) {
		t.Errorf("%v", err)
	}
}

// A document may be exactly as large as is allowed.
func TestExactSize(t *testing.T) {
	for extra, want := range map[int]string{0: "", 1: "userdata_size allows 64 KiB"} {
		s := newSite(t, "userdata_size = 64\n")
		s.write("web", strings.Repeat("x", 64<<10+extra))
		if _, err := s.renderer().Render(t.Context(), guest("web", nil)); !strings.Contains(text(err), want) || (err != nil) != (want != "") {
			t.Errorf("%d bytes more: %v", extra, err)
		}
	}
}

// A name that is empty or too long is looked for nowhere.
func TestNamesThatMeanNothing(t *testing.T) {
	s := newSite(t, "")
	s.write(".yaml", "text")
	r := s.renderer()
	for name, want := range map[string]int{"": 0, strings.Repeat("x/", maxName/2): 3, strings.Repeat("x/", maxName/2) + "x": 0} {
		found, watched, err := r.firstOf([]string{name})
		if found.name != "" || len(watched) != want || err != nil {
			t.Errorf("%.10q of %d bytes: found %q, watched %d paths, %v", name, len(name), found.name, len(watched), err)
		}
		if got := len(r.files("a rule", name)); got != want {
			t.Errorf("%.10q of %d bytes: %d candidates", name, len(name), got)
		}
		if nothing := r.tried(name) == "nothing: the name is empty or too long"; nothing != (want == 0) {
			t.Errorf("%.10q of %d bytes: tried %.100s", name, len(name), r.tried(name))
		}
	}
	if got := s.render(r, guest("", nil)); !strings.HasPrefix(got, "#cloud-config") {
		t.Errorf("a guest without a name gets %q", got)
	}
}

// The explanation lists each rule with its files, in the order of the search.
func TestExplain(t *testing.T) {
	s := newSite(t, "")
	s.conf = "default_template = " + filepath.Join(s.dir, "base") + "\n"
	s.write("web.yaml", "text")
	s.write("52:54:00:09:00:01/x", "")
	r := s.renderer()
	for name, tt := range map[string]struct {
		metadata map[string]string
		serves   string
		want     string
	}{
		"by name": {nil, filepath.Join(s.dir, "web.yaml"), "the domain's name:web the domain's name:web.yaml! the domain's name:web.raw " +
			"the MAC address:52:54:00:09:00:01 the MAC address:52:54:00:09:00:01.yaml the MAC address:52:54:00:09:00:01.raw default_template:base the default:(built-in)!"},
		"by prefix": {map[string]string{"userdata_prefix": "db"}, "", "the domain's userdata_prefix, and no other:db the domain's userdata_prefix, and no other:db.yaml the domain's userdata_prefix, and no other:db.raw"},
		"by parts":  {map[string]string{"userdata_parts": "web"}, filepath.Join(s.dir, "web.yaml"), "the domain's userdata_parts:web the domain's userdata_parts:web.yaml! the domain's userdata_parts:web.raw"},
	} {
		choice := r.Explain(t.Context(), guest("web", tt.metadata))
		var words []string
		for _, c := range choice.Candidates {
			word := c.Rule + ":" + strings.TrimPrefix(c.Path, s.dir+"/")
			if c.There {
				word += "!"
			}
			if c.Wrong != "" {
				word += " " + c.Wrong
			}
			words = append(words, word)
		}
		if got := strings.Join(words, " "); got != tt.want || choice.Serves != tt.serves || (choice.Error == "") != (tt.serves != "") {
			t.Errorf("%s: serves %q (%s)\n%s\nwant\n%s", name, choice.Serves, choice.Error, got, tt.want)
		}
	}
	if got, err := r.Render(t.Context(), guest("other", map[string]string{})); err != nil || got.Template != "(built-in)" {
		t.Errorf("from %q, %v", got.Template, err)
	}
}

// A suffix that is configured is not searched twice.
func TestSuffixes(t *testing.T) {
	for _, tt := range [][2]string{{":.yaml", ":.yaml:.raw"}, {":.raw:.yaml", ":.raw:.yaml"}, {"", ":.raw"}} {
		if got := strings.Join(suffixes(strings.Split(tt[0], ":")), ":"); got != tt[1] {
			t.Errorf("%q becomes %q, want %q", tt[0], got, tt[1])
		}
	}
}

// Raw files are known by what they begin with, by a zero byte, and by their suffix.
func TestRaw(t *testing.T) {
	for name, tt := range map[string]struct {
		file, source string
		byDefault    bool
		want         bool
	}{
		"a template":                   {"web", "{{x}}", false, false},
		"the default":                  {"web", "{{x}}", true, true},
		"the suffix":                   {"web.raw", "{{x}}", false, true},
		"like the suffix":              {"webraw", "{{x}}", false, false},
		"gzip without a zero byte":     {"web", "\x1f\x8b\x08\x01", false, true},
		"a zero byte first":            {"web", "\x00x", false, true},
		"a zero byte last":             {"web", "x\x00", false, true},
		"half of gzip's beginning":     {"web", "\x1f", false, false},
		"a misplaced header, as it is": {"web", "a\n## mdserver: raw\n", true, true},
	} {
		if body, raw, err := Raw(tt.file, tt.source, tt.byDefault); raw != tt.want || body != tt.source || err != nil {
			t.Errorf("%s: raw %v, %q, %v", name, raw, body, err)
		}
	}
}

// Only a template that begins with a byte order mark is warned of.
func TestMarks(t *testing.T) {
	for source, want := range map[string]int{"#cloud-config\n": 0, "\ufeff#cloud-config\n": 1, "## mdserver: raw\n\ufeffx": 1, "\ufeff## mdserver: raw\nx": 0, "x\ufeff": 0} {
		s := newSite(t, "")
		s.write("web", source)
		s.render(s.renderer(), guest("web", nil))
		if got := strings.Count(s.log.String(), "byte order mark"); got != want {
			t.Errorf("%q: %d warnings, want %d", source, got, want)
		}
	}
}

// A document has the SHA-256 of its bytes.
func TestHash(t *testing.T) {
	s := newSite(t, "")
	s.write("web", "abc") // FIPS 180-2, appendix B.1
	got, err := s.renderer().Render(t.Context(), guest("web", nil))
	if err != nil || got.Hash != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("%q, %v", got.Hash, err)
	}
}

// What a render may take by the clock is ten times its computing time.
func TestWork(t *testing.T) {
	s := newSite(t, "template_time = 3000\n")
	if r := s.renderer(); r.work != 30*time.Second {
		t.Errorf("%v", r.work)
	}
}

// A file is read up to its limit.
func TestTooLargeATemplate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	for extra, want := range map[int64]string{0: "", 1: fmt.Sprintf("%s has 4194305 bytes, accepted: at most 4194304", path)} {
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, maxTemplate+extra)); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		got, readErr := readFile(f, err)
		if text(readErr) != want || want == "" && len(got) != maxTemplate || want != "" && got != "" {
			t.Errorf("%d bytes more: %d bytes, %v", extra, len(got), readErr)
		}
	}
}
