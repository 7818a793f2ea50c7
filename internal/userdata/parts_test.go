package userdata

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPartsAreJoined(t *testing.T) {
	s := newSite(t, "userdata_suffixes = :.yaml:.sh\n")
	s.write("web", "never asked for")
	s.write("base.yaml", "#cloud-config\nhostname: {{hostname}}\n")
	s.write("roles/web.sh", "## mdserver: raw\n#!/bin/sh\necho {{not a template}}\n")
	r := s.renderer()
	web := guest("web", map[string]string{"userdata_parts": " base ,, roles/web ", "userdata_prefix": "never"})
	got, err := r.Render(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	body := string(got.Body)
	for _, want := range []string{
		"Content-Type: multipart/mixed;", "MIME-Version: 1.0\n",
		"Content-Type: text/cloud-config;", "filename=base\n\n#cloud-config\nhostname: web\n",
		"Content-Type: text/x-shellscript;", "filename=\"roles/web\"\n\n#!/bin/sh\necho {{not a template}}\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	if want := filepath.Join(s.dir, "base.yaml") + ", " + filepath.Join(s.dir, "roles/web.sh"); got.Template != want {
		t.Errorf("made from %q, want %q", got.Template, want)
	}

	s.write("base.yaml", "#cloud-config\nhostname: changed\n")
	if got := s.render(r, web); !strings.Contains(got, "hostname: changed") {
		t.Errorf("after a change of one part:\n%s", got)
	}
}

func TestOnePartIsAMessageToo(t *testing.T) {
	s := newSite(t, "")
	s.write("base", "#!/bin/true")
	if got := s.render(s.renderer(), guest("web", map[string]string{"userdata_parts": "base"})); !strings.HasPrefix(got, "Content-Type: multipart/mixed") {
		t.Errorf("%q", got)
	}
	if got := s.render(s.renderer(), guest("web", map[string]string{"userdata_parts": " , "})); !strings.HasPrefix(got, "#cloud-config") {
		t.Errorf("a list of nothing gave %q", got)
	}
}

func TestAFailingPartIsNamed(t *testing.T) {
	s := newSite(t, "")
	s.write("base", "#cloud-config\n")
	s.write("bad", "#cloud-config\n{{nothing_of_that_name}}\n")
	s.write("cut", "\x1f\x8b\x08")
	tests := []struct {
		parts, want string
		missing     bool
	}{
		{"base, absent", `part "absent": no such template`, true},
		{"base, ../../etc/passwd", `part "../../etc/passwd": no such template`, true},
		{"base, bad", `part "bad": `, false},
		{"base, cut", `part "cut": compressed, but damaged`, false},
	}
	for _, tt := range tests {
		_, err := s.renderer().Render(t.Context(), guest("web", map[string]string{"userdata_parts": tt.parts}))
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrNoTemplate) != tt.missing {
			t.Errorf("%s: error %v, want one with %q", tt.parts, err, tt.want)
		}
	}
}

func TestCompressedAndBinaryFilesPassByteForByte(t *testing.T) {
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, err := zip.Write([]byte("#cloud-config\n% not code\n{{nor this}}\n"))
	if err := errors.Join(err, zip.Close()); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, "")
	for name, text := range map[string]string{
		"gzip":        zipped.String(),
		"binary":      "{{x}}\x00\xff",
		"script":      "#!/bin/sh\nexit 0",
		"dos":         "#cloud-config\r\na: b\r\n",
		"many-lines":  "\n\n#!/bin/sh\n\n\n",
		"mime":        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"==x==\"\n\n--==x==\nContent-Type: text/plain\n\n1 \\ 2 100% {x}\n--==x==--\n",
		"cloud-yaml":  "#cloud-config\nruncmd:\n  - [sh, -c, 'date +%s']\n",
		"only-spaces": "  \t\n",
	} {
		s.write(name, text)
		if got := s.render(s.renderer(), guest(name, nil)); got != text {
			t.Errorf("%s: %q, want %q", name, got, text)
		}
	}
}

