//go:build e2e

package attacks

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"mdserver/test/lab"
)

// upload is a request that registers a domain.
func upload(w way, xml string, headers ...string) string {
	return request(w, "POST", "/instance-upload", append(headers, contentLength(xml), "Connection: close")...) + xml
}

// unknown checks that no guest of this name is there.
func (s *site) unknown(t *testing.T, what, name string) {
	t.Helper()
	if got, err := s.admin.Instance(suite.ctx, name); err == nil {
		t.Errorf("%s registers %s with %s", what, name, got.IPv4)
		_, _ = s.admin.Release(suite.ctx, name)
	}
}

// TestUploadOfTheRightfulHost is the control of tests by upload.
func TestUploadOfTheRightfulHost(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		got, err := a.fromHost(upload(byIPv4, domain{name: "uploaded", mac: a.newMAC()}.XML()))
		if err != nil || status(got) != 200 {
			t.Errorf("root's upload: %v %.200q", err, got)
		}
		if _, err := a.admin.Release(suite.ctx, "uploaded"); err != nil {
			t.Error(err)
		}
	})
}

func TestUploadByGuest(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			for _, headers := range [][]string{nil, {"X-Forwarded-For: 127.0.0.1"}, {"Content-Type: application/x-www-form-urlencoded"}, {"Transfer-Encoding: chunked"}, {"Expect: 100-continue"}} {
				got, _ := ask(a.attacker, w, upload(w, domain{name: "by-guest", mac: a.newMAC()}.XML(), headers...))
				if !refused(got) {
					t.Errorf("%v: %.200q", headers, got)
				}
				a.unknown(t, "the guest", "by-guest")
			}
		})
	})
}

// replacements are domains that would take the victim's place.
func (a *arena) replacements() []domain {
	return []domain{
		{name: a.victim.inst.Name, mac: a.newMAC(), port: a.attacker.Port()},
		{name: "replacement", uuid: a.victim.inst.UUID.String(), mac: a.newMAC(), port: a.attacker.Port()},
		{name: "replacement", mac: a.victim.MAC, port: a.attacker.Port()},
		{name: "replacement", mac: a.newMAC(), metadata: "<m:ipv4>" + a.victim.inst.IPv4.String() + "</m:ipv4>", port: a.attacker.Port()},
		{name: "replacement", mac: a.newMAC(), metadata: "<m:hostname>" + a.victim.inst.Hostname + "</m:hostname>"},
		{name: "replacement", mac: a.newMAC(), port: a.victim.Port()},
	}
}

// unreplaced checks that the victim is what it was.
func (a *arena) unreplaced(t *testing.T, what string) {
	t.Helper()
	now, err := a.admin.Instance(suite.ctx, a.victim.inst.UUID.String())
	if err != nil || now.Name != a.victim.inst.Name || now.IPv4 != a.victim.inst.IPv4 || now.MAC != a.victim.inst.MAC {
		t.Errorf("%s: the victim is %+v (%v)", what, now, err)
	}
	a.unknown(t, what, "replacement")
}

func TestReplaceVictimByUploadOfGuest(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, d := range a.replacements() {
			_, _ = ask(a.attacker, byIPv4, upload(byIPv4, d.XML()))
			a.unreplaced(t, fmt.Sprintf("%+v", d))
		}
		a.served(t)
	})
}

// asNobody runs a program on the host as a user with no rights.
func (s *site) asNobody(program string, args ...string) (string, error) {
	return s.Host.Output(suite.ctx, "setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", program}, args...)...)
}

func (s *site) curlAsNobody(path string, args ...string) string {
	out, _ := s.asNobody("curl", append([]string{"--silent", "--max-time", "5", "--write-out", "\n%{http_code}", "http://" + lab.MetadataAddr + path}, args...)...)
	return strings.TrimSpace(out)
}

func TestUploadByLocalUser(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for i, d := range append(a.replacements(), domain{name: "by-nobody", mac: a.newMAC()}) {
			file, err := a.WriteFile(fmt.Sprintf("nobody-%s-%d.xml", a.victim.Label, i), d.XML())
			if err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"--data-binary", "@" + file}, {"--data-binary", "@" + file, "--interface", lab.Gateway}, {"--data-binary", "@" + file, "--resolve", "x:80:127.0.0.1"}} {
				if out := a.curlAsNobody("/instance-upload", args...); strings.HasSuffix(out, "200") {
					t.Errorf("%+v with %v: %s", d, args[2:], out)
				}
				a.unreplaced(t, fmt.Sprintf("%+v", d))
				a.unknown(t, "nobody", "by-nobody")
			}
		}
		a.served(t)
	})
}

