package userdata

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/internal/instance"
	parts "mdserver/internal/userdata/multipart"
)

const asksForReports = "#cloud-config\nreporting: {}\n"

// reportsOf makes all guests report, but those without an address.
func reportsOf(guest *instance.Instance) []parts.Part {
	if !guest.IPv4.IsValid() {
		return nil
	}
	return []parts.Part{{Name: "reporting", Body: []byte(asksForReports)}}
}

func zip(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// bodies reads a message as a mail program would, and returns its parts.
func bodies(t *testing.T, message []byte) []string {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		t.Fatalf("%v in\n%s", err, message)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(body))
	}
}

// User-data that cloud-init handles comes before what makes it report; all else stays as
// it is.
func TestReportingUserdata(t *testing.T) {
	const config, script = "#cloud-config\nruncmd: [true]\n", "#!/bin/sh\ntrue\n"
	const message = "Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n\n--x\nContent-Type: text/cloud-config\n\n" + config + "\n--x--\n"
	tests := []struct {
		name, text string
		want       string // the first part; "" if the text stays as it is
	}{
		{"cloud-config", config, config},
		{"after blank lines", "\n\n" + config, "\n\n" + config},
		{"script", script, script},
		{"jinja", "## template: jinja\n" + config, "## template: jinja\n" + config},
		{"boothook", "#cloud-boothook\ntrue\n", "#cloud-boothook\ntrue\n"},
		{"archive", "#cloud-config-archive\n- x\n", "#cloud-config-archive\n- x\n"},
		{"include", "#include\nhttp://192.0.2.1/x\n", "#include\nhttp://192.0.2.1/x\n"},
		{"part-handler", "#part-handler\n", "#part-handler\n"},
		{"message", message, strings.SplitN(message, "\n\n", 2)[1]}, // without its headers
		{"compressed", zip(t, config), config},
		{"compressed message", zip(t, message), strings.SplitN(message, "\n\n", 2)[1]},
		{"Ignition", `{"ignition": {"version": "3.3.0"}}`, ""},
		{"text", "hello\n", ""},
		{"PowerShell", "#ps1_sysnative\nGet-Date\n", ""},
		{"binary", "\x00\x01\xff", ""},
		{"compressed text", zip(t, "hello\n"), ""},
		{"damaged", "\x1f\x8b\x08", ""},
		{"nearly", "cloud-config\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, "")
			s.reports = reportsOf
			s.write("web.raw", tt.text)
			waitSettled(t, filepath.Join(s.dir, "web.raw"))
			r := s.renderer()
			for range 2 { // once made, once kept
				got, err := r.RenderReporting(t.Context(), guestWeb)
				if err != nil {
					t.Fatal(err)
				}
				if tt.want == "" {
					if string(got.Body) != tt.text {
						t.Errorf("%q is changed to %q", tt.text, got.Body)
					}
					continue
				}
				if tt.name == "script" && !strings.Contains(string(got.Body), "filename=user-data\n") {
					t.Errorf("the part has another name:\n%s", got.Body)
				}
				all := bodies(t, got.Body)
				if len(all) != 2 || strings.TrimSuffix(all[0], "\n") != strings.TrimSuffix(tt.want, "\n") || all[1] != asksForReports {
					t.Errorf("%q, want %q and %q", all, tt.want, asksForReports)
				}
			}
			if got := s.render(r, guestWeb); got != tt.text {
				t.Errorf("others get %q, want %q", got, tt.text)
			}
		})
	}
}

// Where no guest is asked for reports, none is added.
func TestWithoutReports(t *testing.T) {
	s := newSite(t, "")
	r := s.renderer()
	if got, err := r.Vendor(t.Context(), guestWeb, true); err != nil || len(got.Body) > 0 {
		t.Errorf("without a template: %q, %v", got.Body, err)
	}
	s.write("vendor", "#cloud-config\n")
	s.conf = "vendordata_template = " + filepath.Join(s.dir, "vendor") + "\n"
	if got, err := s.renderer().Vendor(t.Context(), guestWeb, true); err != nil || string(got.Body) != "#cloud-config\n" {
		t.Errorf("with a template: %q, %v", got.Body, err)
	}
	if got, err := s.renderer().VendorJSON(t.Context(), guestWeb, true); err != nil || string(got.Body) != `{"cloud-init":"#cloud-config\n"}`+"\n" {
		t.Errorf("as JSON: %q, %v", got.Body, err)
	}
}

func TestReportingWithoutUserdata(t *testing.T) {
	s := newSite(t, "")
	s.reports = reportsOf
	s.write("web", "\n")
	got, err := s.renderer().RenderReporting(t.Context(), guestWeb)
	if err != nil {
		t.Fatal(err)
	}
	if all := bodies(t, got.Body); len(all) != 1 || all[0] != asksForReports {
		t.Errorf("%q", all)
	}
	if _, err := s.renderer().RenderReporting(t.Context(), guest("web", map[string]string{"userdata_prefix": "absent"})); !errors.Is(err, ErrNoTemplate) {
		t.Errorf("a template that is not there: %v", err)
	}
}

