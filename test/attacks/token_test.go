//go:build e2e

package attacks

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"mdserver/test/lab"
	"mdserver/test/wire"
)

const ttl = "X-aws-ec2-metadata-token-ttl-seconds: 60"

func putToken(w way, headers ...string) string {
	return request(w, "PUT", "/latest/api/token", append(headers, ttl, "Content-Length: 0", "Connection: close")...)
}

func showing(token string) string { return "X-aws-ec2-metadata-token: " + token }

// token asks for a token that a guest may have.
func (g *guest) token(t *testing.T, w way) string {
	t.Helper()
	got, err := ask(g, w, putToken(w))
	_, token, _ := strings.Cut(got, "\r\n\r\n")
	if err != nil || status(got) != 200 || token == "" {
		t.Fatalf("a token for %s: %v %.200q", g.Label, err, got)
	}
	return token
}

// withTokens runs an attack where each request needs a token.
func withTokens(t *testing.T, f func(*testing.T, *arena)) {
	t.Helper()
	alone(t, func(_ *lab.Lab, c lab.Config) { c.Set("mdserver", "imds", "required") }, f)
}

// gets checks what a request leads to.
func gets(t *testing.T, g *guest, w way, text string, want int) {
	t.Helper()
	if got, err := ask(g, w, text); status(got) != want {
		t.Errorf("%s by %s: %v %.120q, want status %d", strings.SplitN(text, " HTTP", 2)[0], w, err, got, want)
	}
}

func TestTokenOfOtherGuest(t *testing.T) {
	withTokens(t, func(t *testing.T, a *arena) {
		for _, w := range ways {
			token := a.victim.token(t, w)
			gets(t, a.victim, w, get(w, "/latest/user-data", showing(token)), 200) // the control
			for _, path := range secretPaths {
				gets(t, a.attacker, w, get(w, path, showing(token)), 401)
			}
			both := get(w, "/latest/user-data", showing(token), showing(a.attacker.token(t, w)))
			gets(t, a.attacker, w, both, 401)
		}
	})
}

