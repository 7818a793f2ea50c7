//go:build e2e

package attacks

import (
	"bytes"
	"compress/zlib"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"mdserver/internal/api"
	"mdserver/test/lab"
	"mdserver/test/wire"
)

// reportBodies has the paths at which a guest reports, each with a body that is accepted
// there. "forged" is in what each of them leaves.
var reportBodies = map[string]string{
	"/mdserver/report":     `{"name": "forged", "description": "forged", "event_type": "finish", "result": "FAIL"}`,
	"/mdserver/status":     `{"v1": {"modules-final": {"errors": ["forged"], "finished": 1}}}`,
	"/mdserver/phone-home": "instance_id=forged&hostname=forged&fqdn=forged",
}

const hostKeysPath = "/mdserver/host-keys"

// newHostKey makes a public host key, as one line.
func newHostKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(key))
}

func post(w way, path, body string, headers ...string) string {
	return request(w, "POST", path, append(headers, contentLength(body), "Connection: close")...) + body
}

// asRoot sends a request from a port that only root of the guest can use. Ports rest
// after use, so it takes the next one that is free.
func asRoot(t *testing.T, g *guest, w way, text string) string {
	t.Helper()
	for port := uint16(1023); port >= 512; port-- {
		conn, err := dialFrom(g, w, g.addr(w), port)
		if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		got, err := exchange(conn, text)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Fatal("all ports are in use")
	return ""
}

// keyOf is what the server takes for the guest's host keys, one a line.
func (g *guest) keyOf(t *testing.T) string {
	t.Helper()
	known, err := g.site.admin.SSHGuest(suite.ctx, g.inst.Name)
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, key := range known.Keys {
		fmt.Fprintln(&lines, key.Type, key.Key)
	}
	return lines.String()
}

// entries are what the record has of the guest's boots.
func (g *guest) entries(t *testing.T) (all []api.BootEntry) {
	t.Helper()
	boots, err := g.site.admin.Boots(suite.ctx, g.inst.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range boots {
		all = append(all, b.Entries...)
	}
	return all
}

// unforged checks that nothing was reported in the name of a guest.
func (g *guest) unforged(t *testing.T, what, key string) {
	t.Helper()
	for _, e := range g.entries(t) {
		if strings.Contains(e.Name+e.Detail, "forged") || e.Source == api.FromGuest && e.Kind != api.EntryHostKeys {
			t.Errorf("%s: the record of %s has %+v", what, g.Label, e)
		}
	}
	if got := g.keyOf(t); got != key {
		t.Errorf("%s: the host keys of %s are %q, want %q", what, g.Label, got, key)
	}
}

// TestReportsOfTheRightfulGuest is the control of tests about reports.
func TestReportsOfTheRightfulGuest(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			for path, body := range reportBodies {
				gets(t, a.attacker, w, post(w, path, body), 204)
			}
			key := newHostKey(t)
			if got := asRoot(t, a.attacker, w, post(w, hostKeysPath, key)); status(got) != 204 || a.attacker.keyOf(t) != key {
				t.Errorf("%.200q, and the host key is %q, want %q", got, a.attacker.keyOf(t), key)
			}
		})
		if n := len(a.attacker.entries(t)); n < 12 {
			t.Errorf("the record has %d entries", n)
		}
	})
}

// Reports with the victim's address: with the attacker's MAC, with the victim's, and
// with an announcement in its name.
func TestReportInVictimsName(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		key := newHostKey(t)
		if got := asRoot(t, a.victim, byIPv4, post(byIPv4, hostKeysPath, key)); status(got) != 204 {
			t.Fatalf("%.200q", got)
		}
		for _, w := range ways[:2] { // a link-local address is whose MAC it comes with
			for _, edit := range []func(*wire.Host){asIs, func(h *wire.Host) { h.MAC = a.victim.mac }, func(h *wire.Host) { h.Said = a.victim.mac }} {
				h := a.attacker.host(t, w)
				h.Addr = a.victim.addr(w)
				edit(h)
				h.Announce(a.target(w))
				for path, body := range reportBodies {
					_, _ = h.Ask(a.target(w), post(w, path, body))
				}
				h.Port = 1000
				_, _ = h.Ask(a.target(w), post(w, hostKeysPath, newHostKey(t)))
			}
		}
		a.victim.unforged(t, "a claimed address", key)
		a.served(t)
	})
}

