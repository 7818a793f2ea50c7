package userdata

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/config"
	"mdserver/internal/instance"
)

// site is a configuration and a user-data directory made for one test.
type site struct {
	t    *testing.T
	dir  string // of the templates
	log  bytes.Buffer
	conf string // what follows the basic keys in mdserver.conf

	reports Reports
}

func newSite(t *testing.T, conf string) *site {
	t.Helper()
	return &site{t: t, dir: t.TempDir(), conf: conf}
}

func (s *site) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) renderer() *Renderer {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "mdserver.conf")
	text := fmt.Sprintf("[mdserver]\nuserdata_dir = %s\n%s", s.dir, s.conf)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		s.t.Fatal(err)
	}
	return New(cfg, s.reports, slog.New(slog.NewTextHandler(&s.log, nil)))
}

func (s *site) render(r *Renderer, guest *instance.Instance) string {
	s.t.Helper()
	got, err := r.Render(s.t.Context(), guest)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(got.Body)
}

func guest(name string, metadata map[string]string) *instance.Instance {
	return &instance.Instance{
		ID: "i-1", Name: name, Hostname: instance.DeriveHostname(name, uuid.Nil, "vm"),
		UUID: uuid.NewSHA1(uuid.Nil, []byte(name)), MAC: instance.MAC{0x52, 0x54, 0, 9, 0, 1},
		IPv4: netip.MustParseAddr("10.122.0.5"), Hardware: instance.Hardware{VCPUs: 2, Memory: 2 << 30},
		Metadata: instance.Metadata{Values: metadata},
	}
}

