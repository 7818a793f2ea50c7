package userdata

import (
	"strings"
	"testing"
)

func TestHeaders(t *testing.T) {
	const text = "## template: jinja\n{{ v1.region }}\n"
	for _, first := range []string{
		"## mdserver: raw", "## mdserver: Raw", "## MDSERVER: RAW", "##mdserver:raw", "##  mdserver:  raw", "## mdserver : raw",
		"##\tmdserver:\traw", " ## mdserver: raw", "## mdserver: raw \t", "## mdserver: raw\r", "\ufeff## mdserver: raw", "\ufeff##mdserver:RAW\r",
	} {
		if body, raw, err := Raw("web", first+"\n"+text, false); body != text || !raw || err != nil {
			t.Errorf("%q: %q, raw %v (%v)", first, body, raw, err)
		}
	}
	for source, want := range map[string]string{
		"## mdserver: foo\n":                          `web:1: SyntaxError: unknown header "foo", accepted: raw`,
		"##mdserver:\n":                               `web:1: SyntaxError: unknown header "", accepted: raw`,
		"## mdserver: raw please\n":                   `unknown header "raw please"`,
		"\ufeff## mdserver: rwa\n":                    `unknown header "rwa"`,
		"#cloud-config\n## mdserver: raw\n":           "web:2: SyntaxError: the header ## mdserver: raw must be the first line",
		"\n##MDSERVER: raw\r\n":                       "web:2: SyntaxError",
		"#!/bin/sh\n\n##  mdserver:Raw":               "web:3: SyntaxError",
		"## template: jinja\n## mdserver: raw\n{{x}}": "web:2: SyntaxError",
	} {
		if body, raw, err := Raw("web", source, false); body != "" || raw || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, raw %v, error %v, want %s", source, body, raw, err, want)
		}
	}
	for _, source := range []string{
		"", "#cloud-config\n", "# mdserver: raw\n", "## mdserver serves this\n", "## mdservers: raw\n", "## managed by puppet\n## mdserver: see the wiki\n",
		"#cloud-config\nwrite_files:\n- content: |\n    ## mdserver: raw\n",
		"## managed by puppet\nwrite_files:\n- content: |\n    ## mdserver: raw\n",
	} {
		if body, raw, err := Raw("web", source, false); body != source || raw || err != nil {
			t.Errorf("%q: %q, raw %v (%v), want it to be a template", source, body, raw, err)
		}
	}
}

// Messages name the header that a file needs.
func TestRawHeader(t *testing.T) {
	opts := TemplateOptions()
	if body, raw, err := Raw("web", opts.RawHeader+"\ntext", false); body != "text" || !raw || err != nil || opts.RawHeader == "" {
		t.Errorf("%q makes it %q, raw %v, %v", opts.RawHeader, body, raw, err)
	}
}
