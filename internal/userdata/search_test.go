package userdata

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A file that a guest's template can be is used or is an error. It never counts
// as absent, so that no other document takes its place.
func TestLinksAndUnusableFiles(t *testing.T) {
	link := func(target string) func(path string) error {
		return func(path string) error { return os.Symlink(target, path) }
	}
	outside := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(outside, []byte("from outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := func(path string) error {
		if err := os.Symlink(outside, path); err != nil {
			return err
		}
		return os.Lchown(path, 4242, -1)
	}
	for name, tt := range map[string]struct {
		make func(path string) error
		want string // of the document, or of the error
	}{
		"a link that leads out":         {link(outside), "from outside"},
		"a link within":                 {link("roles/db.yaml"), "from within"},
		"as Kubernetes mounts":          {link("..data/web.yaml"), "from within"},
		"a link of another user":        {foreign, "of user 4242 is not followed"},
		"a dangling link":               {link("nothere"), "broken symbolic link"},
		"a dangling link out":           {link("/nothere/web"), "broken symbolic link"},
		"a link to itself":              {link("web"), "too many levels of symbolic links"},
		"a link to a device":            {link("/dev/null"), "is not a regular file"},
		"a FIFO":                        {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "is not a regular file"},
		"too large":                     {func(path string) error { return os.WriteFile(path, make([]byte, maxTemplate+1), 0o600) }, "accepted: at most"},
		"a directory, beside web.yaml":  {func(path string) error { return os.Mkdir(path, 0o700) }, "by the suffix"},
		"a link to a directory, beside": {link("roles"), "by the suffix"},
	} {
		for _, metadata := range []map[string]string{nil, {"userdata_prefix": "web"}, {"userdata_parts": "web"}} {
			s := newSite(t, "userdata_suffixes = :.yaml\ndefault_template = "+outside+"\n")
			s.write("roles/db.yaml", "from within")
			s.write("..2026/web.yaml", "from within")
			s.write("web.yaml", "by the suffix")
			if err := os.Symlink("..2026", filepath.Join(s.dir, "..data")); err != nil {
				t.Fatal(err)
			}
			if err := tt.make(filepath.Join(s.dir, "web")); errors.Is(err, os.ErrPermission) {
				continue // only root can give a link to another user
			} else if err != nil {
				t.Fatal(err)
			}
			r := s.renderer()
			got := ""
			rendered, err := r.Render(t.Context(), guest("web", metadata))
			if got = string(rendered.Body); err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.want) || errors.Is(err, ErrNoTemplate) {
				t.Errorf("%s, metadata %v: %s, want %s", name, metadata, got, tt.want)
			}
			choice := r.Explain(t.Context(), guest("web", metadata))
			if first := choice.Candidates[0]; err != nil && (choice.Error == "" || !first.There || first.Wrong == "") {
				t.Errorf("%s, metadata %v: explained as %+v", name, metadata, choice)
			}
		}
	}
}

// What is configured is read by the same rules.
func TestConfiguredTemplatesMayBeLinks(t *testing.T) {
	for target, want := range map[string]string{"real.yaml": "the site's", "nothere": "broken symbolic link", ".": "a directory", "base.yaml": "too many levels"} {
		s := newSite(t, "")
		link := filepath.Join(t.TempDir(), "base.yaml")
		s.conf = "default_template = " + link + "\nvendordata_template = " + link + "\n"
		if err := os.WriteFile(filepath.Join(filepath.Dir(link), "real.yaml"), []byte("the site's"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		r := s.renderer()
		user, userErr := r.Render(t.Context(), guest("web", nil))
		vendor, vendorErr := r.Vendor(t.Context(), guest("web", nil), false)
		for kind, got := range map[string]string{"default": string(user.Body) + text(userErr), "vendor": string(vendor.Body) + text(vendorErr)} {
			if !strings.Contains(got, want) || target != "real.yaml" && !strings.HasPrefix(got, map[string]string{"default": "default_template: ", "vendor": "vendordata_template: "}[kind]) {
				t.Errorf("%s template linked to %s: %s, want %s", kind, target, got, want)
			}
		}
	}
}

// A text without code is bounded by the document's limit alone.
func TestLongPlainText(t *testing.T) {
	long := strings.Repeat("#cloud-config, for the most part\n", 50_000)
	for conf, want := range map[string]string{"": long, "userdata_size = 1024\n": "userdata_size allows 1024 KiB"} {
		s := newSite(t, conf)
		s.write("web", long)
		got, err := s.renderer().Render(t.Context(), guest("web", nil))
		if result := string(got.Body) + text(err); !strings.Contains(result, want) {
			t.Errorf("%q: %d bytes (%v)", conf, len(got.Body), err)
		}
	}
}

// The error of a template that does not exist names the files that were tried.
func TestAMissingTemplateNamesItsFiles(t *testing.T) {
	for _, key := range []string{"userdata_prefix", "userdata_parts"} {
		s := newSite(t, "")
		_, err := s.renderer().Render(t.Context(), guest("web", map[string]string{key: "roles/db"}))
		want := filepath.Join(s.dir, "roles/db") + ", " + filepath.Join(s.dir, "roles/db.yaml")
		if !errors.Is(err, ErrNoTemplate) || !strings.Contains(err.Error(), want) || !strings.Contains(s.log.String(), want) {
			t.Errorf("%s: error %v, log %s", key, err, s.log.String())
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
