//go:build e2e

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdserver/test/lab"
	"mdserver/test/parity"
)

const (
	parityData = testdata + "/parity"
	parityURL  = "http://127.9.0.1:8090"
	// siteFiles is what the configuration's directory held when the original
	// answered, and labFiles what it holds here.
	siteFiles, labFiles = "=50-site.conf", "=50-site.conf,99-lab.conf"
)

// The original's own configuration, database and templates get the original's
// answers, but for the deviations that package parity lists with their reasons.
func TestParityWithTheOriginal(t *testing.T) {
	t.Parallel()
	cases, err := parity.Load(parityData)
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	dir := originalSite(t, l, "[dnsmasq]\nrun = off\n", nil)
	start(t, l.ServerFor(suite.binary, filepath.Join(dir, "mdserver.conf"), parityURL))

	for _, c := range cases {
		c.Response = strings.ReplaceAll(c.Response, siteFiles, labFiles)
		t.Run(c.Name(), func(t *testing.T) {
			if difference := parity.Compare(c, ask(t, l, c), dir); difference != "" {
				t.Error(difference)
			}
		})
	}
}

// ask sends one request from its source address.
func ask(t *testing.T, l *lab.Lab, c parity.Case) parity.Answer {
	t.Helper()
	var body []byte
	if c.BodyFile != "" {
		xml, err := os.ReadFile(filepath.Join(parityData, c.BodyFile))
		if err != nil {
			t.Fatal(err)
		}
		body = xml
	}
	req, err := http.NewRequestWithContext(suite.ctx, c.Method, parityURL+c.Path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := l.Host.HTTPClient(netip.MustParseAddr(c.From)).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return parity.Answer{Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), Body: string(text)}
}

// originalSite lays out an installation of the original below the lab's
// directory: configuration, database, templates and dnsmasq's files, with
// changes to the addresses in them. The lab's own settings go into a file of
// the configuration's directory.
func originalSite(t *testing.T, l *lab.Lab, settings string, addresses *strings.Replacer) string {
	t.Helper()
	dir := l.Path("site")
	for from, to := range map[string]string{
		"mdserver.conf.in":                "mdserver.conf",
		"mdserver.conf.d/50-site.conf":    "mdserver.conf.d/50-site.conf",
		"db_file.json":                    "db_file.json",
		"userdata/base.yaml":              "userdata/base.yaml",
		"userdata/byname.yaml":            "userdata/byname.yaml",
		"userdata/nosuffix":               "userdata/nosuffix",
		"userdata/special.yaml":           "userdata/special.yaml",
		"userdata/52:54:00:09:00:04.yaml": "userdata/52:54:00:09:00:04.yaml",
		"original-dnsmasq/mds.conf":       "dnsmasq/mds.conf",
		"original-dnsmasq/mds.opts":       "dnsmasq/mds.opts",
		"original-dnsmasq/mds.dhcp-hosts": "dnsmasq/dhcp/mds.dhcp-hosts",
		"original-dnsmasq/mds.dns-hosts":  "dnsmasq/dns/mds.dns-hosts",
	} {
		raw, err := os.ReadFile(filepath.Join(parityData, from))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(raw), "@DIR@", dir)
		if addresses != nil {
			text = addresses.Replace(text)
		}
		if _, err := l.WriteFile(filepath.Join("site", to), text); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	settings = "[mdserver]\nsocket = " + filepath.Join(dir, "run", "mdserver.sock") + "\n\n[libvirt]\nuri = off\n\n" + settings
	if _, err := l.WriteFile("site/mdserver.conf.d/99-lab.conf", settings); err != nil {
		t.Fatal(err)
	}
	return dir
}