func TestVendorData(t *testing.T) {
	s := newSite(t, "")
	if got, err := s.renderer().Vendor(t.Context(), guest("web", nil), false); err != nil || len(got.Body) != 0 {
		t.Errorf("without a template: %q, %v", got.Body, err)
	}
	s.write("site/vendor.yaml", "#cloud-config\ntimezone: {{zone}} # {{hostname}}\n")
	file := filepath.Join(s.dir, "site/vendor.yaml")
	s.conf = "vendordata_template = " + file + "\n[template-data]\nzone = Europe/Berlin\n"
	s.write("web", "user-data")
	r := s.renderer()
	for range 2 { // once made, once kept
		got, err := r.Vendor(t.Context(), guest("web", nil), false)
		if err != nil || string(got.Body) != "#cloud-config\ntimezone: Europe/Berlin # web\n" || got.Template != file {
			t.Errorf("%q of %s, %v", got.Body, got.Template, err)
		}
		if got := s.render(r, guest("web", nil)); got != "user-data" {
			t.Errorf("user-data %q", got)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Vendor(t.Context(), guest("web", nil), false); err == nil || !strings.Contains(err.Error(), "vendordata_template") {
		t.Errorf("without its file: %q, %v", got.Body, err)
	}
}

func TestVendorDataAsJSON(t *testing.T) {
	tests := []struct{ template, want string }{
		{"", "{}\n"},
		{"#cloud-config\na: <b>\n", `{"cloud-init":"#cloud-config\na: <b>\n"}` + "\n"},
		{"## mdserver: raw\n\xff", "vendor: byte 1, in line 1, is not UTF-8"},
		{"#cloud-config\n# Gr\xfc\xdfe\n", "vendor: byte 19, in line 2, is not UTF-8"},
	}
	for _, tt := range tests {
		s := newSite(t, "")
		s.write("vendor", tt.template)
		s.conf = "vendordata_template = " + filepath.Join(s.dir, "vendor") + "\n"
		r := s.renderer()
		waitSettled(t, filepath.Join(s.dir, "vendor"))
		first, err := r.VendorJSON(t.Context(), guestWeb, false)
		if _, plainErr := r.Vendor(t.Context(), guestWeb, false); (plainErr == nil) != (err == nil) {
			t.Errorf("%q: as JSON %v, as it is %v", tt.template, err, plainErr)
		}
		switch {
		case err != nil && !strings.Contains(err.Error(), tt.want):
			t.Errorf("%q: error %v", tt.template, err)
		case err == nil && string(first.Body) != tt.want:
			t.Errorf("%q: %q, want %q", tt.template, first.Body, tt.want)
		case err == nil:
			if second, _ := r.VendorJSON(t.Context(), guestWeb, false); &second.Body[0] != &first.Body[0] {
				t.Errorf("%q: a request makes a copy", tt.template)
			}
		}
	}
	s := newSite(t, "userdata_size = 1\n")
	s.write("vendor", zip(t, "#cloud-config\n"+strings.Repeat("#", 1<<10)))
	s.conf += "vendordata_template = " + filepath.Join(s.dir, "vendor") + "\n"
	if _, err := s.renderer().Vendor(t.Context(), guestWeb, false); !strings.Contains(text(err), "userdata_size allows 1 KiB") {
		t.Errorf("vendor-data that is too large for JSON when it is unpacked: %v", err)
	}
	s = newSite(t, "")
	if got, err := s.renderer().VendorJSON(t.Context(), guest("web", nil), false); err != nil || string(got.Body) != "{}\n" {
		t.Errorf("without a template: %q, %v", got.Body, err)
	}
}

// The limits are those of the whole document, whatever its parts are.
func TestADocumentIsBounded(t *testing.T) {
	squeezed := func(n int) string {
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		_, err := zip.Write(make([]byte, n))
		if err := errors.Join(err, zip.Close()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	s := newSite(t, "userdata_size = 2048\ntemplate_steps = 100000\n")
	for name, text := range map[string]string{
		"small":      "#!/bin/true\n",
		"megabyte":   "## mdserver: raw\n" + strings.Repeat("0123456789abcde\n", 1<<16),
		"binary":     strings.Repeat("\x00", 1800<<10),
		"bomb":       squeezed(64 << 20),
		"packed":     squeezed(1200 << 10),
		"laborious":  "% for i in range(30000):\n% pass\n% end\n",
		"laborious2": "% for i in range(30000):\n% pass\n% end\n",
		"laborious3": "% for i in range(30000):\n% pass\n% end\n",
	} {
		s.write(name, text)
	}
	const large = "too large after unpacking and joining: userdata_size allows 2048 KiB"
	tests := []struct {
		name, parts, want string // the error
	}{
		{"a few", "small, megabyte", ""},
		{"one that is named again and again", strings.Repeat("megabyte, ", 50), large},
		{"a bomb", "small, bomb", large},
		{"packed ones", "packed, packed", large},
		{"one that grows when it is encoded", "binary", large},
		{"many", strings.Repeat("small,", maxParts), ""},
		{"too many", strings.Repeat("small,", maxParts+1), "names 101 parts, accepted: at most 100"},
		{"laborious ones", "laborious, laborious2, laborious3", "took more than 100000 steps"},
		{"a laborious one that is named again", "laborious, laborious, laborious, laborious", ""},
		{"a name without end", strings.Repeat("x", 1<<20), "no such template"},
	}
	r := s.renderer()
	for _, tt := range tests {
		got, err := r.Render(t.Context(), guest("web", map[string]string{"userdata_parts": tt.parts}))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %.200v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %d bytes, error %.200v", tt.name, len(got.Body), err)
		case err != nil && len(err.Error()) > 400:
			t.Errorf("%s: an error of %d bytes", tt.name, len(err.Error()))
		}
	}
	s.write("web", "## mdserver: raw\n"+strings.Repeat("x", 3<<20))
	if _, err := r.Render(t.Context(), guest("web", nil)); err == nil || !strings.Contains(err.Error(), large) {
		t.Errorf("a single file: %v", err)
	}
}