// What a report says of whom it is about does not count.
func TestNameVictimInReport(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		v := a.victim.inst
		for _, ref := range []string{v.Name, v.UUID.String(), v.ID, v.IPv4.String(), a.victim.MAC} {
			headers := []string{"X-Instance-ID: " + ref, "X-Forwarded-For: " + v.IPv4.String(), "Forwarded: for=" + ref}
			for path, body := range reportBodies {
				_, _ = ask(a.attacker, byIPv4, post(byIPv4, path+"/"+ref, body))
				_, _ = ask(a.attacker, byIPv4, post(byIPv4, path+"?instance="+ref, body))
				_, _ = ask(a.attacker, byIPv4, post(byIPv4, path, body, headers...))
			}
			_ = asRoot(t, a.attacker, byIPv4, post(byIPv4, hostKeysPath+"?guest="+ref, newHostKey(t)))
			_ = asRoot(t, a.attacker, byIPv4, post(byIPv4, hostKeysPath, strings.TrimSpace(newHostKey(t))+" root@"+ref+"\n"))
		}
		form := url.Values{"instance_id": {v.ID}, "hostname": {v.Hostname}, "fqdn": {v.Hostname}, "pub_key_ed25519": {newHostKey(t)}}
		gets(t, a.attacker, byIPv4, post(byIPv4, "/mdserver/phone-home", form.Encode()), 204)
		a.victim.unforged(t, "a report that names the victim", "")
	})
}

// A guest's users, and programs that send what others ask for, have no port below 1024.
func TestHostKeysFromUnprivilegedPort(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		byEach(t, func(t *testing.T, w way) {
			for range 5 {
				gets(t, a.attacker, w, post(w, hostKeysPath, newHostKey(t)), 403)
			}
			h := a.attacker.host(t, w)
			h.Port = 1024
			if got, _ := h.Ask(a.target(w), post(w, hostKeysPath, newHostKey(t))); !refused(got) {
				t.Errorf("port 1024: %.100q", got)
			}
		})
		if got := a.attacker.keyOf(t); got != "" {
			t.Errorf("a user's host key is kept: %s", got)
		}
	})
}

// An entry's kind, source and time follow from the path and the clock of the host.
func TestForgeKindOfReport(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		const more = `"kind": "crashed", "Kind": "stopped", "source": "libvirt", "Source": "dnsmasq", "at": "2001-01-01T00:00:00Z", "timestamp": 1, "status": 200, "revision": 9, "count": 7`
		for _, body := range []string{
			`{"name": "stopped", "event_type": "start", ` + more + `}`, `{"name": "DHCPACK", "event_type": "start", ` + more + `}`,
			`{"name": "x", "event_type": "crashed"}`, `{"name": "x", "event_type": "start", "event_type": "stopped"}`, `{"v1": {}, "name": "x", "event_type": "host-keys"}`,
		} {
			_, _ = ask(a.attacker, byIPv4, post(byIPv4, "/mdserver/report", body))
		}
		began := time.Now().Add(-time.Minute)
		for _, e := range a.attacker.entries(t) {
			if e.Source == api.FromMetadata {
				continue // its requests
			}
			if e.Kind != api.EntryStage || e.Source != api.FromGuest || e.At.Before(began) || e.Status != 0 || e.Count != 0 {
				t.Errorf("a report makes %+v", e)
			}
		}
	})
}