// No guest is asked for reports if that would cost it its user-data, or if it has no
// address to send them from.
func TestUserdataGoesBeforeReporting(t *testing.T) {
	const text = "#cloud-config\n# "
	s := newSite(t, "userdata_size = 1\n")
	s.reports = reportsOf
	s.write("web", text+strings.Repeat("x", 1000))
	r := s.renderer()
	got, err := r.RenderReporting(t.Context(), guestWeb)
	if err != nil || !strings.HasPrefix(string(got.Body), text) {
		t.Errorf("%q, %v", got.Body, err)
	}
	if !strings.Contains(s.log.String(), "guests do not report their boots") {
		t.Errorf("the log has only %s", s.log.String())
	}
	s.write("web", text)
	other := *guestWeb
	other.IPv4 = other.IPv6
	if got, err := r.RenderReporting(t.Context(), &other); err != nil || string(got.Body) != text {
		t.Errorf("without an address: %q, %v", got.Body, err)
	}
}

// TestReportingIsWatched checks that the renderer watches a template, even if its
// document is not joined with what makes cloud-init report.
func TestReportingIsWatched(t *testing.T) {
	large := "#cloud-config\n# " + strings.Repeat("x", 1000)
	without := *guestWeb
	without.IPv4 = netip.Addr{}
	for name, tt := range map[string]struct {
		guest       *instance.Instance
		before, old string // the template, and a part of its document or error
	}{
		"joined":             {guestWeb, "#cloud-config\n# old\n", "# old"},
		"alone":              {guestWeb, "\n", "reporting: {}"},
		"of an unknown kind": {guestWeb, "hello\n", "hello"},
		"without room":       {guestWeb, large, "xxx"},
		"without an address": {&without, "#cloud-config\n# old\n", "# old"},
		"that fails":         {guestWeb, "{{1 / 0}}", "ZeroDivisionError"},
		"not in UTF-8":       {guestWeb, "\x1f\x8b\x08", "\x1f\x8b\x08"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time is waiting
			s := newSite(t, "userdata_size = 1\n")
			s.reports = reportsOf
			s.write("web", tt.before)
			r, now := settledRenderer(t, s)
			get := func() string {
				got, err := r.RenderReporting(t.Context(), tt.guest)
				return string(got.Body) + text(err)
			}
			if got := get(); !strings.Contains(got, tt.old) {
				t.Fatalf("%q before the change", got)
			}
			if _, kept := r.cache.Get(document{"user-data", true, tt.guest.UUID}); !kept {
				t.Fatal("the result is not kept")
			}
			s.write("web", "#cloud-config\n# new\n")
			*now = now.Add(recheck)
			if got := get(); !strings.Contains(got, "# new") {
				t.Errorf("%q after the change", got)
			}
		})
	}
}

// Vendor-data of the site's own comes before what makes cloud-init report.
func TestReportingVendorData(t *testing.T) {
	for name, tt := range map[string]struct{ template, want string }{
		"none":         {"", ""},
		"cloud-config": {"#cloud-config\ntimezone: UTC\n", "#cloud-config\ntimezone: UTC\n"},
		"script":       {"#!/bin/sh\n", "#!/bin/sh\n"},
		"not ASCII":    {"#cloud-config\n# Grüße\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "")
			s.reports = reportsOf
			if tt.template != "" {
				s.write("vendor", tt.template)
				waitSettled(t, filepath.Join(s.dir, "vendor")) // so that all that is made is kept
				s.conf = "vendordata_template = " + filepath.Join(s.dir, "vendor") + "\n"
			}
			r := s.renderer()
			got, err := r.Vendor(t.Context(), guestWeb, true)
			if err != nil {
				t.Fatal(err)
			}
			all := bodies(t, got.Body)
			if all[len(all)-1] != asksForReports || tt.want != "" && all[0] != tt.want {
				t.Errorf("%q, want %q and %q", all, tt.want, asksForReports)
			}
			if plain, err := r.Vendor(t.Context(), guestWeb, false); err != nil || string(plain.Body) != tt.template {
				t.Errorf("others get %q, %v", plain.Body, err)
			}
			asJSON, err := r.VendorJSON(t.Context(), guestWeb, true)
			if err != nil || !strings.HasPrefix(string(asJSON.Body), `{"cloud-init":"Content-Type: multipart/mixed;`) {
				t.Errorf("as JSON %q, %v", asJSON.Body, err)
			}
			if plain, err := r.VendorJSON(t.Context(), guestWeb, false); err != nil || strings.Contains(string(plain.Body), "multipart") {
				t.Errorf("as JSON, others get %q, %v", plain.Body, err)
			}
		})
	}
}