// browsers are headers that only a page of somebody else's sends.
var browsers = []string{"Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: http://169.254.169.254", "Origin:"}

func TestUploadByPageInBrowserOfHost(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		xml := domain{name: "by-page", mac: a.newMAC()}.XML()
		for _, header := range browsers {
			got, _ := a.fromHost(upload(byIPv4, xml, header, "Content-Type: text/plain"))
			if !refused(got) {
				t.Errorf("%s: %.200q", header, got)
			}
			a.unknown(t, header, "by-page")
		}
		for _, host := range foreignHosts {
			got, _ := a.fromHost("POST /instance-upload HTTP/1.1\r\nHost: " + host + "\r\n" + contentLength(xml) + "\r\nConnection: close\r\n\r\n" + xml)
			if !refused(got) && host != "localhost" && host != "localhost:80" && host != "127.0.0.1" {
				t.Errorf("Host %s: %.200q", host, got)
			}
			if host == "evil.example" {
				a.unknown(t, host, "by-page")
			}
			_, _ = a.admin.Release(suite.ctx, "by-page")
		}
	})
}

func TestConfigurationByPageInBrowserOfHost(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, header := range browsers {
			if got, _ := a.fromHost(get(byIPv4, "/service/configuration", header)); !refused(got) {
				t.Errorf("%s: %.120q", header, got)
			}
		}
		got, _ := a.fromHost("GET /service/configuration HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
		if !refused(got) {
			t.Errorf("a rebound name: %.120q", got)
		}
		if got, err := a.fromHost(get(byIPv4, "/service/configuration")); status(got) != 200 || strings.Contains(got, hostSecret) {
			t.Errorf("the host itself: %v %.120q", err, got) // the control
		}
	})
}

func TestFillNetworkByUploads(t *testing.T) {
	alone(t, func(_ *lab.Lab, c lab.Config) { c.Set("mdserver", "max_guests", "20") }, func(t *testing.T, a *arena) {
		refused := 0
		for i := range 40 {
			got, _ := a.fromHost(upload(byIPv4, domain{name: fmt.Sprintf("filler-%d", i), mac: a.newMAC()}.XML()))
			if status(got) >= 400 {
				refused++
			}
		}
		all, err := a.admin.Instances(suite.ctx)
		if err != nil || len(all) > 20 || refused < 20 {
			t.Errorf("%d guests are registered, %d were refused (%v)", len(all), refused, err)
		}
		a.served(t)
	})
}

func TestUploadMuchAtOnce(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		filler := strings.Repeat("<m:k>"+strings.Repeat("&lt;", 20)+"</m:k>", 11_000)
		var uploads sync.WaitGroup
		for i := range 40 {
			mac := a.newMAC()
			uploads.Go(func() {
				_, _ = a.fromHost(upload(byIPv4, domain{name: fmt.Sprintf("big-%d", i), mac: mac, metadata: filler}.XML()))
			})
		}
		if err := a.victim.reads(byIPv4); err != nil {
			t.Error("the victim meanwhile:", err)
		}
		uploads.Wait()
		if mib := a.memory(t); mib > 700 {
			t.Errorf("the server has used %d MiB", mib)
		}
		a.served(t)
	})
}

// What a request may not hold, whoever sends it.
func TestUploadTooMuch(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, xml := range []string{
			domain{name: strings.Repeat("n", 900_000), mac: a.newMAC()}.XML(), domain{name: strings.Repeat("n", 256), mac: a.newMAC()}.XML(),
			domain{name: "too-much", mac: a.newMAC(), metadata: "<m:x>" + strings.Repeat("x", 2<<20) + "</m:x>"}.XML(),
		} {
			if got, _ := a.fromHost(upload(byIPv4, xml)); !refused(got) && got != "" {
				t.Errorf("%.60q: %.120q", xml, got)
			}
			a.unknown(t, "an upload", "too-much")
		}
	})
}

func TestControlSocketByOtherUser(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, path := range []string{"/v1/instances", "/v1/status", "/v1/export?format=legacy", "/v1/password?ref=" + a.victim.inst.Name, "/v1/user-data?ref=" + a.victim.inst.Name} {
			out, err := a.asNobody("curl", "--silent", "--max-time", "5", "--unix-socket", a.SocketPath(), "http://x"+path)
			a.safe(t, path, out)
			if err == nil {
				t.Errorf("%s is answered: %.200q", path, out)
			}
		}
	})
}

