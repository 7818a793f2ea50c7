//go:build e2e

package attacks

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"mdserver/test/lab"
)

// Ten connections with reports as fast as they are answered, each for a stage of its own.
func TestFloodReports(t *testing.T) {
	alone(t, nil, func(t *testing.T, a *arena) {
		before := a.logged(t)
		var floods sync.WaitGroup
		for i := range 10 {
			floods.Go(func() {
				for j := range 6 {
					var text strings.Builder
					for k := range 50 {
						body := fmt.Sprintf(`{"name": "%d-%d-%d%s", "description": "%s", "event_type": "start"}`, i, j, k, strings.Repeat("n", 200), strings.Repeat("\u202e", 2000))
						text.WriteString(request(byIPv4, "POST", "/mdserver/report", contentLength(body)) + body)
					}
					_, _ = ask(a.attacker, byIPv4, text.String()+get(byIPv4, "/"))
				}
			})
		}
		a.prompt(t, "while another guest reports without end")
		gets(t, a.victim, byIPv4, post(byIPv4, "/mdserver/status", reportBodies["/mdserver/status"]), 204)
		floods.Wait()
		a.prompt(t, "after a flood of reports")
		if n := len(a.attacker.entries(t)); n > 201 {
			t.Errorf("the record has %d entries of the attacker", n)
		}
		if grown := a.logged(t) - before; grown > 1_000_000 {
			t.Errorf("the logs grew by %d bytes", grown)
		}
		if mib := a.memory(t); mib > 300 {
			t.Errorf("the server has used %d MiB", mib)
		}
	})
}

// Only the metadata addresses take reports, not the others that the bridge has.
func TestReportToOtherAddressesOfHost(t *testing.T) {
	requests(t, func(t *testing.T, a *arena) {
		for addr, w := range map[string]way{lab.Gateway: byIPv4, lab.Gateway6: byIPv6, hostLinkLocal(t, a.site, lab.Bridge).String(): byLinkLocal} {
			server := a.target(w)
			server.Addr = parse(addr)
			for path, body := range reportBodies {
				if got, _ := a.attacker.host(t, w).Ask(server, post(w, path, body)); !refused(got) {
					t.Errorf("%s at %s: %.100q", path, addr, got)
				}
			}
		}
	})
}

func TestHoldConnectionsWithHalfAReport(t *testing.T) {
	alone(t, few, func(t *testing.T, a *arena) {
		h := newHolder(t)
		for _, w := range ways {
			for path := range reportBodies {
				h.hold(a.attacker, w, a.attacker.addr(w), 20, request(w, "POST", path, "Content-Length: 60000")+"{")
			}
		}
		a.prompt(t, "held by half a report")
		for path, body := range reportBodies {
			gets(t, a.victim, byIPv4, post(byIPv4, path, body), 204)
		}
	})
}

func TestEscapesInReportsReachTerminal(t *testing.T) {
	attack(t, func(t *testing.T, a *arena) {
		ref := a.attacker.inst.Name
		for _, text := range evil {
			quoted, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			raw := `"` + text + `"` // bytes that JSON does not allow, too
			for _, s := range []string{string(quoted), raw} {
				for _, body := range []string{
					fmt.Sprintf(`{"name": %s, "description": %[1]s, "event_type": "finish", "result": "FAIL"}`, s),
					fmt.Sprintf(`{"name": "x", "event_type": %s, "result": %[1]s}`, s),
				} {
					got, _ := ask(a.attacker, byIPv4, post(byIPv4, "/mdserver/report", body))
					harmless(t, "the answer", strings.ReplaceAll(got, "\r\n", "\n"))
				}
				_, _ = ask(a.attacker, byIPv4, post(byIPv4, "/mdserver/status", fmt.Sprintf(`{"v1": {"init": {"errors": [%s], "recoverable_errors": {%[1]s: [%[1]s]}}}}`, s)))
			}
			value := url.QueryEscape(text)
			_, _ = ask(a.attacker, byIPv4, post(byIPv4, "/mdserver/phone-home", "hostname="+value+"&fqdn="+value+"&instance_id="+value+"&pub_key_rsa="+value))
			_ = asRoot(t, a.attacker, byIPv4, post(byIPv4, hostKeysPath, strings.TrimSpace(newHostKey(t))+" "+text))
		}
		a.shows(t, "reports", append(about(ref), []string{"boots", ref}, []string{"boots", ref, "--json"}, []string{"logs", ref}, []string{"known-hosts", ref},
			[]string{"known-hosts", ref, "--json"}, []string{"ssh-config"}, []string{"wait", ref, "--timeout", "1s"}, []string{"inventory", "--ansible", "--list"})...)
	})
}
