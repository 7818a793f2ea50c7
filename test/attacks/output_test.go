//go:build e2e

package attacks

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// evil are characters that do something to a terminal, or to who reads it.
var evil = []string{
	"\x1b[31mred", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\x9b31m", "\u009b31m", "\u0085next", "\u202eright to left", "\u2066isolate", "\u2028line", "\u2029paragraph",
	"\r\nforged line", "\ttab", "\x00nul", "\x7fdelete", "\x08\x08\x08", "\ufeffmark", "\u200bnothing", "\xff\xfe", "\U000e0041tag",
}

// harmless checks that a text would do nothing to a terminal.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is no UTF-8: %.200q", what, text)
	}
	for i, r := range text {
		if r == '\n' || r == '\t' {
			continue
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			t.Errorf("%s has %U in it: %.200q", what, r, text[max(0, i-40):])
			return
		}
	}
}

// shows runs commands that print what is known of a guest and checks what they
// print.
func (a *arena) shows(t *testing.T, what string, commands ...[]string) {
	t.Helper()
	for _, args := range commands {
		out, err := a.server.Run(suite.ctx, nil, args...)
		if err != nil {
			out += err.Error()
		}
		harmless(t, fmt.Sprintf("%s: mdserver %s", what, strings.Join(args, " ")), out)
		if strings.Contains(out, "\nforged line") {
			t.Errorf("%s: mdserver %s prints a forged line:\n%s", what, strings.Join(args, " "), out)
		}
	}
}

func about(ref string) [][]string {
	return [][]string{
		{"explain", ref}, {"explain", ref, "--json"}, {"instance", "show", ref}, {"instance", "show", ref, "--json"}, {"instance", "ls"}, {"instance", "ls", "--json"},
		{"status"}, {"status", "--json"}, {"__complete", "instance", "show", ""}, {"smbios", ref}, {"doctor"},
	}
}

func TestEscapesInPathReachTerminal(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, text := range evil {
			for _, path := range []string{"/latest/meta-data/" + url.PathEscape(text), "/" + url.PathEscape(text) + "/latest", "/latest/meta-data/tags/instance/" + url.PathEscape(text) + "?" + url.QueryEscape(text)} {
				got, _ := ask(a.attacker, byIPv4, get(byIPv4, path, "User-Agent: "+strings.NewReplacer("\r", "", "\n", "").Replace(text)))
				if head, _, _ := strings.Cut(got, "\r\n\r\n"); strings.Contains(head, "forged line") {
					t.Errorf("%q forges a header: %q", path, head)
				}
			}
		}
		a.shows(t, "paths", about(a.attacker.inst.Name)...)
	})
}

func TestEscapesInMethodReachTerminal(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for _, text := range evil {
			_, _ = ask(a.attacker, byIPv4, "M"+text+" /latest/ HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n")
		}
		a.shows(t, "methods", about(a.attacker.inst.Name)...)
	})
}

func TestEscapesInNameReachTerminal(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for i, text := range evil {
			name := fmt.Sprintf("e%d%s", i, text)
			d := domain{name: name, mac: a.newMAC(), metadata: "<m:tags>t=" + text + "</m:tags><m:k>" + text + "</m:k>"}
			registered, err := a.admin.Register(suite.ctx, []byte(d.XML()))
			if err != nil {
				harmless(t, "the refusal of a name", err.Error())
				continue
			}
			ref := registered.Instance.UUID.String()
			a.shows(t, fmt.Sprintf("%q", name), about(ref)[:10]...)
			if _, err := a.admin.Release(suite.ctx, ref); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestEscapesInPasswordReachTerminal(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		for i, text := range evil {
			g := a.attacker
			if i > 0 { // an instance posts once
				if _, err := a.admin.Reprovision(suite.ctx, g.inst.Name); err != nil {
					t.Fatal(err)
				}
			}
			_, _ = ask(g, byIPv4, request(byIPv4, "POST", "/openstack/latest/password", contentLength(text), "Connection: close")+text)
			a.shows(t, fmt.Sprintf("%q", text), []string{"instance", "password", g.inst.Name}, []string{"explain", g.inst.Name}, []string{"instance", "show", g.inst.Name})
		}
	})
}

func TestForgeLogLines(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		const forged = "time=2026-01-01T00:00:00Z level=ERROR msg=forged"
		for _, text := range append(evil, "\n"+forged, "\r\n"+forged+"\r\n", "\u2028"+forged, "\u0085"+forged, "\x0b"+forged) {
			_, _ = ask(a.attacker, byIPv4, get(byIPv4, "/latest/"+url.PathEscape(text)))
			_, _ = ask(a.attacker, byIPv4, "M"+text+" /latest/ HTTP/1.1\r\nHost: x"+text+"\r\nConnection: close\r\n\r\n")
			_, _ = a.admin.Register(suite.ctx, []byte(domain{name: "log" + text, mac: a.newMAC()}.XML()))
		}
		time.Sleep(200 * time.Millisecond) // lines gather
		log, err := os.ReadFile(a.Path("log", "mdserver-file.log"))
		if err != nil {
			t.Fatal(err)
		}
		harmless(t, "the log", string(log))
		for line := range strings.Lines(string(log)) {
			if strings.HasPrefix(line, forged) || !strings.HasPrefix(line, "time=") {
				t.Errorf("a forged line: %.200q", line)
			}
		}
	})
}