func TestSearchOrder(t *testing.T) {
	const mac = "52:54:00:09:00:01"
	steps := []string{"web", "web.yaml", mac, mac + ".yaml"}
	s := newSite(t, "")
	s.conf = "default_template = " + filepath.Join(s.dir, "base.yaml") + "\n"
	s.write("base.yaml", "from base.yaml")
	for _, name := range steps {
		s.write(name, "from "+name)
	}
	r := s.renderer()
	for _, name := range append(steps, "base.yaml") {
		if got, want := s.render(r, guest("web", nil)), "from "+name; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.render(r, guest("web", nil)); !strings.HasPrefix(got, "#cloud-config\nhostname: web\n") {
		t.Errorf("the built-in template gave %q", got)
	}
}

func TestUserdataPrefixIsTheOnlyChoice(t *testing.T) {
	s := newSite(t, "")
	s.write("web", "by name")
	s.write("special.yaml", "by prefix")
	s.write("roles/db.yaml", "in a folder")
	r := s.renderer()
	for prefix, want := range map[string]string{"special": "by prefix", "roles/db": "in a folder"} {
		if got := s.render(r, guest("web", map[string]string{"userdata_prefix": prefix})); got != want {
			t.Errorf("prefix %q: %q, want %q", prefix, got, want)
		}
	}
	if got := s.render(r, guest("web", map[string]string{"userdata_prefix": ""})); got != "by name" {
		t.Errorf("an empty prefix: %q", got)
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"nothere", "..", "../../etc/passwd", "/etc/passwd", outside, "roles"} {
		_, err := r.Render(t.Context(), guest("web", map[string]string{"userdata_prefix": prefix}))
		if !errors.Is(err, ErrNoTemplate) {
			t.Errorf("prefix %q: error %v, want ErrNoTemplate", prefix, err)
		}
	}
}

func TestOddGuestNamesReachNoOtherFile(t *testing.T) {
	s := newSite(t, "")
	if err := os.WriteFile(filepath.Join(filepath.Dir(s.dir), "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.renderer()
	for _, name := range []string{"..", ".", "a b", "$(id)", strings.Repeat("x", 255), "Grüße"} {
		if got := s.render(r, guest(name, nil)); !strings.HasPrefix(got, "#cloud-config\n") {
			t.Errorf("%q: %q", name, got)
		}
	}
}

const variables = `
password = hash123
[public-keys]
ops = key of ops
default = key of all
[dnsmasq]
prefix = lab-
domain = example.net
[template-data]
foo = bar
hostname = not to be had
_config_items_ = 'dnsmasq.prefix,dnsmasq.domain'
`

func TestVariables(t *testing.T) {
	tests := []struct{ template, want string }{
		{"{{hostname}}", "web"},
		{"{{public_key_default}} {{public_key_ops}}", "key of all key of ops"},
		{"{{public_keys['ops']}} {{len(public_keys)}}", "key of ops 2"},
		{"{{mdserver_password}}", "hash123"},
		{"{{get('mdserver.password')}}", "hash123"},
		{"{{get('dnsmasq.net_name')}}", "mds"},
		{"{{foo}} {{prefix}} {{domain}}", "bar lab- example.net"},
		{"{{instance['name']}} {{instance['uuid'][:8]}} {{instance['mac']}}", "web " + guest("web", nil).UUID.String()[:8] + " 52:54:00:09:00:01"},
		{"{{instance['ipv4']}} {{instance['ipv6']}}", "10.122.0.5 None"},
		{"{{instance['vcpus']}} {{instance['memory']}}", "2 2048"},
		{"{{instance['metadata']['rack']}}", "four"},
	}
	for _, tt := range tests {
		t.Run(tt.template, func(t *testing.T) {
			s := newSite(t, variables)
			s.write("web", tt.template)
			if got := s.render(s.renderer(), guest("web", map[string]string{"rack": "four"})); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// Every key with a value in force is a variable, and can be a config item.
func TestValuesInForceAreVariables(t *testing.T) {
	s := newSite(t, "[service]\nlocation = rack4\n[template-data]\n_config_items_ = service.region, mdserver.userdata_size\n")
	for template, want := range map[string]string{
		"{{get('service.region')}} {{region}}":                      "rack4 rack4",
		"{{get('service.availability_zone')}}":                      "rack4a",
		"{{get('mdserver.userdata_size')}} {{userdata_size}}":       "16384 16384",
		"{{get('mdserver.template_escape')}}":                       "html",
		"{{get('service.location')}} {{get('dnsmasq.net_name')}}":   "rack4 mds",
		"{{get('mdserver.vendordata_template', 'none')}}":           "none",
		"{{get('mdserver.nosuch')}} {{defined('mdserver.nosuch')}}": "None False",
	} {
		s.write("web", template)
		if got := s.render(s.renderer(), guest("web", nil)); got != want {
			t.Errorf("%s: %q, want %q", template, got, want)
		}
	}
}

func TestPasswordIsAVariableOnlyIfItIsSet(t *testing.T) {
	s := newSite(t, "")
	s.write("web", "{{'yes' if defined('mdserver_password') else 'no'}} {{public_key_default}} {{len(public_keys)}}")
	if got := s.render(s.renderer(), guest("web", nil)); got != "no __NOT_CONFIGURED__ 0" {
		t.Errorf("%q", got)
	}
}

func TestNoRenderLeaksIntoAnother(t *testing.T) {
	s := newSite(t, variables)
	s.write("a", "% public_keys['evil'] = 'x'\n% setdefault('left', 'behind')\n% foo = 'changed'\n{{foo}}")
	s.write("b", "{{foo}} {{len(public_keys)}} {{get('left', 'nothing')}}")
	r := s.renderer()
	if got := s.render(r, guest("a", nil)); got != "changed" {
		t.Errorf("a: %q", got)
	}
	if got := s.render(r, guest("b", nil)); got != "bar 2 nothing" {
		t.Errorf("b: %q", got)
	}
}

// TestEachGuestHasItsVariables checks that each guest gets its own variables, not those
// of the guest before it.
func TestEachGuestHasItsVariables(t *testing.T) {
	s := newSite(t, "")
	s.write("base", "{{hostname}} {{instance.name}} {{instance.uuid}}")
	s.conf = "default_template = " + filepath.Join(s.dir, "base") + "\n"
	r := s.renderer()
	for _, name := range []string{"a", "b", "a", "c"} {
		web := guest(name, nil)
		if got, want := s.render(r, web), fmt.Sprint(name, " ", name, " ", web.UUID); got != want {
			t.Errorf("%s gets %q, want %q", name, got, want)
		}
	}
}

func TestAnEditedTemplateIsSeenAtTheNextRequest(t *testing.T) {
	s := newSite(t, "")
	s.write("web.yaml", "first % include\n% include('part')\n")
	s.write("part", "part one")
	r := s.renderer()
	web := guest("web", nil)
	changes := []struct {
		name, text, want string
	}{
		{"part", "part two", "first % include\npart two"},
		{"web.yaml", "second", "second"},
		{"web.yaml", "thirds", "thirds"}, // the same length
		{"web", "a better match", "a better match"},
	}
	s.render(r, web)
	for _, c := range changes {
		s.write(c.name, c.text)
		if got := s.render(r, web); got != c.want {
			t.Errorf("after a change of %s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestResultsAreKept(t *testing.T) {
	s := newSite(t, "")
	s.write("web", "{{hostname}}")
	r := s.renderer()
	web := guest("web", nil)
	waitSettled(t, filepath.Join(s.dir, "web"))
	s.render(r, web)
	kept, ok := r.cache.Get(document{"user-data", false, web.UUID})
	if !ok {
		t.Fatal("the result is not kept")
	}
	if got, err := r.Render(t.Context(), web); err != nil || &got.Body[0] != &kept.rendered.Body[0] { // shared, not copied
		t.Errorf("rendered again without a change (%v)", err)
	}
	renamed := *web
	renamed.Hostname = "other"
	if got := s.render(r, &renamed); got != "other" {
		t.Errorf("%q after a change of the record", got)
	}
}

// Files that were looked at are trusted for the time of a recheck, and no longer.
func TestAnEditIsSeenAfterARecheck(t *testing.T) {
	s := newSite(t, "")
	s.write("web", "first")
	r := s.renderer()
	web := guest("web", nil)
	waitSettled(t, filepath.Join(s.dir, "web"))
	now := time.Now()
	r.now = func() time.Time { return now }
	for _, step := range []struct {
		passes time.Duration
		edit   string
		want   string
	}{
		{0, "", "first"},
		{recheck - 1, "second", "first"},
		{1, "", "second"},
		{-time.Hour, "third", "third"}, // somebody set the clock back
	} {
		now = now.Add(step.passes)
		if step.edit != "" {
			s.write("web", step.edit)
		}
		if got := s.render(r, web); got != step.want {
			t.Errorf("%v later: %q, want %q", step.passes, got, step.want)
		}
	}
}

// waitSettled waits until the file is old enough for its times to be trusted.
func waitSettled(t *testing.T, path string) {
	t.Helper()
	prints := []fingerprint{takeFingerprint(path)}
	for !settled(prints, time.Now()) {
		time.Sleep(settling / 4)
	}
}

func TestRawTemplatesPassUntouched(t *testing.T) {
	s := newSite(t, "")
	s.write("including", "a\n% include('header')\nb\n")
	s.write("header", "## mdserver: raw\n## template: jinja\n{{ v1.local_hostname }}\n")
	s.write("suffix.raw", "{{ v1.local_hostname }}\n% not code\n")
	s.write("empty", "")
	for _, name := range []string{"both", "both.raw"} { // a template comes first
		s.write(name, "{{hostname}}")
	}
	s.write("script", "#!/bin/true")
	r := s.renderer()
	for name, want := range map[string]string{
		"header":    "## template: jinja\n{{ v1.local_hostname }}\n",
		"both":      "both",
		"including": "a\n## template: jinja\n{{ v1.local_hostname }}\nb\n",
		"suffix":    "{{ v1.local_hostname }}\n% not code\n",
		"empty":     "",
		"script":    "#!/bin/true",
	} {
		if got := s.render(r, guest(name, nil)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A header that is not understood is no text for the guest.
func TestHeadersThatAreNotUnderstood(t *testing.T) {
	s := newSite(t, "")
	s.write("unknown", "## mdserver: foo\nhello\n")
	s.write("second", "#cloud-config\n## mdserver: raw\n")
	s.write("including", "% include('unknown')\n")
	r := s.renderer()
	for name, want := range map[string]string{"unknown": "unknown:1: SyntaxError: unknown header", "second": "second:2: SyntaxError", "including": "unknown:1: SyntaxError: unknown header"} {
		if got, err := r.Render(t.Context(), guest(name, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q (%v), want an error with %q", name, got.Body, err, want)
		}
	}
	s.write("marked", "\ufeff#cloud-config\n")
	for range 2 {
		if got := s.render(s.renderer(), guest("marked", nil)); got != "\ufeff#cloud-config\n" {
			t.Errorf("behind a byte order mark: %q", got)
		}
	}
	if !strings.Contains(s.log.String(), "begins with a byte order mark") {
		t.Errorf("no warning of a byte order mark in the log: %s", s.log.String())
	}
}

func TestFailuresTellTheLineAndNoSecret(t *testing.T) {
	s := newSite(t, "password = hunter2hunter2\n")
	s.write("web.yaml", "#cloud-config\n\n{{int(mdserver_password)}}\n")
	if _, err := s.renderer().Render(t.Context(), guest("web", nil)); err == nil || !strings.Contains(err.Error(), "web.yaml:3: ValueError") {
		t.Errorf("error %v, want one of web.yaml:3", err)
	}
	if log := s.log.String(); !strings.Contains(log, "web.yaml:3") || strings.Contains(log, "hunter2") {
		t.Errorf("log %s", log)
	}
}

func TestEscapingIsWarnedOfOnce(t *testing.T) {
	s := newSite(t, "[template-data]\namp = a&b\n")
	s.write("web", "{{amp}}")
	r := s.renderer()
	for _, name := range []string{"a", "b"} {
		if got := s.render(r, guest("web", map[string]string{"x": name})); got != "a&amp;b" {
			t.Errorf("%q", got)
		}
	}
	if n := strings.Count(s.log.String(), "HTML escaping"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}

func BenchmarkRenderCached(b *testing.B)   { benchmarkRender(b, false) }
func BenchmarkRenderUncached(b *testing.B) { benchmarkRender(b, true) }

func benchmarkRender(b *testing.B, uncached bool) {
	file := filepath.Join(b.TempDir(), "mdserver.conf")
	if err := os.WriteFile(file, []byte("[mdserver]\nuserdata_dir = "+b.TempDir()+variables), 0o644); err != nil {
		b.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		b.Fatal(err)
	}
	r := New(cfg, nil, slog.New(slog.DiscardHandler))
	web := guest("web", nil)
	for b.Loop() {
		if uncached {
			copied := *web
			web = &copied
		}
		if _, err := r.Render(b.Context(), web); err != nil {
			b.Fatal(err)
		}
	}
}