// private are the files that hold keys and guests' secrets.
func (s *site) private(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.pem", "*.db"} {
		found, err := filepath.Glob(s.Path("state", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("there is no %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

func TestReadKeysAndDatabaseAsOtherUser(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for _, file := range a.private(t) {
			if out, err := a.asNobody("cat", file); err == nil {
				t.Errorf("%s can be read by all: %.40q", file, out)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: mode %v (%v)", file, info.Mode(), err)
			}
		}
	})
}

// dnsmasq reads what the network sends, so it is the first to be taken over.
func TestReadKeysAndDatabaseAsDnsmasq(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		pid, err := a.server.DnsmasqChild(suite.ctx)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string][]string{}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			ids[key] = strings.Fields(value)
		}
		uid, gid := ids["Uid"][1], ids["Gid"][1]
		if uid == "0" || uid == strconv.Itoa(os.Geteuid()) {
			t.Errorf("dnsmasq runs as user %s", uid)
		}
		for _, g := range ids["Groups"] {
			if g != gid {
				t.Errorf("dnsmasq is in the groups %v beside %s", ids["Groups"], gid)
			}
		}
		for _, file := range append(a.private(t), a.SocketPath(), a.Path("log", "mdserver-file.log")) {
			args := []string{"--reuid=" + uid, "--regid=" + gid, "--clear-groups", "cat", file}
			if strings.HasSuffix(file, ".sock") {
				args = append(args[:3], "curl", "--silent", "--max-time", "5", "--unix-socket", file, "http://x/v1/status")
			}
			if out, err := a.Host.Output(suite.ctx, "setpriv", args...); err == nil {
				t.Errorf("dnsmasq can read %s: %.80q", file, out)
			}
		}
	})
}

// hostile are documents that parsers have been known to choke on.
func TestHostileXML(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		head := func(metadata string) string {
			return domain{name: "hostile", mac: a.newMAC(), metadata: metadata}.XML()
		}
		billion := `<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">`
		for c := 'b'; c <= 'j'; c++ {
			billion += fmt.Sprintf(`<!ENTITY %c "%s">`, c, strings.Repeat(fmt.Sprintf("&%c;", c-1), 10))
		}
		for what, xml := range map[string]string{
			"entities":          billion + "]>" + head("<m:x>&j;</m:x>"),
			"an external file":  `<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + head("<m:x>&x;</m:x>"),
			"an external URL":   `<!DOCTYPE d SYSTEM "http://169.254.169.254/evil.dtd">` + head("<m:x>&x;</m:x>"),
			"parameter entity":  `<!DOCTYPE d [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]>` + head("<m:x>&x;</m:x>"),
			"depth":             head(strings.Repeat("<m:a>", 90_000) + strings.Repeat("</m:a>", 90_000)),
			"attributes":        strings.Replace(head(""), "<domain ", "<domain "+manyAttributes(50_000), 1),
			"no end":            strings.TrimSuffix(strings.TrimSpace(head("")), "</domain>"),
			"two roots":         head("") + head(""),
			"another charset":   `<?xml version="1.0" encoding="UTF-7"?>` + head(""),
			"UTF-16":            "\xff\xfe<\x00d\x00",
			"NUL":               strings.Replace(head(""), "hostile", "hos\x00tile", 1),
			"a reference to it": strings.Replace(head(""), "hostile", "hos&#0;tile", 1),
			"escape":            strings.Replace(head(""), "hostile", "hos&#27;[31mtile", 1),
			"invalid UTF-8":     strings.Replace(head(""), "hostile", "hos\xfftile", 1),
			"a long prefix":     strings.ReplaceAll(head("<m:x>1</m:x>"), "m:", strings.Repeat("m", 200_000)+":"),
			"CDATA":             head("<![CDATA[" + strings.Repeat("]]", 100_000)),
			"include":           head(`<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" parse="text" href="file:///etc/passwd"/>`),
		} {
			got, _ := a.fromHost(upload(byIPv4, xml))
			if strings.Contains(got, "root:x:0") {
				t.Errorf("%s: a file is read: %.120q", what, got)
			}
			if len(got) > 4096 {
				t.Errorf("%s: an answer of %d bytes", what, len(got))
			}
			if inst, err := a.admin.Instance(suite.ctx, "hostile"); err == nil {
				if text := fmt.Sprintf("%+v", inst); strings.Contains(text, "root:x:0") || len(text) > 2<<20 {
					t.Errorf("%s: the guest is %.200s", what, text)
				}
				_, _ = a.admin.Release(suite.ctx, "hostile")
			}
		}
		a.served(t)
	})
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d='1' ", i)
	}
	return b.String()
}