// With one guest's host key an impostor could pose as another: keys count for the guest
// that reported them, and others' stay.
func TestReportHostKeysOfOthers(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		key := newHostKey(t)
		for _, g := range []*guest{a.victim, a.attacker} {
			if got := asRoot(t, g, byIPv4, post(byIPv4, hostKeysPath, key)); status(got) != 204 {
				t.Fatalf("%.200q", got)
			}
		}
		other := newHostKey(t)
		_ = asRoot(t, a.attacker, byIPv4, post(byIPv4, hostKeysPath, other))
		if a.victim.keyOf(t) != key || a.attacker.keyOf(t) != other {
			t.Errorf("the victim has %q, the attacker %q", a.victim.keyOf(t), a.attacker.keyOf(t))
		}
	})
}

// certificates are those that a guest gets for its keys.
func (g *guest) certificates(t *testing.T, keys string) (all []*ssh.Certificate) {
	t.Helper()
	got := asRoot(t, g, byIPv4, post(byIPv4, hostKeysPath, keys))
	_, body, _ := strings.Cut(got, "\r\n\r\n")
	for line := range strings.Lines(body) {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			continue // a refusal
		}
		if certificate, ok := key.(*ssh.Certificate); ok {
			all = append(all, certificate)
		}
	}
	return all
}

// Whatever a guest sends with its keys, and whatever its domain is called, a
// certificate holds for the names and addresses of its own.
func TestInjectPrincipalsIntoCertificate(t *testing.T) {
	certified := func(_ *lab.Lab, c lab.Config) { c.Set("ssh", "host_ca", "yes") }
	alone(t, certified, func(t *testing.T, a *arena) {
		victims := []string{a.victim.inst.Hostname, a.victim.inst.IPv4.String(), a.victim.inst.IPv6.String()}
		check := func(what string, g *guest, keys string) int {
			found := g.certificates(t, keys)
			for _, c := range found {
				own := slices.Contains(c.ValidPrincipals, g.inst.IPv4.String())
				if !own || c.CertType != ssh.HostCert || len(c.Extensions)+len(c.CriticalOptions) > 0 {
					t.Errorf("%s: %+v", what, c)
				}
				for _, p := range c.ValidPrincipals {
					if slices.Contains(victims, p) || strings.ContainsAny(p, ",*?! \t\r\n\x00") || p == "" {
						t.Errorf("%s: the certificate holds for %q", what, p)
					}
				}
			}
			return len(found)
		}
		if n := check("a key", a.attacker, newHostKey(t)); n != 1 {
			t.Fatalf("%d certificates for one key", n)
		}
		for _, victim := range append(victims, "*", a.victim.inst.Hostname+",*", "\r\n@cert-authority *", "\x00*") {
			key := strings.TrimSpace(newHostKey(t))
			for _, keys := range []string{
				key + " " + victim, `principals="` + victim + `" ` + key, "cert-authority,principals=\"" + victim + "\" " + key,
				victim + " " + key, "@cert-authority " + victim + " " + key, key + "\r\n" + victim + " " + key, key + "\n#" + victim, key + "\x00" + victim,
			} {
				check(fmt.Sprintf("%q", keys), a.attacker, keys)
			}
		}
		own := a.attacker.certificates(t, newHostKey(t))
		if n := check("a certificate as a key", a.attacker, string(ssh.MarshalAuthorizedKey(own[0]))); n != 0 {
			t.Errorf("a certificate is certified")
		}
		for _, name := range []string{"n," + victims[0], victims[0] + " n", "*", "?uest-0001", "!" + victims[0], victims[0] + ".", strings.ToUpper(victims[0]), victims[1], victims[2], "n\n" + victims[0]} {
			d := domain{name: name, mac: a.attacker.MAC, uuid: a.attacker.inst.UUID.String(), port: a.attacker.Port()}
			if err := a.attacker.register(d); err == nil {
				check("the name "+name, a.attacker, newHostKey(t))
			}
		}
	})
}