func TestExpiredToken(t *testing.T) {
	withTokens(t, func(t *testing.T, a *arena) {
		got, err := ask(a.attacker, byIPv4, request(byIPv4, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 1", "Content-Length: 0", "Connection: close"))
		_, token, _ := strings.Cut(got, "\r\n\r\n")
		if err != nil || status(got) != 200 {
			t.Fatalf("%v %.200q", err, got)
		}
		time.Sleep(2100 * time.Millisecond)
		gets(t, a.attacker, byIPv4, get(byIPv4, "/latest/user-data", showing(token)), 401)
	})
}

func TestForgedToken(t *testing.T) {
	withTokens(t, func(t *testing.T, a *arena) {
		token := a.victim.token(t, byIPv4)
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		for i := range raw { // its end, its signature
			forged := append([]byte{}, raw...)
			forged[i] ^= 1
			text := base64.RawURLEncoding.EncodeToString(forged)
			gets(t, a.victim, byIPv4, get(byIPv4, "/latest/user-data", showing(text)), 401)
		}
		for _, text := range []string{"x", token[:len(token)-1], token + "=", token + "A", " " + token + "\x01", strings.Repeat("A", 10_000), strings.ToUpper(token), "null", "Bearer " + token} {
			got, _ := ask(a.victim, byIPv4, get(byIPv4, "/latest/user-data", showing(text)))
			if code := status(got); code != 401 && code != 400 && code != 431 {
				t.Errorf("token %.30q: %.120q", text, got)
			}
		}
	})
}

func TestNoTokenOnAnyFace(t *testing.T) {
	withTokens(t, func(t *testing.T, a *arena) {
		for _, w := range ways {
			for _, path := range append(secretPaths, "/latest/meta-data/", "/openstack/latest/network_data.json", "/nocloud/network-config", "/openstack/latest/password", "/2009-04-04/user-data",
				"/openstack/2012-08-10/user_data", "//latest//user-data", "/latest/user-data/", "/latest/dynamic/instance-identity/document") {
				for _, header := range []string{"X-No: token", showing(""), "Cookie: token=x", "Authorization: Bearer x"} {
					got, _ := ask(a.victim, w, get(w, path, header))
					if status(got) != 401 || strings.Contains(got, a.victim.secret) {
						t.Errorf("%s by %s with %s: %.120q, want 401", path, w, header, got)
					}
				}
			}
			token := a.victim.token(t, w)
			for _, path := range secretPaths { // the control
				gets(t, a.victim, w, get(w, path, showing(token)), 200)
			}
		}
	})
}

func TestTokenThroughProxy(t *testing.T) {
	withTokens(t, func(t *testing.T, a *arena) {
		for _, w := range ways {
			for _, header := range []string{"X-Forwarded-For: 10.0.0.1", "x-forwarded-for:", "X-FORWARDED-FOR: " + a.victim.inst.IPv4.String()} {
				gets(t, a.attacker, w, putToken(w, header), 403)
			}
		}
	})
}

func TestTokenAtDatedVersion(t *testing.T) {
	withTokens(t, func(t *testing.T, a *arena) {
		for _, path := range []string{"/2009-04-04/api/token", "/2021-07-15/api/token", "/1.0/api/token", "/openstack/latest/api/token", "/nocloud/api/token", "/latest/api/token/x"} {
			got, _ := ask(a.attacker, byIPv4, request(byIPv4, "PUT", path, ttl, "Content-Length: 0", "Connection: close"))
			if !refused(got) {
				t.Errorf("%s: %.120q", path, got)
			}
		}
		for _, method := range []string{"GET", "POST", "HEAD"} {
			gets(t, a.attacker, byIPv4, request(byIPv4, method, "/latest/api/token", ttl, "Content-Length: 0", "Connection: close"), 405)
		}
	})
}

// A token in the victim's name would open all that is the victim's.
func TestTokenForClaimedAddress(t *testing.T) {
	withTokens(t, func(t *testing.T, a *arena) {
		var tokens []string // by a link-local address it is the attacker's own
		for _, on := range []bool{true, false} {
			if !on {
				a.victim.off(t)
			}
			for _, w := range ways {
				for _, edit := range []func(*wire.Host){asIs, func(h *wire.Host) { h.MAC = a.victim.mac }, func(h *wire.Host) { h.Said = a.victim.mac }} {
					h := a.attacker.host(t, w)
					h.Addr = a.victim.addr(w)
					edit(h)
					h.Announce(a.target(w))
					got, _ := h.Ask(a.target(w), putToken(w))
					if _, token, ok := strings.Cut(got, "\r\n\r\n"); ok && status(got) == 200 {
						tokens = append(tokens, token)
					}
				}
			}
		}
		a.victim.on(t)
		for _, token := range tokens {
			eventually(t, "the victim is refused with the attacker's token", func() error {
				got, err := ask(a.victim, byIPv4, get(byIPv4, "/latest/user-data", showing(token)))
				if err == nil && status(got) != 401 {
					err = fmt.Errorf("%.100q", got)
				}
				return err
			})
		}
	})
}

func TestTokenOfReleasedGuest(t *testing.T) {
	withTokens(t, func(t *testing.T, a *arena) {
		token := a.victim.token(t, byIPv4)
		addr := a.victim.inst.IPv4
		if _, err := a.admin.Release(suite.ctx, a.victim.inst.Name); err != nil {
			t.Fatal(err)
		}
		got, _ := ask(a.victim, byIPv4, get(byIPv4, "/latest/user-data", showing(token)))
		if code := status(got); code >= 200 && code < 300 {
			t.Errorf("a token of a guest that is gone: %.200q", got)
		}
		heir := a.guest(t, form{metadata: "<m:ipv4>" + addr.String() + "</m:ipv4>"})
		if heir.inst.IPv4 != addr {
			t.Fatalf("the heir has %s, want %s", heir.inst.IPv4, addr)
		}
		gets(t, heir, byIPv4, get(byIPv4, "/latest/user-data", showing(token)), 401)
		gets(t, heir, byIPv4, get(byIPv4, "/latest/user-data", showing(heir.token(t, byIPv4))), 200)
	})
}