// Bodies that lie about their size or form are refused, and leave nothing.
func TestHostileBodiesOfReports(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		var bomb bytes.Buffer
		z := zlib.NewWriter(&bomb)
		if _, err := z.Write(make([]byte, 32<<20)); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		const chunked = "Transfer-Encoding: chunked\r\n\r\n"
		bodies := map[string]string{
			"too long": strings.Repeat("x", 100_000), "deep": strings.Repeat("[", 60_000), "deep objects": strings.Repeat(`{"v1":`, 10_000), "nothing": "", "NUL": "\x00", "another charset": "\xff\xfe{\x00}\x00",
			"a deflate bomb": bomb.String(), "many fields": strings.Repeat("&a=&b[]=;c", 6000), "a huge number": `{"name": "x", "event_type": "finish", "duration": 1` + strings.Repeat("0", 60_000) + "}",
		}
		for what, body := range bodies {
			for _, header := range []string{"X-None: 1", "Content-Encoding: deflate", "Content-Encoding: gzip, br", "Content-Type: multipart/form-data; boundary=x", "Content-Type: text/xml; charset=utf-7"} {
				for path := range reportBodies {
					if got, _ := ask(a.attacker, byIPv4, post(byIPv4, path, body, header)); !refused(got) {
						t.Errorf("%s at %s with %s: %.100q", what, path, header, got)
					}
				}
			}
		}
		var waiting sync.WaitGroup // the server waits for what does not come
		for path, body := range reportBodies {
			for what, rest := range map[string]string{
				"a length that is too large": "Content-Length: 9999999999\r\n\r\n" + body,
				"a chunk that is too long":   chunked + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body)+1000, body),
				"a negative chunk":           chunked + "-1\r\n" + body,
				"no last chunk":              chunked + fmt.Sprintf("%x\r\n%s\r\n", len(body), body),
				"endless chunks":             chunked + strings.Repeat("1\r\nx\r\n", 100_000),
			} {
				waiting.Go(func() {
					head := "POST " + path + " HTTP/1.1\r\nHost: " + byIPv4.host() + "\r\nConnection: close\r\n"
					if got, _ := ask(a.attacker, byIPv4, head+rest); !refused(got) {
						t.Errorf("%s at %s: %.100q", what, path, got)
					}
				})
			}
		}
		waiting.Wait()
		a.attacker.unforged(t, "a hostile body", "")
		a.served(t)
	})
}

func TestHostilePathsAndMethodsOfReports(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for path, body := range reportBodies {
			for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post", "POST\tX"} {
				got, _ := ask(a.attacker, byIPv4, request(byIPv4, method, path, contentLength(body), "X-HTTP-Method-Override: POST", "Connection: close")+body)
				if !refused(got) {
					t.Errorf("%s %s: %.100q", method, path, got)
				}
			}
			for _, other := range []string{path + "/x", path + "/..", path + "%00", path + ";x", "/latest/.." + path, "/mdserver/.." + path, strings.ToUpper(path), path + "%2f..", "/openstack" + path} {
				if got, _ := ask(a.attacker, byIPv4, post(byIPv4, other, body)); !refused(got) {
					t.Errorf("%s: %.100q", other, got)
				}
			}
			for _, host := range foreignHosts {
				got, _ := ask(a.attacker, byIPv4, "POST "+path+" HTTP/1.1\r\nHost: "+host+"\r\n"+contentLength(body)+"\r\nConnection: close\r\n\r\n"+body)
				if !refused(got) {
					t.Errorf("Host %s at %s: %.100q", host, path, got)
				}
			}
			for _, header := range append(browsers[:5:5], "X-Forwarded-For: 10.122.0.1", "Via: 1.1 x", "Forwarded: for=x") {
				if got, _ := ask(a.attacker, byIPv4, post(byIPv4, path, body, header)); !refused(got) {
					t.Errorf("%s at %s: %.100q", header, path, got)
				}
			}
		}
		for _, path := range []string{"/mdserver", "/mdserver/", "//mdserver//", "/mdserver/known-hosts", "/mdserver/v1/status"} {
			if got, _ := ask(a.attacker, byIPv4, get(byIPv4, path)); !refused(got) {
				t.Errorf("%s: %.100q", path, got)
			}
		}
		a.attacker.unforged(t, "a hostile request", "")
	})
}
